"""POST /reason as server-sent events, from a real server over a real connection."""

import json

import httpx2
import pytest

from agent_reasoning.schemas import ReasonResponse, StreamedStep
from tests.live import serving
from tests.test_server import LONG, SHORT, wait_for_metric, wait_for_steps

SSE = {"accept": "text/event-stream"}
SUDOKU = {
    "question": "Solve this.",
    "context": {"puzzle": "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"},
}


def events(lines):
    """(name, data) of each event, and ("ping", text) for comments."""
    name, data = None, []
    for line in lines:
        if line.startswith(":"):
            yield "ping", line
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].strip())
        elif not line and data:
            yield name, json.loads("\n".join(data))
            name, data = None, []


def stream(url, body, **options):
    with httpx2.stream("POST", f"{url}/reason", json=body, headers=SSE, timeout=60, **options) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events(response.iter_lines()))


def test_each_step_is_streamed_then_the_result(live):
    found = stream(live, SUDOKU)

    names = [name for name, _ in found]
    steps = [StreamedStep.model_validate(data) for name, data in found if name == "step"]
    result = ReasonResponse.model_validate(found[-1][1])
    assert names == ["step"] * len(steps) + ["result"]
    assert result.verified
    assert [step.step for step in steps] == list(range(1, result.steps + 1))
    assert [step.model_dump(exclude={"sample", "solution"}) for step in steps] == [
        step.model_dump() for step in result.reasoning_trace
    ]
    assert steps[-1].solution == result.solution
    assert [step.verified for step in steps] == [False] * (len(steps) - 1) + [True]


def test_the_stream_ends_in_what_a_plain_request_gives(live):
    fields = {"duration_ms", "request_id"}
    plain = httpx2.post(f"{live}/reason", json=SUDOKU, timeout=60).json()

    streamed = stream(live, SUDOKU)[-1][1]

    assert {k: v for k, v in streamed.items() if k not in fields} == {k: v for k, v in plain.items() if k not in fields}


def test_the_steps_of_all_samples_are_streamed_and_named(live):
    found = stream(live, LONG | {"samples": 3, "max_steps": 2, "context": {"steps": chain(40)}})

    assert {(data["sample"], data["step"]) for name, data in found if name == "step"} == {
        (sample, step) for sample in range(3) for step in (1, 2)
    }


def chain(count):
    return {f"s{n:03}": [f"s{m:03}" for m in range(n)] for n in range(count)}


@pytest.mark.parametrize(
    ("body", "status"), [({"question": ""}, 422), ({"question": "?", "context": {"steps": {"a": ["a"]}}}, 422)]
)
def test_what_is_wrong_from_the_start_is_an_ordinary_error(live, body, status):
    response = httpx2.post(f"{live}/reason", json=body, headers=SSE, timeout=60)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")


def test_what_goes_wrong_on_the_way_is_an_event_named_error(live):
    found = stream(live, LONG | {"max_steps": 1, "require_verified": True, "context": {"steps": chain(64)}})

    assert [name for name, _ in found] == ["step", "error"]
    assert found[-1][1]["type"] == "urn:agent-reasoning:problem:not-verified"


def test_a_client_that_takes_json_as_well_gets_json(live):
    response = httpx2.post(
        f"{live}/reason", json=SHORT, headers={"accept": "application/json, text/event-stream"}, timeout=60
    )

    assert response.json()["verified"]


def test_a_reader_that_leaves_before_the_first_step_is_no_failure_of_the_service():
    with serving(SLOTS="1", LOG_FORMAT="json") as (process, url), httpx2.Client(timeout=60) as client:
        with client.stream("POST", f"{url}/reason", json=LONG, headers=SSE) as running:
            wait_for_steps(url)
            with pytest.raises(httpx2.ReadTimeout):
                client.post(f"{url}/reason", json=SHORT, headers=SSE, timeout=0.5)  # it waits for the slot
            wait_for_metric(url, b"agent_reasoning_queue_depth 0.0")
            running.close()
        process.terminate()
        log = process.communicate(timeout=60)[1].decode()

    assert '"status": 499' in log
    assert '"level": "error"' not in log


def test_a_reader_that_leaves_frees_its_slots_and_one_that_is_slow_holds_up_nobody():
    with serving() as (_, url), httpx2.Client(timeout=60) as client:
        with client.stream("POST", f"{url}/reason", json=LONG, headers=SSE) as response:
            wait_for_steps(url)  # nothing is read meanwhile
            assert client.post(f"{url}/reason", json=SHORT).json()["verified"]
            response.close()
        wait_for_metric(url, b'agent_reasoning_slots{state="used",task="rollout"} 0.0')
        metrics = client.get(f"{url}/metrics").text

    assert 'agent_reasoning_requests_total{status="client-gone",task_type="planning"} 1.0' in metrics
