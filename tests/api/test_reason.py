import asyncio
import json

import httpx2
import numpy as np
import pytest

from agent_reasoning.api.app import create_app
from agent_reasoning.schemas import ReasonRequest, ReasonResponse
from agent_reasoning.service.reason import ReasoningService

STEPS = {"database": [], "cache": [], "api": ["database", "cache"], "web": ["api"]}
WAVES = [["database", "cache"], ["api"], ["web"]]


def ask(client, **fields):
    return client.post("/reason", json={"question": "In which order?", "context": {"steps": STEPS}} | fields)


def test_a_dependency_graph_comes_back_as_a_verified_rollout(client):
    response = ask(client, conversation_id="c-7", seed=5)

    body = response.json()
    assert response.status_code == 200
    assert body["solution"] == {"waves": WAVES, "critical_path": ["database", "api", "web"]}
    assert (body["verified"], body["violations"], body["confidence"]) == (True, [], 1.0)
    assert (body["task"], body["task_type"], body["source"], body["model"]) == (
        "rollout",
        "planning",
        "model",
        "rollout",
    )
    assert (body["halted_by"], body["seed"], body["conversation_id"]) == ("verified", 5, "c-7")
    assert body["steps"] == len(body["reasoning_trace"]) >= 1
    assert body["reasoning_trace"][-1]["verified"]
    assert all(0 <= step["confidence"] <= 1 for step in body["reasoning_trace"])
    assert "Wave 2: api" in body["answer"]
    assert body["duration_ms"] > 0


def test_a_response_holds_every_field_of_the_contract(client):
    assert set(ask(client).json()) == set(ReasonResponse.model_fields)


@pytest.mark.parametrize("name", ["otel_demo", "homelab_studio"])
def test_a_real_dependency_graph_is_rolled_out(client, shared, name):
    graph = json.loads((shared / "data" / "real" / f"dependencies_{name}.json").read_text())

    body = ask(client, context={"steps": graph}).json()

    wave_of = {step: number for number, wave in enumerate(body["solution"]["waves"]) for step in wave}
    assert body["verified"]
    assert all(wave_of[step] == max((wave_of[need] + 1 for need in needs), default=0) for step, needs in graph.items())


def test_the_same_request_and_seed_give_the_same_answer(client):
    once, again = (ask(client, samples=4, seed=9).json() for _ in range(2))

    for body in (once, again):
        del body["duration_ms"], body["request_id"]
    assert once == again


def test_several_samples_are_verified_too(client):
    assert ask(client, samples=8).json()["verified"]


def test_the_question_may_name_the_task_or_its_type(client):
    assert ask(client, task="rollout", task_type="planning").status_code == 200


def test_a_request_id_is_echoed_and_a_bad_one_replaced(client):
    def sent(request_id):
        return client.post(
            "/reason", json={"question": "?", "context": {"steps": STEPS}}, headers={"x-request-id": request_id}
        )

    assert sent("abc-1").json()["request_id"] == sent("abc-1").headers["x-request-id"] == "abc-1"
    assert sent("a b\u00fc".encode()).headers["x-request-id"] != "a bü"


def test_many_concurrent_requests_each_get_their_own_answer(registry, models):
    rollout = registry.get("rollout")
    items = [rollout.generate(np.random.default_rng(seed), 4 + seed % 9) for seed in range(40)]

    async def run():
        app = create_app(ReasoningService(registry, models))
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                return await asyncio.gather(*(client.post("/reason", json=body(item)) for item in items))

    def body(item):
        graph = item.instance
        needs = {f"{graph.names[0]}-{name}": [f"{graph.names[0]}-{graph.names[n]}" for n in needs]
                 for name, needs in zip(graph.names, graph.needs, strict=True)}  # fmt: skip
        return {"question": "?", "context": {"steps": needs}, "conversation_id": str(len(needs))}

    for item, response in zip(items, asyncio.run(run()), strict=True):
        answer = response.json()
        names = {name for wave in answer["solution"]["waves"] for name in wave}
        assert names == {f"{item.instance.names[0]}-{name}" for name in item.instance.names}
        assert answer["conversation_id"] == str(len(names))


def test_max_steps_bounds_the_trace(client):
    body = ask(client, max_steps=1).json()

    assert body["steps"] == len(body["reasoning_trace"]) == 1


def test_what_can_be_asked_is_listed_with_examples_that_work(client):
    tasks = client.get("/tasks").json()
    served = {model["task"] for model in client.get("/models").json()}

    assert {"rollout", "sudoku"} <= {task["name"] for task in tasks}
    for task in tasks:
        assert ReasonRequest.model_validate(task["example"])
        detail = client.get(f"/tasks/{task['name']}").json()
        assert "properties" in detail["context_schema"]
        answer = client.post("/reason", json=task["example"]).json()
        if task["name"] in served:
            assert (answer["task"], answer["verified"]) == (task["name"], True)
            assert detail["model"] == task["name"]
        else:
            assert answer["status"] == 503
            assert f"No model is loaded for {task['name']}" in answer["detail"]
            assert detail["model"] is None


def test_models_are_listed_with_what_identifies_them(client):
    (model,) = [model for model in client.get("/models").json() if model["task"] == "rollout"]

    assert model["device"] == "cpu"
    assert 10_000 < model["parameters"] < 30_000_000
    assert len(model["sha256"]) == 64


def test_probes_are_well(client):
    assert client.get("/health").json() == {"status": "ok", "detail": None}
    assert client.get("/ready").json() == {"status": "ready", "detail": None}
    assert client.get("/docs").status_code == 200


