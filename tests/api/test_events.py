"""What an event's result says, who gets it, and how often the work is done."""

import asyncio
import hashlib
import json

import httpx2
import pytest

from agent_reasoning.api.app import create_app
from agent_reasoning.errors import EngineFailed
from agent_reasoning.schemas import ReasonResponse
from agent_reasoning.service.reason import ReasoningService
from tests.api.messages import (
    COMPLETED,
    CORE,
    DATA,
    FAILED,
    MAX_BODY,
    REQUESTED,
    STRUCTURED,
    binary,
    headers_of,
    metric,
    serving_events,
    structured,
)

DEEP = {"steps": {f"s{number:03}": [f"s{number - 1:03}"] if number else [] for number in range(128)}}
UNVERIFIED = {"question": "?", "context": DEEP, "max_steps": 1, "require_verified": True}


def result_id(source, event_id):
    return hashlib.sha256(f"{len(source)}:{source}{event_id}".encode()).hexdigest()[:32]


@pytest.mark.parametrize("path", ["/events", "/"])
@pytest.mark.parametrize("send", [binary, structured])
def test_a_request_is_answered_with_its_result_as_a_binary_event(client, send, path):
    reply = send(client, path=path, id=f"{send.__name__}{path}")

    assert reply.status_code == 200
    assert reply.headers["ce-type"] == COMPLETED
    assert reply.headers["content-type"] == "application/json"
    assert ReasonResponse.model_validate(reply.json()).solution["waves"] == [["a"], ["b"]]


def test_the_result_carries_what_consumers_filter_and_correlate_by(client):
    given = {
        "subject": "checkout", "correlationid": "c-1", "id": "attributes",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=1",
    }  # fmt: skip

    headers = binary(client, DATA | {"conversation_id": "talk-7"}, other="not mine to repeat", **given).headers

    found = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    assert found.pop("time").endswith("Z")
    assert found == {
        "specversion": "1.0", "type": COMPLETED, "source": "/agent-reasoning", "id": result_id("/agent", "attributes"),
        "causationid": "attributes", "subject": "checkout", "correlationid": "c-1", "replyid": "c-1",
        "traceparent": given["traceparent"], "tracestate": "vendor=1", "conversationid": "talk-7",
        "tasktype": "planning", "verified": "true",
    }  # fmt: skip


def test_what_the_request_does_not_carry_the_result_does_not_either(client):
    headers = binary(client, id="bare").headers

    absent = ("subject", "correlationid", "replyid", "traceparent", "tracestate", "conversationid")
    assert not {f"ce-{name}" for name in absent} & set(headers)


def test_attributes_beyond_ascii_come_back_as_they_went(client):
    text = "Größe „€“ 😀 %"
    encoded = "Gr%C3%B6%C3%9Fe%20%E2%80%9E%E2%82%AC%E2%80%9C%20%F0%9F%98%80%20%25"

    by_header = binary(client, id="text", subject=encoded)
    by_json = structured(client, id="text-2", subject=text)

    assert by_header.headers["ce-subject"] == by_json.headers["ce-subject"] == encoded


def test_a_number_or_truth_value_is_repeated_in_its_canonical_form(client):
    assert structured(client, id="types", correlationid=True, subject="1").headers["ce-correlationid"] == "true"
    assert structured(client, id="types-2", correlationid=7).headers["ce-replyid"] == "7"


def test_a_conversation_that_no_attribute_may_hold_stays_in_the_data(client):
    reply = binary(client, DATA | {"conversation_id": "line\nbreak"}, id="control")

    assert "ce-conversationid" not in reply.headers
    assert reply.json()["conversation_id"] == "line\nbreak"


@pytest.mark.parametrize(
    ("data", "code", "task_type"),
    [
        (b"{", "malformed-body", "general"),
        ({"question": "?", "unknown": 1}, "invalid-request", "general"),
        ({"question": "?", "context": {"nodes": 1}}, "unmappable-context", "general"),
        (DATA | {"context": {"steps": {"a": ["a"]}}, "task_type": "planning"}, "invalid-context", "planning"),
        (UNVERIFIED, "not-verified", "general"),
    ],
)
def test_what_can_never_succeed_is_a_small_failed_event(client, data, code, task_type):
    reply = binary(client, data, id=f"failed-{code}", correlationid="c-2")

    problem = reply.json()
    assert (reply.status_code, reply.headers["ce-type"]) == (200, FAILED)
    assert problem["type"] == f"urn:agent-reasoning:problem:{code}"
    assert problem["request_id"] == reply.headers["ce-id"] == result_id("/agent", f"failed-{code}")
    assert (reply.headers["ce-verified"], reply.headers["ce-tasktype"]) == ("false", task_type)
    assert (reply.headers["ce-replyid"], reply.headers["ce-causationid"]) == ("c-2", f"failed-{code}")
    assert len(reply.content) <= 768


