"""Whatever comes in, what goes out is a problem document that says what to mend, and the next request is served."""

import json
import socket

import pytest
from starlette.testclient import TestClient

from agent_reasoning.api import problems
from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.errors import ConfigurationError, ReasoningError
from agent_reasoning.service.reason import ReasoningService
from tests.api.conftest import MAX_BODY

GOOD = {"question": "?", "context": {"steps": {"a": [], "b": ["a"]}}}


NODES = [{"name": "a", "cpu": 4, "memory": "8Gi"}, {"name": "b", "cpu": 0, "memory": 0}]


def body(**changes):
    return json.dumps(GOOD | changes)


def placing(nodes=NODES, **workload):
    return body(context={"nodes": nodes, "workloads": [{"name": "w", **workload}]})


CASES = {
    "empty": ("", 400, "malformed-body", "not JSON"),
    "not JSON": ("{question: 1}", 400, "malformed-body", "line 1, column 2"),
    "not UTF-8": (b'{"question": "\xff"}', 400, "malformed-body", "UTF-8"),
    "cut off": (body()[:-1], 400, "malformed-body", "not JSON"),
    "NaN": ('{"question": "?", "context": {"a": NaN}}', 400, "malformed-body", "NaN"),
    "infinity": ('{"question": "?", "context": {"a": -Infinity}}', 400, "malformed-body", "Infinity"),
    "a number past float": ('{"question": "?", "context": {"a": 1e999}}', 400, "malformed-body", "1e999"),
    "a number of many digits": ('{"question": "?", "context": {"a": ' + "9" * 9000 + "}}", 400, "malformed-body", "number"),
    "half a character": ('{"question": "?", "context": {"services": {"\\ud800": {}}}}', 400, "malformed-body", "surrogate"),
    "half a character twice": ('{"\\ud800": 1, "\\ud800": 2}', 422, "invalid-request", "twice"),
    "an empty foreign name": (body(context={"services": {"": {}}}), 422, "invalid-context", "services"),
    "a name with a line break": (body(context={"services": {"a\nWave 9: b": {}}}), 422, "invalid-context", "services"),
    "a long foreign name": (body(context={"services": {"a" * 254: {}}}), 422, "invalid-context", "services"),
    "more steps than are served": (body(context={"steps": {str(n): [] for n in range(129)}}), 422, "invalid-context", "128"),
    "deep lists": ('{"question": "?", "context": {"a": ' + "[" * 9000 + "]" * 9000 + "}}", 400, "malformed-body", "deeply"),
    "deep objects": ('{"a":' * 3000 + "1" + "}" * 3000, 400, "malformed-body", "deeply"),
    "a list": ("[]", 422, "invalid-request", "request"),
    "null": ("null", 422, "invalid-request", "request"),
    "no question": ('{"context": {}}', 422, "invalid-request", "question"),
    "an empty question": (body(question=""), 422, "invalid-request", "question"),
    "a long question": (body(question="x" * 5000), 422, "invalid-request", "4096"),
    "a question of another type": (body(question=7), 422, "invalid-request", "question"),
    "a context of another type": (body(context=[1]), 422, "invalid-request", "context"),
    "an unknown field": (body(temperature=1), 422, "invalid-request", "temperature"),
    "an unknown task type": (body(task_type="magic"), 422, "invalid-request", "planning"),
    "an unknown task": (body(task="magic"), 422, "unknown-task", "rollout"),
    "steps as text": (body(max_steps="6"), 422, "invalid-request", "max_steps"),
    "no steps at all": (body(max_steps=0), 422, "invalid-request", "max_steps"),
    "too many steps": (body(max_steps=65), 422, "invalid-request", "64"),
    "too many samples": (body(samples=65), 422, "invalid-request", "64"),
    "a negative seed": (body(seed=-1), 422, "invalid-request", "seed"),
    "a seed past 63 bits": (body(seed=2**63), 422, "invalid-request", "seed"),
    "true for a number": (body(samples=True), 422, "invalid-request", "samples"),
    "no time": (body(timeout_seconds=0), 422, "invalid-request", "timeout_seconds"),
    "a name twice": ('{"question": "?", "context": {"steps": {"a": [], "a": []}}}', 422, "invalid-request", "twice: a"),
    "a cycle": (body(context={"steps": {"a": ["b"], "b": ["a"]}}), 422, "invalid-context", "a → b → a"),
    "no steps": (body(context={"steps": {}}), 422, "invalid-context", "no steps"),
    "an unknown need": (body(context={"steps": {"a": ["z"]}}), 422, "invalid-context", "a needs z"),
    "the wrong task for it": (body(task="rollout", context={"nodes": 1}), 422, "invalid-context", "steps"),
    "an empty context": (body(context={}), 422, "unmappable-context", "nothing"),
    "ten thousand nodes": (placing(10_000), 422, "invalid-context", "less than or equal to 2000"),
    "negative memory": (placing(memory="-1Gi"), 422, "invalid-context", "workloads.0.memory: a quantity is a number that is not"),
    "endless memory": (placing(memory="1e999Gi"), 422, "invalid-context", "not '1e999Gi'"),
    "more memory than there is": (placing(memory="1e999"), 422, "invalid-context", "at most 512Ti are allowed"),
    "nodes without capacity": (placing(NODES[1:], cpu=1), 422, "invalid-context", "the largest that it may use, b, has 0"),
    "a pod that fits nowhere": (placing(cpu=5), 422, "invalid-context", "w fits on no node: it asks for 5 of cpu, and the largest"),
    "more than there is room for": (placing(cpu=3, replicas=2), 422, "invalid-context", "together they ask for 6 of cpu"),
    "a count of replicas without end": (placing(replicas=10**9), 422, "invalid-context", "less than or equal to 10000"),
    "a cluster of millions of pairs": (placing(2_000, replicas=10_000), 422, "invalid-context", "20000000 pairs"),
    "too large": (b" " * (MAX_BODY + 1), 413, "body-too-large", str(MAX_BODY)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_answered_with_what_to_mend(client, case):
    content, status, code, words = CASES[case]

    response = client.post("/reason", content=content, headers={"content-type": "application/json"})

    problem = response.json()
    assert (response.status_code, problem["type"]) == (status, f"urn:agent-reasoning:problem:{code}")
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert words in problem["detail"] + json.dumps(problem.get("tasks", ""))
    assert client.post("/reason", json=GOOD).json()["verified"]


def test_what_no_task_takes_is_answered_with_the_tasks_and_an_example_of_each(client):
    response = client.post("/reason", json={"question": "How should I live?", "context": {"nodes": 10}, "max_steps": 6})

    assert response.status_code == 422
    names = [task["name"] for task in client.get("/tasks").json()]
    assert [task["name"] for task in response.json()["tasks"]] == names
    for task in response.json()["tasks"]:
        assert client.post("/reason", json=task["example"]).json()["verified"]


def test_a_body_of_20_megabytes_is_refused_before_it_is_read(client, live):
    response = client.post("/reason", content=b" " * 20_000_000, headers={"content-type": "application/json"})
    assert response.status_code == 413

    host, port = live.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /reason HTTP/1.1\r\nhost: x\r\ncontent-length: 20000000\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")  # not a byte of the body has been sent


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/reason", 405), ("DELETE", "/tasks", 405), ("GET", "/nowhere", 404), ("GET", "/tasks/ghost", 404)],
)
def test_a_wrong_method_or_path_is_a_problem_document_too(client, method, path, status):
    response = client.request(method, path)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status


def test_require_verified_is_an_error_when_nothing_verifies(client):
    deep = {f"s{number:03}": [f"s{number - 1:03}"] if number else [] for number in range(128)}

    response = client.post(
        "/reason", json=GOOD | {"context": {"steps": deep}, "max_steps": 1, "require_verified": True}
    )

    assert response.status_code == 422
    assert response.json()["type"].endswith("not-verified")
    assert response.json()["violations"]


def test_a_client_that_sends_too_much_is_told_when_to_come_back(registry, models):
    app = create_app(ReasoningService(registry, models), Limits(rate="2/hour", trusted_hops=1))
    with TestClient(app) as client:

        def send(forwarded):
            return client.post("/reason", json=GOOD, headers={"x-forwarded-for": forwarded})

        assert [send("1.1.1.1").status_code for _ in range(3)] == [200, 200, 429]
        refused = send("9.9.9.9, 1.1.1.1")  # what stands left of the trusted entry is the caller's own claim
        assert refused.status_code == 429
        assert refused.json()["type"].endswith("rate-limited")
        assert 0 < int(refused.headers["retry-after"]) <= 3600
        assert send("2.2.2.2").status_code == 200
        assert all(client.get(path).status_code == 200 for path in ("/health", "/ready", "/metrics") for _ in range(5))


def test_an_unexpected_fault_tells_the_client_nothing_of_the_inside(registry, models):
    service = ReasoningService(registry, models)
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        service.prepare = lambda request: 1 / 0
        response = client.post("/reason", json=GOOD)

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == response.json()["request_id"]
    assert "division" not in response.text


def test_a_name_repeated_among_very_many_is_found(registry, models):
    names = ",".join(f'"{number}":0' for number in range(90_000))
    app = create_app(ReasoningService(registry, models))
    with TestClient(app) as client:
        response = client.post("/reason", content=f'{{"question":"?","context":{{{names},"7":0}}}}')

        assert response.json()["names"] == ["7"]


def test_metrics_count_what_never_became_a_request(client):
    def counted(code):
        label = f'agent_reasoning_requests_total{{status="{code}",task_type="general"}}'
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(label))

    before = counted("malformed-body")
    client.post("/reason", content="{")

    assert counted("malformed-body") == before + 1


def test_metrics_answer_any_accept_header(client):
    odd = {"accept": "application/openmetrics-text;version=x;escaping=allow-utf-8"}

    assert client.get("/metrics", headers=odd).status_code == 200


def leaves(cls):
    """Of the tree in errors.py; the client's classes stand for the same errors, at the other end."""
    subclasses = [sub for sub in cls.__subclasses__() if not sub.__module__.startswith("agent_reasoning.client")]
    return [cls] if not subclasses else [leaf for sub in subclasses for leaf in leaves(sub)]


@pytest.mark.parametrize("error", [leaf for leaf in leaves(ReasoningError) if not issubclass(leaf, ConfigurationError)])
def test_every_error_has_a_status_a_title_and_a_code_of_its_own(error):
    status, title, _ = problems.TABLE[error]

    assert 400 <= status < 600
    assert title
    assert [leaf.code for leaf in leaves(ReasoningError)].count(error.code) == 1
