"""The receiver: what is delivered to it, well or badly meant, over real connections."""

import asyncio
import base64
import json
import os
import signal
import socket
import threading
from contextlib import contextmanager

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.client import (
    COMPLETED,
    FAILED,
    REQUESTED,
    AsyncReasoningClient,
    ClientMisconfigured,
    ReasoningClient,
    UnexpectedReply,
)
from agent_reasoning.client import receiver as module
from agent_reasoning.client.events import InvalidDelivery, read_result
from tests.client.scripted import Reply, scripted
from tests.client.test_retries import RESPONSE
from tests.live import free_port

LOOPBACK = "127.0.0.1"
PROBLEM = {"type": "urn:agent-reasoning:problem:not-verified", "title": "T", "status": 422, "detail": "D", "n": 1}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def attributes(kind=COMPLETED, **changes):
    found = {"specversion": "1.0", "type": kind, "source": "/agent-reasoning", "id": "r1", "causationid": "q1"}
    return {name: value for name, value in (found | changes).items() if value is not None}


def binary(kind=COMPLETED, data=RESPONSE, content_type="application/json", **changes):
    """(headers, body)"""
    headers = {f"ce-{name}": value for name, value in attributes(kind, **changes).items()}
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return ({"content-type": content_type} if content_type else {}) | headers, body


def structured(kind=COMPLETED, **changes):
    return STRUCTURED, json.dumps(attributes(kind, **({"data": RESPONSE} | changes))).encode()


@pytest.fixture
def inbox():
    """(URL, what the handler was given)"""
    results = []
    with ReasoningClient() as client, client.receiver(0, LOOPBACK, results.append) as receiver:
        yield f"http://{LOOPBACK}:{receiver.port}", results


def deliver(url, delivery, path="/", method="POST"):
    headers, body = delivery
    return httpx2.request(method, url + path, content=body, headers=headers, timeout=30)


