"""What Prometheus reads, beyond that the counters count (test_reason.py)."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from agent_reasoning import errors
from agent_reasoning.api.app import create_app
from agent_reasoning.schemas import TaskType
from agent_reasoning.service.metrics import LATENCY_OBJECTIVE_SECONDS, OUR_FAULT, SECONDS, exemplar
from agent_reasoning.service.reason import ReasoningService
from tests.live import serving

ROLLOUT = {"question": "?", "context": {"steps": {"a": [], "b": ["a"]}}}
SUDOKU = {
    "question": "?",
    "context": {"puzzle": "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"},
}


@pytest.fixture
def client(registry, models):
    with TestClient(create_app(ReasoningService(registry, models)), raise_server_exceptions=False) as client:
        yield client


def samples(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def own_series(client):
    return {key for key in samples(client.get("/metrics").text) if key[0].startswith("agent_reasoning_")}


def test_the_latency_objective_is_a_bound_of_the_buckets():
    assert LATENCY_OBJECTIVE_SECONDS in SECONDS


def test_each_failure_of_ours_has_its_series_before_it_first_happens(client):
    found = samples(client.get("/metrics").text)

    for status in OUR_FAULT:
        assert found["agent_reasoning_requests_total", ("status", status), ("task_type", "planning")] == 0


def test_each_histogram_has_its_series_before_the_first_answer(client):
    """The first slow answer of a kind is an increase only where there was a zero before it."""
    found = samples(client.get("/metrics").text)

    for kind in get_args(TaskType):
        for name in ("duration_seconds", "steps", "confidence"):
            assert found[f"agent_reasoning_{name}_count", ("task_type", kind)] == 0
    for task in {dict(key)["task"] for key in gauge(found, "agent_reasoning_model_info")}:
        for name in ("queue_wait_seconds", "step_seconds", "batch_rows"):
            assert (f"agent_reasoning_{name}_count", ("task", task)) in found


def test_availability_counts_what_http_calls_a_fault_of_the_server():
    from agent_reasoning.api.problems import TABLE

    assert {raised.code for raised, kind in TABLE.items() if kind.status >= 500} | {"internal"} == set(OUR_FAULT)


def test_an_exemplar_leads_to_the_request_where_the_scraper_takes_exemplars(client):
    client.post("/reason", json=ROLLOUT, headers={"x-request-id": "find-me"})
    text = client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"}).text

    found = [
        sample.exemplar.labels
        for family in openmetrics(text)
        if family.name == "agent_reasoning_duration_seconds"
        for sample in family.samples
        if sample.exemplar
    ]
    assert found == [{"request_id": "find-me"}]
    assert "find-me" not in client.get("/metrics").text


def test_an_id_that_is_too_long_for_an_exemplar_is_left_out(client):
    assert exemplar("x" * 118) == {"request_id": "x" * 118}
    assert exemplar("x" * 119) is None
    assert client.post("/reason", json=ROLLOUT, headers={"x-request-id": "x" * 128}).status_code == 200


HOSTILE = [
    b"{",
    b"\xff",
    json.dumps({"question": "?", "context": {"x": 1}, "task": "no-such-task-" + "x" * 500}).encode(),
    json.dumps({"question": "?", "context": {}, "task_type": "invented"}).encode(),
    json.dumps({"question": "?", "context": {"steps": {"a": ["a"]}}}).encode(),
    json.dumps({**ROLLOUT, "conversation_id": "c" * 100, "seed": 7}).encode(),
    json.dumps({**ROLLOUT, "require_verified": True, "source_policy": "model"}).encode(),
]


def test_no_caller_makes_a_series_without_bound(client):
    """Every label value is one of ours: a second, different round of hostile requests adds no series."""
    codes = {
        cls.code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.ReasoningError)
    }
    for body in HOSTILE:
        client.post("/reason", content=body)
    before = own_series(client)
    for number, body in enumerate(HOSTILE):
        client.post(f"/reason?{number}", content=body.replace(b"invented", b"other").replace(b"no-such", b"nor-such"))
        client.get(f"/made/up/{number}", headers={"x-request-id": f"id-{number}", "user-agent": f"agent-{number}"})

    assert own_series(client) == before
    statuses = {dict(key[1:])["status"] for key in before if key[0] == "agent_reasoning_requests_total"}
    assert statuses <= codes | {"completed", "internal", "client-gone"}


def scrape(url):
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as page:
        return samples(page.read().decode())


def post(url, body):
    data = json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/reason", data), timeout=60) as answer:
        return json.load(answer)


def gauge(found, name):
    return {key[1:]: value for key, value in found.items() if key[0] == name}


def test_gauges_are_right_after_a_start_and_after_load():
    with serving() as (_, url):
        fresh = scrape(url)
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda number: post(url, {**SUDOKU, "samples": 4, "seed": number}), range(24)))
        after = scrape(url)

    for found in (fresh, after):
        assert {dict(key)["task"] for key in gauge(found, "agent_reasoning_model_info")} == {
            dict(key)["task"] for key in gauge(found, "agent_reasoning_slots")
        }
        assert set(gauge(found, "agent_reasoning_model_info").values()) == {1.0}
        assert gauge(found, "agent_reasoning_queue_depth") == {(): 0.0}
        used = {key: value for key, value in gauge(found, "agent_reasoning_slots").items() if ("state", "used") in key}
        assert set(used.values()) == {0.0}
    assert after["agent_reasoning_requests_total", ("status", "completed"), ("task_type", "logic")] == 24