def test_the_event_is_solved_as_the_call_is(client):
    called = client.post("/reason", json=DATA | {"seed": 3}).json()

    replied = structured(client, DATA | {"seed": 3}, id="same").json()

    times = {"duration_ms", "request_id"}
    assert {k: v for k, v in replied.items() if k not in times} == {k: v for k, v in called.items() if k not in times}


def test_a_redelivery_gets_the_same_result_without_another_run(registry, models):
    with serving_events(registry, models) as client:
        first = binary(client)
        again = structured(client, DATA | {"seed": 4})  # an event is its source and id, whatever else it says
        other = binary(client, source="/another")

        assert again.content == first.content
        assert again.headers["ce-time"] == first.headers["ce-time"]
        assert other.headers["ce-id"] != first.headers["ce-id"]
        assert metric(client, 'agent_reasoning_requests_total{status="completed"') == 2
        assert metric(client, 'agent_reasoning_event_redeliveries_total{found="kept"}') == 1
        assert metric(client, 'agent_reasoning_events_in_total{mode="structured",outcome="completed"}') == 1
        assert metric(client, 'agent_reasoning_events_out_total{by="reply",type="completed"}') == 3


def test_a_failure_that_took_a_run_is_kept_too(registry, models):
    with serving_events(registry, models) as client:
        first, again = (binary(client, UNVERIFIED) for _ in range(2))

        assert (first.headers["ce-type"], again.content) == (FAILED, first.content)
        assert metric(client, 'agent_reasoning_requests_total{status="not-verified"') == 1


def test_what_may_pass_is_not_kept(registry, models):
    with serving_events(registry, models) as client:
        client.service.draining = True
        refused = binary(client)
        client.service.draining = False
        answered = binary(client)

    assert (refused.status_code, answered.status_code) == (503, 200)
    assert int(refused.headers["retry-after"]) >= 1
    assert "ce-type" not in refused.headers
    assert len(refused.content) <= 768


def test_a_draining_service_still_gives_results_that_it_has(registry, models):
    with serving_events(registry, models) as client:
        first = binary(client)
        client.service.draining = True

        assert binary(client).content == first.content


def in_the_application(registry, models, scenario):
    """Runs `scenario(client, app)` in one event loop with the application."""

    async def run():
        app = create_app(ReasoningService(registry, models))
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
                return await scenario(client, app)

    return asyncio.run(run())


def test_concurrent_duplicates_join_the_first(registry, models):
    async def scenario(client, app):
        body, headers = json.dumps(DATA), headers_of()
        replies = await asyncio.gather(*(client.post("/events", content=body, headers=headers) for _ in range(20)))
        completed = app.state.service.metrics.requests.labels("planning", "completed")._value.get()
        return {reply.content for reply in replies}, completed

    contents, runs = in_the_application(registry, models, scenario)

    assert len(contents) == 1
    assert runs == 1


def test_a_delivery_that_breaks_off_does_not_stop_the_work_and_the_redelivery_finds_it(registry, models):
    async def scenario(client, app):
        delivering = asyncio.ensure_future(client.post("/events", content=json.dumps(DATA), headers=headers_of()))
        while not app.state.events.running:
            await asyncio.sleep(0)  # polls a condition
        delivering.cancel()
        await asyncio.wait({delivering})
        while app.state.events.running:
            await asyncio.sleep(0.001)  # polls a condition
        reply = await client.post("/events", content=json.dumps(DATA), headers=headers_of())
        return reply, app.state.service.metrics.requests.labels("planning", "completed")._value.get()

    reply, runs = in_the_application(registry, models, scenario)

    assert reply.headers["ce-type"] == COMPLETED
    assert runs == 1