def test_a_draining_service_is_not_ready_but_healthy(registry, models):
    from starlette.testclient import TestClient

    service = ReasoningService(registry, models)
    with TestClient(create_app(service)) as client:
        service.draining = True

        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
        refused = ask(client)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1


def test_metrics_count_what_happened(client):
    def value(name):
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    names = {
        'agent_reasoning_requests_total{status="completed",task_type="planning"}': 1,
        'agent_reasoning_requests_total{status="invalid-context",task_type="general"}': 1,
        'agent_reasoning_duration_seconds_count{task_type="planning"}': 1,
        'agent_reasoning_steps_count{task_type="planning"}': 1,
        'agent_reasoning_confidence_count{task_type="planning"}': 1,
        'agent_reasoning_verified_total{task_type="planning",verified="true"}': 1,
        'agent_reasoning_answers_total{source="model",task="rollout"}': 1,
        'agent_reasoning_halted_total{by="verified",task="rollout"}': 1,
        'agent_reasoning_queue_wait_seconds_count{task="rollout"}': 1,
    }
    before = {name: value(name) for name in names}

    ask(client)
    ask(client, context={"steps": {}})

    assert {name: value(name) - before[name] for name in names} == names
    assert value("agent_reasoning_gpu_utilization") == 0
    assert value('agent_reasoning_model_info{device="cpu",model="rollout"') == 1
    assert value("agent_reasoning_step_seconds_count") > 0
    assert value("agent_reasoning_batch_rows_sum") >= value("agent_reasoning_batch_rows_count") > 0
    assert value('agent_reasoning_slots{state="used",task="rollout"}') == 0
    assert value('agent_reasoning_slots{state="free",task="rollout"}') == 64


def test_a_rollout_with_limits_says_how_soon_it_is_done_and_whether_that_is_proven(client):
    context = {
        "steps": {
            "database": [],
            "cache": [],
            "queue": [],
            "api": ["database", "cache"],
            "web": ["api"],
            "worker": ["queue"],
        },
        "max_parallel": 2,
        "durations": {"database": 3, "api": 2, "worker": 0.5},
    }

    body = client.post("/reason", json={"question": "In which order, two at a time?", "context": context}).json()

    assert (body["verified"], body["optimal"], body["objective"], body["bound"]) == (True, True, 6.0, 6.0)
    assert body["solution"]["critical_path"] == ["database", "api", "web"]
    assert body["solution"]["total"] == 6.0
    assert "at most 2 at a time: done after 6 units of time." in body["answer"]


def test_objects_with_argos_and_helms_annotations_are_a_rollout(client):
    documents = [
        {"kind": "Job", "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}}},
        {"kind": "Deployment", "metadata": {"name": "api"}},
        {"kind": "Deployment", "metadata": {"name": "web", "annotations": {"argocd.argoproj.io/sync-wave": "2"}}},
    ]

    body = client.post("/reason", json={"question": "In which order?", "context": {"documents": documents}}).json()

    assert body["solution"]["waves"] == [["migrate"], ["api"], ["web"]]
    assert (body["verified"], body["task"]) == (True, "rollout")


def test_the_first_documented_request_is_answered(client):
    """Its task_type is not its shape's, and its constraints are in nobody's form: both are said."""
    request = {
        "question": "How should I optimize my Kubernetes cluster?",
        "context": {
            "current_nodes": 10,
            "workloads": [
                {"name": "api", "cpu": 2, "memory": "4Gi", "replicas": 3},
                {"name": "db", "cpu": 4, "memory": "16Gi"},
            ],
            "constraints": ["keep the database near the api"],
        },
        "task_type": "planning",
    }

    body = client.post("/reason", json=request).json()

    assert (body["task"], body["task_type"], body["verified"]) == ("placement", "optimization", True)
    assert "Asked as planning; the context is optimization (placement) and was solved as that." in body["answer"]
    assert "keep the database near the api" in body["answer"]
    assert body["solution"]["not_understood"]
    assert set(body["solution"]["assignment"]) == {"api-1", "api-2", "api-3", "db"}


@pytest.mark.parametrize("nodes", [{"nodes": 10}, {"current_nodes": 10}])
def test_ten_nodes_and_nothing_to_place(client, nodes):
    body = client.post(
        "/reason", json={"question": "What can I release?", "context": {**nodes, "workloads": []}}
    ).json()

    assert (body["verified"], body["optimal"], body["objective"]) == (True, True, 0.0)
    assert "There is nothing to place: all 10 nodes can be released." in body["answer"]


def test_a_placement_says_where_what_moves_and_how_full_it_gets(client):
    node = {"cpu": 4, "memory": "8Gi"}
    workloads = [
        {"name": "db", "cpu": 2, "memory": "4Gi", "node": "a"},
        {"name": "web", "cpu": 1, "memory": "1Gi", "node": "b"},
    ]
    context = {"nodes": [{"name": name, **node} for name in "abc"], "workloads": workloads}

    body = client.post("/reason", json={"question": "Which nodes can be freed?", "context": context}).json()

    assert (body["verified"], body["optimal"], body["objective"]) == (True, True, 1.0)
    assert len(body["solution"]["moves"]) == 1
    assert body["solution"]["utilisation"]["after"]["cpu"] == {"of_nodes_in_use": 75.0, "of_fullest_node": 75.0}


def test_what_fits_nowhere_is_named_with_the_reason(client):
    context = {
        "nodes": [{"name": "a", "cpu": 2, "memory": "4Gi"}],
        "workloads": [{"name": "big", "cpu": 3, "memory": "1Gi"}],
    }

    response = client.post("/reason", json={"question": "Where?", "context": context})

    assert response.status_code == 422
    assert "big" in response.json()["detail"]
    assert "cpu" in response.json()["detail"]
