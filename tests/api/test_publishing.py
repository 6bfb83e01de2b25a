"""Results that go to a sink: those of direct calls, and of events where EVENTS_MODE is publish. Sinks are real servers."""

import asyncio
import json
import socket
import time
from dataclasses import replace

import httpx2
import pytest
import stamina
import trustme
from cloudevents.core.bindings.http import HTTPMessage
from starlette.responses import StreamingResponse

from agent_reasoning.api.app import create_app
from agent_reasoning.api.cloudevents import read_binary
from agent_reasoning.api.events import EventOptions, held_bytes
from agent_reasoning.api.outlet import SinkRefused, may_retry
from agent_reasoning.errors import Overloaded
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.service.sink import Sink
from tests.api.messages import COMPLETED, DATA, FAILED, binary, headers_of, metric, serving_events, structured
from tests.delivery.sinks import RecordingSink, dead_address, listening
from tests.live import free_port, serving

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STREAM = {"accept": "text/event-stream"}


@pytest.fixture
def without_waits():
    with stamina.set_testing(True, attempts=1000):
        yield


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)  # polls a condition


def test_the_answer_to_a_direct_call_is_published_too(registry, models):
    sink = RecordingSink()
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url, {"cluster": "studio 1"})) as client:
        answer = client.post(
            "/reason",
            json=DATA | {"conversation_id": "c-1"},
            headers={"traceparent": TRACEPARENT, "x-request-id": "r-1"},
        )
        wait_until(lambda: sink.accepted)
        wait_until(lambda: metric(client, 'agent_reasoning_publications_total{outcome="delivered"}'))
        assert metric(client, 'agent_reasoning_events_out_total{by="publication",type="completed"}') == 1
        assert metric(client, "agent_reasoning_publisher_queue_depth") == 0

    ((headers, body),) = sink.accepted
    assert json.loads(body) == answer.json()
    assert (headers["ce-type"], headers["ce-specversion"], headers["content-type"]) == (
        COMPLETED,
        "1.0",
        "application/json",
    )
    assert (headers["ce-causationid"], headers["ce-conversationid"], headers["ce-traceparent"]) == (
        "r-1",
        "c-1",
        TRACEPARENT,
    )
    assert (headers["ce-tasktype"], headers["ce-verified"]) == ("planning", "true")
    assert headers["ce-cluster"] == "studio%201"


def test_a_stream_is_published_once_at_its_end(registry, models):
    sink = RecordingSink()
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url)) as client:
        client.post("/reason", json=DATA, headers=STREAM)
        client.post("/reason", json=DATA | {"context": {"steps": {"a": ["a"]}}}, headers=STREAM)
        wait_until(lambda: len(sink.accepted) == 2)

    assert sorted(headers["ce-type"] for headers, _ in sink.received) == sorted([COMPLETED, FAILED])


def test_a_call_that_can_never_succeed_is_published_as_failed_and_one_that_may_is_not(registry, models):
    sink, service = RecordingSink(), ReasoningService(registry, models)
    with listening(sink) as url, serving_events(registry, models, service=service, sink=Sink(url)) as client:
        service.draining = True
        assert client.post("/reason", json=DATA).status_code == 503
        service.draining = False
        refused = client.post("/reason", json=DATA | {"context": {"steps": {"a": ["a"]}}})
        wait_until(lambda: sink.accepted)

    ((headers, body),) = sink.accepted
    assert headers["ce-type"] == FAILED
    assert json.loads(body)["type"] == refused.json()["type"] == "urn:agent-reasoning:problem:invalid-context"


def test_a_reply_is_not_published(registry, models):
    sink = RecordingSink()
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url)) as client:
        assert binary(client).headers["ce-type"] == COMPLETED
        assert structured(client, b"".decode(), id="bad").headers["ce-type"] == FAILED
        client.post("/reason", json=DATA)
        wait_until(lambda: sink.accepted)

    assert len(sink.received) == 1


def test_nothing_is_published_while_events_are_off(registry, models):
    sink = RecordingSink()
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url), emit=False) as client:
        assert client.post("/reason", json=DATA).status_code == 200

    assert sink.received == []


RETRIED = [404, 408, 409, 429, 500, 502, 503, 504, 599]
NOT_RETRIED = [300, 301, 307, 400, 401, 403, 405, 410, 413, 415, 422, 425]


@pytest.mark.parametrize("status", RETRIED)
def test_what_knative_tries_again_is_tried_again(status):
    assert may_retry(SinkRefused(status))