@pytest.mark.parametrize(
    "delivery",
    [
        binary(),
        binary(content_type=None),  # what a structured event without datacontenttype becomes on its way
        binary(content_type="text/plain; charset=utf-8"),
        structured(),
        structured(datacontenttype="application/json", time="2026-01-01T00:00:00Z"),
        structured(data=None, data_base64=base64.b64encode(json.dumps(RESPONSE).encode()).decode()),
        structured(data=json.dumps(RESPONSE), datacontenttype="text/plain"),
        binary(data={name: value for name, value in RESPONSE.items() if name != "reasoning_trace"}, verified="true"),
        binary(data=RESPONSE | {"trace_truncated": True, "of_tomorrow": 1}, knativearrivaltime="2026-01-01T00:00:00Z"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/events"])
def test_a_completed_event_is_taken_in_either_mode_and_answered_by_nothing(inbox, delivery, path):
    url, results = inbox

    reply = deliver(url, delivery, path)

    assert (reply.status_code, reply.content) == (204, b"")
    [result] = results
    assert (result.id, result.source, result.causation_id) == ("r1", "/agent-reasoning", "q1")
    assert result.response().solution == RESPONSE["solution"]


def test_a_failed_event_holds_the_exception(inbox):
    url, results = inbox

    assert deliver(url, binary(FAILED, PROBLEM)).status_code == 204

    assert results[0].outcome.code == "not-verified"
    assert results[0].outcome.fields == {"n": 1}


def test_duplicates_are_dropped_by_source_and_id(inbox):
    url, results = inbox
    deliveries = [binary(), binary(), structured(), binary(id="r2"), binary(source="/other"), binary(), binary(id="r2")]

    assert {deliver(url, delivery).status_code for delivery in deliveries} == {204}

    assert [(result.source, result.id) for result in results] == [
        ("/agent-reasoning", "r1"), ("/agent-reasoning", "r2"), ("/other", "r1"),
    ]  # fmt: skip


def test_what_the_handler_could_not_do_is_delivered_again():
    seen = []

    def handler(result):
        seen.append(result.id)
        if len(seen) == 1:
            raise OSError("the disk is full")

    with ReasoningClient() as client, client.receiver(0, LOOPBACK, handler) as receiver:
        replies = [deliver(f"http://{LOOPBACK}:{receiver.port}", binary()) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [500, 204, 204]
    assert "disk" not in replies[0].text
    assert seen == ["r1", "r1"]


def test_a_duplicate_that_comes_while_the_first_is_handled_waits_for_it_and_is_not_handled():
    begun, go_on, seen = threading.Event(), threading.Event(), []

    def handler(result):
        seen.append(result.id)
        begun.set()
        assert go_on.wait(60)

    statuses = []
    with ReasoningClient() as client, client.receiver(0, LOOPBACK, handler) as receiver:
        url = f"http://{LOOPBACK}:{receiver.port}"
        senders = [threading.Thread(target=lambda: statuses.append(deliver(url, binary()).status_code)) for _ in "12"]
        senders[0].start()
        assert begun.wait(60)
        senders[1].start()
        assert statuses == []  # nobody is told that it is handled before it is
        go_on.set()
        for sender in senders:
            sender.join()

    assert (statuses, seen) == ([204, 204], ["r1"])


@pytest.mark.parametrize(
    "delivery", [binary(REQUESTED), binary("io.homelab.medical.response", b"\xff"), structured("x")]
)
def test_events_of_other_types_are_none_of_ours_and_are_not_delivered_again(inbox, delivery):
    url, results = inbox

    reply = deliver(url, delivery)

    assert (reply.status_code, reply.content, results) == (204, b"", [])


@pytest.mark.parametrize(
    ("delivery", "status", "words"),
    [
        (({}, b""), 400, "no CloudEvent"),
        (({"content-type": "application/json"}, b'{"status": "completed"}'), 400, "no CloudEvent"),
        *((binary(**{name: None}), 400, name) for name in ("id", "source", "type", "specversion")),
        *((structured(**{name: None}), 400, name) for name in ("id", "source", "type", "specversion")),
        (binary(id=""), 400, "id"),
        (binary(specversion="0.3"), 400, "specversion"),
        (binary(specversion="2.0"), 400, "specversion"),
        (binary(time="yesterday"), 400, "cannot be read"),
        (binary(my_ext="1"), 400, "my_ext"),
        (structured(myExt="1"), 400, "myExt"),
        (structured(id=7), 400, "id"),
        (structured(subject={"a": 1}), 400, "subject"),
        ((STRUCTURED, b"{"), 400, "cannot be read"),
        ((STRUCTURED, b"[]"), 400, "cannot be read"),
        ((STRUCTURED, b"7"), 400, "cannot be read"),
        ((STRUCTURED, b"\xff\xfe"), 400, "cannot be read"),
        ((STRUCTURED, b'{"a":' * 100_000), 400, "cannot be read"),
        (structured(data=None, data_base64="!"), 400, ""),
        (binary(data=b"{"), 400, "not a JSON object"),
        (binary(data=b""), 400, "not a JSON object"),
        (binary(data=b"\xff"), 400, "not a JSON object"),
        (binary(data=b"[1]"), 400, "not a JSON object"),
        (binary(data=b"[" * 100_000), 400, "nested too deeply"),
        (binary(data={"verified": True}), 400, "answer"),
        (binary(FAILED, {"error": "no"}), 400, "title"),
        (binary(data=RESPONSE | {"confidence": 7}), 400, "confidence"),
        (({"content-type": "application/cloudevents-batch+json"}, b"[]"), 415, "batch"),
        (({"content-type": "application/cloudevents+xml"}, b"<event/>"), 415, "xml"),
        (binary(data=b" " * 1_048_577), 413, "1048576"),
    ],
)
def test_what_is_no_result_is_refused_in_words_and_harms_nobody(inbox, delivery, status, words):
    url, results = inbox

    reply = deliver(url, delivery)

    assert (reply.status_code, results) == (status, [])
    assert words in reply.text
    assert len(reply.content) < 768  # a broker keeps no more of it for the dead letter
    assert deliver(url, binary()).status_code == 204


def test_a_header_that_is_there_twice_is_refused(inbox):
    url, results = inbox
    headers, body = binary()

    reply = httpx2.post(url, content=body, headers=[*headers.items(), ("ce-id", "r2")])

    assert (reply.status_code, reply.text, results) == (400, "The header ce-id is there twice.", [])


def test_a_body_without_a_length_is_cut_off_where_it_is_too_large(inbox):
    url, results = inbox
    headers, _ = binary()

    reply = httpx2.post(url, content=(b" " * 65_536 for _ in range(32)), headers=headers)

    assert (reply.status_code, results) == (413, [])


def test_a_body_that_does_not_come_is_given_up(inbox, monkeypatch):
    url, _ = inbox
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    host, port = url.removeprefix("http://").split(":")

    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 408")


def test_a_sender_that_leaves_and_one_that_speaks_no_http_harm_nobody(inbox):
    url, results = inbox
    host, port = url.removeprefix("http://").split(":")
    for words in (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc", b"\x16\x03\x01\x02\x00", b""):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(words)

    assert deliver(url, binary()).status_code == 204
    assert len(results) == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_other_methods_are_refused_with_what_is_allowed(inbox, method):
    reply = deliver(inbox[0], ({}, b""), method=method)

    assert (reply.status_code, reply.headers["allow"]) == (405, "POST, OPTIONS")


def test_options_answers_as_the_webhook_specification_says(inbox):
    reply = deliver(inbox[0], ({"webhook-request-origin": "eventing.example"}, b""), method="OPTIONS")

    assert (reply.status_code, reply.content) == (200, b"")
    assert "POST" in reply.headers["allow"]
    assert (reply.headers["webhook-allowed-origin"], reply.headers["webhook-allowed-rate"]) == ("eventing.example", "*")


NAMES = st.sampled_from(
    ["ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-causationid", "ce-x", "ce-", "content-type", "x"]
)
VALUES = st.one_of(
    st.sampled_from(
        [b"1.0", COMPLETED.encode(), FAILED.encode(), b"application/cloudevents+json", b"application/json"]
    ),
    st.binary(max_size=20),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.dictionaries(
    st.sampled_from(["id", "source", "type", "specversion", "data", "data_base64", "time", "causationid", "subject"]),
    st.sampled_from([COMPLETED, FAILED, "1.0", "r1"]) | JSON,
)
BODIES = st.one_of(st.binary(max_size=60), JSON.map(json.dumps).map(str.encode), EVENTS.map(json.dumps).map(str.encode))


@given(headers=st.lists(st.tuples(NAMES.map(str.encode), VALUES), max_size=8), body=BODIES)
def test_whatever_is_delivered_is_read_or_refused(headers, body):
    assert read_or_refused(headers, body)


@given(changes=EVENTS)
def test_whatever_a_structured_event_holds_is_read_or_refused(changes):
    event = {"specversion": "1.0", "type": COMPLETED, "source": "/s", "id": "i", "data": RESPONSE} | changes

    assert read_or_refused([(b"content-type", b"application/cloudevents+json")], json.dumps(event).encode())


def read_or_refused(headers, body):
    try:
        result = read_result(headers, body)
    except InvalidDelivery as error:
        return error.status in (400, 415)
    return result is None or bool(isinstance(result.id, str) and result.id and result.source)


# Who is woken


@contextmanager
def waiting(**options):
    """Yields (deliver, outcomes): one call of publish_and_wait waits; its end is put into `outcomes`."""
    outcomes = []
    with (
        scripted(Reply(202)) as (broker, broker_url),
        ReasoningClient(broker_url=broker_url) as client,
        client.receiver(0, LOOPBACK) as receiver,
    ):

        def ask():
            try:
                outcomes.append(client.publish_and_wait("?", {}, event_id="q1", **options))
            except Exception as error:
                outcomes.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not broker.requests:
            asking.join(0.01)  # polls a condition
        yield lambda delivery: deliver(f"http://{LOOPBACK}:{receiver.port}", delivery), outcomes
        asking.join(60)


@pytest.mark.parametrize(
    "delivery",
    [
        binary(),
        binary(correlationid="something else"),
        binary(causationid=None, correlationid="q1"),
        structured(causationid=None, correlationid="q1"),
    ],
)
def test_the_answer_is_known_by_its_cause_and_else_by_its_correlation(delivery):
    with waiting() as (send, outcomes):
        for stranger in (
            binary(id="s1", causationid="q2"),
            binary(id="s2", causationid="q2", correlationid="q1"),
            binary(id="s3", causationid=None, correlationid="q2"),
            binary(id="s4", causationid=None),
            structured(id="s5", causationid=["q1"]),
            structured(id="s6", causationid=7),
        ):
            assert send(stranger).status_code == 204
        assert outcomes == []
        assert send(delivery).status_code == 204

    assert [outcome.solution for outcome in outcomes] == [RESPONSE["solution"]]


def test_a_correlation_that_two_share_wakes_neither():
    async def ask():
        async with AsyncReasoningClient(broker_url=broker_url) as client, client.receiver(0, LOOPBACK) as receiver:
            url = f"http://{LOOPBACK}:{receiver.port}"
            both = [
                asyncio.create_task(client.publish_and_wait("?", {}, event_id=name, correlation_id="same"))
                for name in ("q1", "q2")
            ]
            while len(broker.requests) < 2:
                await asyncio.sleep(0.01)  # polls a condition
            await asyncio.to_thread(deliver, url, binary(id="r0", causationid=None, correlationid="same"))
            undecided = [task.done() for task in both]
            await asyncio.to_thread(deliver, url, binary(id="r2", causationid="q2", data=RESPONSE | {"seed": 2}))
            await asyncio.to_thread(deliver, url, binary(id="r1", causationid="q1", data=RESPONSE | {"seed": 1}))
            return undecided, [answer.seed for answer in await asyncio.gather(*both)]

    with scripted(Reply(202)) as (broker, broker_url):
        undecided, seeds = asyncio.run(ask())

    assert undecided == [False, False]
    assert seeds == [1, 2]


def test_an_answer_that_cannot_be_read_is_refused_and_ends_the_wait():
    with waiting() as (send, outcomes):
        assert send(binary(data={"answer": "of another version"})).status_code == 400

    assert isinstance(outcomes[0], UnexpectedReply)


def test_a_failure_of_a_kind_that_this_client_does_not_know_is_taken_and_raised():
    with waiting() as (send, outcomes):
        assert send(binary(FAILED, PROBLEM | {"type": "urn:agent-reasoning:problem:of-tomorrow"})).status_code == 204

    assert isinstance(outcomes[0], UnexpectedReply)
    assert "of-tomorrow" in str(outcomes[0])


# Opening and closing


def test_a_port_that_is_taken_is_told():
    with (
        ReasoningClient() as one,
        one.receiver(0, LOOPBACK) as receiver,
        ReasoningClient() as other,
        pytest.raises(ClientMisconfigured, match=str(receiver.port)),
        other.receiver(receiver.port, LOOPBACK),
    ):
        pass


def test_a_client_has_one_receiver_at_a_time_and_may_open_another_later():
    port = free_port()
    with ReasoningClient() as client:
        with (
            client.receiver(port, LOOPBACK),
            pytest.raises(ClientMisconfigured, match="already"),
            client.receiver(0, LOOPBACK),
        ):
            pass
        with client.receiver(port, LOOPBACK):
            assert deliver(f"http://{LOOPBACK}:{port}", binary()).status_code == 204
    with pytest.raises(httpx2.ConnectError):
        deliver(f"http://{LOOPBACK}:{port}", binary())


def test_the_receiver_leaves_the_programs_signals_alone():
    told = []

    async def be_interrupted():
        async with AsyncReasoningClient() as client, client.receiver(0, LOOPBACK) as receiver:
            url = f"http://{LOOPBACK}:{receiver.port}"
            before = await asyncio.to_thread(deliver, url, binary())
            os.kill(os.getpid(), signal.SIGTERM)
            after = await asyncio.to_thread(deliver, url, binary(id="r2"))
        return before.status_code, after.status_code

    usual = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        statuses = asyncio.run(be_interrupted())
    finally:
        signal.signal(signal.SIGTERM, usual)

    assert statuses == (204, 204)
    assert told == [signal.SIGTERM]


# The same request again


def again(url, count, **changes):
    """Asks `count` times at once under the id q1, and delivers the same result when all of them wait."""

    async def ask():
        handled = []

        async def handler(result):
            handled.append(result.id)

        async with (
            AsyncReasoningClient(broker_url=url, timeout=30) as client,
            client.receiver(0, LOOPBACK, handler) as receiver,
            httpx2.AsyncClient() as http,
        ):
            headers, body = binary(**changes)
            early = await http.post(f"http://{LOOPBACK}:{receiver.port}", content=body, headers=headers)
            asking = [
                asyncio.create_task(client.publish_and_wait("?", {}, event_id="q1", correlation_id="c1"))
                for _ in range(count)
            ]
            while len(receiver.inbox._waiting.get("q1", [])) < count:
                await asyncio.sleep(0.01)  # polls a condition
            late = await http.post(f"http://{LOOPBACK}:{receiver.port}", content=body, headers=headers)
            assert (early.status_code, late.status_code) == (204, 204)
            async with asyncio.timeout(30):
                return await asyncio.gather(*asking), handled

    return asyncio.run(ask())


@pytest.mark.parametrize("changes", [{}, {"causationid": None, "correlationid": "c1"}])
def test_who_asks_again_after_the_answer_came_too_late_is_answered_by_the_duplicate(changes):
    with scripted(Reply(202)) as (_, url):
        [answer], handled = again(url, 1, **changes)

    assert answer.solution == RESPONSE["solution"]
    assert handled == ["r1"]


@pytest.mark.parametrize("changes", [{}, {"causationid": None, "correlationid": "c1"}])
def test_all_who_ask_under_one_id_are_answered(changes):
    with scripted(Reply(202)) as (_, url):
        answers, handled = again(url, 3, **changes)

    assert [answer.solution for answer in answers] == [RESPONSE["solution"]] * 3
    assert handled == ["r1"]


def test_who_gives_up_leaves_the_others_of_the_same_id_waiting():
    async def ask(url):
        async with (
            AsyncReasoningClient(broker_url=url, timeout=30) as client,
            client.receiver(0, LOOPBACK) as receiver,
            httpx2.AsyncClient() as http,
        ):
            first, second = (asyncio.create_task(client.publish_and_wait("?", {}, event_id="q1")) for _ in range(2))
            while len(receiver.inbox._waiting.get("q1", [])) < 2:
                await asyncio.sleep(0.01)  # polls a condition
            first.cancel()
            await asyncio.wait([first])
            headers, body = binary()
            await http.post(f"http://{LOOPBACK}:{receiver.port}", content=body, headers=headers)
            answer = await second
            return first.cancelled(), answer, receiver.inbox._waiting

    with scripted(Reply(202)) as (_, url):
        cancelled, answer, left = asyncio.run(ask(url))

    assert cancelled
    assert answer.solution == RESPONSE["solution"]
    assert left == {}