def test_a_model_that_fails_is_a_matter_for_the_broker_and_its_dead_letters(registry, models):
    service = ReasoningService(registry, models)

    async def fail(*_, **__):
        raise EngineFailed("The model failed on this request.")

    with serving_events(registry, models, service=service) as client:
        service._refine = fail
        reply = binary(client)

        assert reply.status_code == reply.json()["status"] == 503
        assert reply.json()["type"].endswith("engine-failed")
        assert metric(client, 'agent_reasoning_events_in_total{mode="binary",outcome="retry"}') == 1


def test_a_fault_that_nobody_foresaw_tells_nothing_of_the_inside_and_is_tried_again(registry, models):
    service = ReasoningService(registry, models)
    with serving_events(registry, models, service=service) as client:
        service.prepare = lambda request: 1 / 0
        reply = binary(client)

    assert reply.status_code == 503
    assert "division" not in reply.text


def chain(count, letter):
    names = [f"{number:03}".rjust(250, letter) for number in range(count)]
    return {"steps": {name: names[number - 1 : number] for number, name in enumerate(names)}}


@pytest.mark.parametrize(
    ("count", "letter", "outcome"), [(60, "x", "trace"), (100, "x", "words"), (120, "€", "failed")]
)
def test_a_result_stays_below_64_kib(registry, models, count, letter, outcome):
    data = {"question": "?", "context": chain(count, letter), "max_steps": 12, "samples": 1}
    with serving_events(registry, models, max_body=2_000_000) as client:
        whole = client.post("/reason", json=data).json()
        reply = binary(client, data)

    found = reply.json()
    size = len(reply.content) + sum(len(name) + len(value) + 4 for name, value in reply.headers.items())
    assert len(json.dumps(whole)) > 65_536 > size
    if outcome == "failed":
        assert (reply.headers["ce-type"], found["type"].rpartition(":")[2]) == (FAILED, "result-too-large")
        return
    steps, kept = whole["reasoning_trace"], len(found["reasoning_trace"])
    assert found["trace_truncated"]
    assert found["solution"] == whole["solution"]
    assert (found["answer"] == whole["answer"]) == (outcome == "trace")
    assert kept < len(steps)
    assert found["reasoning_trace"] == steps[len(steps) - kept :]


def test_nothing_is_answered_while_events_are_off(registry, models):
    with serving_events(registry, models, emit=False) as client:
        replies = [binary(client), structured(client), binary(client, b"{"), binary(client, specversion="0.3")]

        assert [(reply.status_code, reply.content) for reply in replies] == [(204, b"")] * 4
        assert metric(client, "agent_reasoning_requests_total{") == metric(client, "agent_reasoning_steps_count") == 0


@pytest.mark.parametrize("kind", [COMPLETED, FAILED, "com.example.order", REQUESTED.upper()])
def test_no_loop_can_start(client, kind):
    replies = [binary(client, type=kind), structured(client, type=kind), binary(client, b"\xff", type=kind)]

    assert [(reply.status_code, reply.content) for reply in replies] == [(204, b"")] * 3


def test_a_good_event_is_not_lost_beside_bad_ones(client):
    bad = [b"", b"\xff", b"[" * 100_000, b" " * (MAX_BODY + 1)]

    for number, content in enumerate(bad):
        assert binary(client, content, id=f"bad-{number}").status_code == 200
        assert binary(client, id=f"good-{number}").headers["ce-type"] == COMPLETED


def test_events_are_not_rate_limited(registry, models):
    from starlette.testclient import TestClient

    from agent_reasoning.api.app import Limits

    with TestClient(create_app(ReasoningService(registry, models), Limits(rate="1/hour"))) as client:
        assert {binary(client, id=str(number)).status_code for number in range(5)} == {200}


def test_the_path_that_takes_events_is_a_page_as_well(client):
    assert client.get("/", headers={"accept": "text/html"}).headers["content-type"].startswith("text/html")
    assert client.get("/events").headers["allow"] == "POST"
    assert CORE["type"] == REQUESTED


@pytest.mark.parametrize("attribute", ["id", "source", "subject", "correlationid"])
def test_half_of_a_surrogate_pair_is_refused_and_no_fault_of_ours(client, attribute):
    members = CORE | {"data": DATA, attribute: "\ud800"}

    reply = client.post("/events", content=json.dumps(members).encode(), headers={"content-type": STRUCTURED})

    assert reply.status_code == (400 if attribute in ("id", "source") else 200)
    if reply.status_code == 200:
        assert reply.headers["ce-type"] == FAILED


def test_a_trailing_slash_is_no_redirect(client):
    assert binary(client, path="/events/").status_code == 200