@pytest.mark.parametrize("status", NOT_RETRIED)
def test_what_knative_does_not_try_again_is_not(status):
    assert not may_retry(SinkRefused(status))


@pytest.mark.usefixtures("without_waits")
def test_a_failing_sink_gets_each_result_in_the_end_with_one_id(registry, models):
    sink = RecordingSink([*RETRIED, 400])
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url)) as client:
        for _ in range(5):
            client.post("/reason", json=DATA)
        wait_until(lambda: len(sink.received) == 5 + len(RETRIED))
        wait_until(lambda: metric(client, "agent_reasoning_publisher_queue_depth") == 0)
        assert metric(client, 'agent_reasoning_publications_total{outcome="delivered"}') == 4
        assert metric(client, 'agent_reasoning_publications_total{outcome="refused"}') == 1

    assert len({headers["ce-id"] for headers, _ in sink.received}) == 5
    assert len({headers["ce-id"] for headers, _ in sink.accepted}) == 4


@pytest.mark.usefixtures("without_waits")
def test_a_dead_sink_fails_no_answer_and_is_recovered_from(registry, models):
    sink, port = RecordingSink(), free_port()
    address = f"http://127.0.0.1:{port}/default/broker"
    with serving_events(registry, models, sink=Sink(address)) as client:
        answers = [client.post("/reason", json=DATA) for _ in range(20)]
        assert metric(client, "agent_reasoning_publisher_queue_depth") == 20
        with listening(sink, port):
            wait_until(lambda: len(sink.accepted) == 20)

    assert {answer.status_code for answer in answers} == {200}
    assert {headers["ce-causationid"] for headers, _ in sink.accepted} == {
        answer.json()["request_id"] for answer in answers
    }


def test_a_sink_that_never_answers_holds_up_no_answer(registry, models):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with serving_events(registry, models, sink=Sink(url), publish_queue=10) as client:
            answers = [client.post("/reason", json=DATA) for _ in range(30)]
            assert metric(client, 'agent_reasoning_publications_total{outcome="dropped"}') == 20

    assert {answer.status_code for answer in answers} == {200}


def test_a_sink_with_a_certificate_of_the_cluster_s_own_is_trusted_by_k_ca_certs_alone(registry, models, tmp_path):
    authority, sink = trustme.CA(), RecordingSink()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "key-and-chain.pem"))
    trusted = authority.cert_pem.bytes().decode()
    with listening(sink, ssl_certfile=tmp_path / "key-and-chain.pem") as url:
        with serving_events(registry, models, sink=Sink(url, ca_certs=trusted)) as client:
            client.post("/reason", json=DATA)
            wait_until(lambda: sink.accepted)
        with serving_events(registry, models, sink=Sink(url), publish_retry_seconds=0.1) as client:
            client.post("/reason", json=DATA)
            wait_until(lambda: metric(client, 'agent_reasoning_publications_total{outcome="given-up"}'))

    assert url.startswith("https://")
    assert len(sink.received) == 1


def test_in_publish_mode_an_event_is_accepted_and_its_result_published_once(registry, models):
    sink = RecordingSink()
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url), mode="publish") as client:
        accepted = [binary(client, subject="s"), binary(client, subject="s"), structured(client, subject="s")]
        failed = binary(client, b"{", id="2")
        broken = binary(client, id="3", specversion="0.3")
        wait_until(lambda: len(sink.accepted) == 3)

    assert [(reply.status_code, reply.content) for reply in (*accepted, failed, broken)] == [(202, b"")] * 5
    kinds = {headers["ce-causationid"]: headers["ce-type"] for headers, _ in sink.accepted}
    assert kinds == {"1": COMPLETED, "2": FAILED, "3": FAILED}
    assert {headers.get("ce-subject") for headers, _ in sink.accepted} == {"s", None}


def test_in_publish_mode_what_cannot_be_begun_is_a_503(registry, models):
    with serving_events(registry, models, sink=Sink(dead_address()), mode="publish", publish_queue=1) as client:
        client.service.draining = True
        assert binary(client).status_code == 503
        client.service.draining = False
        assert binary(client).status_code == 202
        wait_until(lambda: metric(client, "agent_reasoning_publisher_queue_depth") == 1)
        full = binary(client, id="2")

    assert (full.status_code, full.json()["type"].rpartition(":")[2]) == (503, Overloaded.code)


def test_in_publish_mode_what_goes_wrong_after_the_202_is_told_and_may_be_asked_again(registry, models):
    sink, service = RecordingSink(), ReasoningService(registry, models)
    with (
        listening(sink) as url,
        serving_events(registry, models, service=service, sink=Sink(url), mode="publish") as client,
    ):
        loaded, service.models = service.models, {}
        assert binary(client).status_code == 202
        wait_until(lambda: len(sink.accepted) == 1)
        service.models = loaded
        assert binary(client).status_code == 202
        wait_until(lambda: len(sink.accepted) == 2)

    assert [headers["ce-type"] for headers, _ in sink.accepted] == [FAILED, COMPLETED]
    assert json.loads(sink.accepted[0][1])["type"].endswith("model-missing")


def test_in_publish_mode_what_was_accepted_is_solved_though_a_signal_comes_before_it_began(registry, models):
    sink, service = RecordingSink(), ReasoningService(registry, models)

    async def run(url):
        app = create_app(service, options=EventOptions(mode="publish", sink=Sink(url)))
        async with app.router.lifespan_context(app):
            headers = [(name.encode(), value.encode()) for name, value in headers_of().items()]
            app.state.events.accept(replace(read_binary(headers), data=json.dumps(DATA).encode()))
            service.draining = True
            while app.state.events.running:
                await asyncio.sleep(0.001)  # polls a condition
            await app.state.events.flush(60)

    with listening(sink) as url:
        asyncio.run(run(url))

    assert [headers["ce-type"] for headers, _ in sink.accepted] == [COMPLETED]


def test_in_publish_mode_a_result_that_the_sink_refused_is_published_when_the_event_comes_again(registry, models):
    sink = RecordingSink(statuses=[400])
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url), mode="publish") as client:
        assert binary(client).status_code == 202
        wait_until(lambda: metric(client, 'agent_reasoning_publications_total{outcome="refused"}'))
        assert binary(client).status_code == 202
        wait_until(lambda: sink.accepted)

    (refused, accepted) = (headers["ce-id"] for headers, _ in sink.received)
    assert refused == accepted


def test_a_delivery_that_breaks_off_is_no_result(live_publishing):
    """The broker delivers it again, whole; whoever drops duplicates must not have dropped that answer for this one."""
    sink, url = live_publishing
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps(DATA).encode()
    lines = [f"{name}: {value}" for name, value in headers_of(id="cut").items()]
    head = [
        "POST /events HTTP/1.1",
        f"host: {host}",
        *lines,
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body[:10])

    assert httpx2.post(f"{url}/events", json=DATA, headers=headers_of(id="cut")).status_code == 202
    wait_until(lambda: sink.accepted)
    assert [headers["ce-type"] for headers, _ in sink.accepted] == [COMPLETED]
    wait_until(
        lambda: (
            'agent_reasoning_events_in_total{mode="binary",outcome="retry"} 1.0' in httpx2.get(f"{url}/metrics").text
        )
    )
    assert len(sink.received) == 1


@pytest.fixture
def live_publishing():
    sink = RecordingSink()
    with listening(sink) as sink_url, serving(K_SINK=sink_url, EVENTS_MODE="publish", LOG_LEVEL="error") as (_, url):
        yield sink, url


class Endless:
    """A sink that accepts, and does not come to the end of its answer while the test runs."""

    def __init__(self):
        self.over = False

    async def answer(self, request):
        await request.body()

        async def chunks():
            while not self.over:
                yield b"x"
                await asyncio.sleep(0.01)

        return StreamingResponse(chunks(), 202)


def test_an_answer_without_end_is_not_read(registry, models):
    sink = Endless()
    with listening(sink) as url, serving_events(registry, models, sink=Sink(url)) as client:
        try:
            client.post("/reason", json=DATA)
            wait_until(lambda: metric(client, 'agent_reasoning_publications_total{outcome="delivered"}'))
        finally:
            sink.over = True


def test_the_sink_s_credentials_stay_out_of_the_log():
    sink = RecordingSink()
    with listening(sink) as sink_url:
        address = sink_url.replace("//", "//user:hunter2@") + "?token=sekrit"
        with serving(KNATIVE_BROKER_URL=address, LOG_LEVEL="debug") as (process, url):
            httpx2.post(f"{url}/reason", json=DATA)
            wait_until(lambda: sink.accepted)
            process.terminate()
            log = process.communicate(timeout=60)[1].decode()

    assert "publisher" in log or "events.sink" in log
    assert "hunter2" not in log
    assert "sekrit" not in log


def test_what_is_kept_is_counted_with_its_attributes():
    small, large = (HTTPMessage({"ce-id": "1", "ce-subject": "s" * size}, b"") for size in (1, 2000))

    assert held_bytes(large) - held_bytes(small) >= 2 * 1999
