"""What is tried again, how long the client waits, and where it gives up: against servers that follow a script."""

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import stamina

from agent_reasoning.client import (
    AsyncReasoningClient,
    BodyTooLarge,
    CallTimedOut,
    DeadlineExceeded,
    EngineFailed,
    InternalError,
    ModelMissing,
    NotReady,
    Overloaded,
    PublishFailed,
    RateLimited,
    ReasoningClient,
    Retry,
    ServiceUnreachable,
    StreamBroken,
    UnexpectedReply,
)
from agent_reasoning.client.replies import retry_after
from tests.client.scripted import PROBLEM, Dropped, Reply, Silent, scripted
from tests.live import free_port

SOON = Retry(attempts=3, wait_initial_seconds=0.001, wait_jitter_seconds=0.001)
RESPONSE = {
    "answer": "a | b", "solution": {"waves": [["a"], ["b"]]}, "steps": 1, "confidence": 1.0, "reasoning_trace": [],
    "duration_ms": 1.0, "verified": True, "violations": [], "task_type": "planning", "task": "rollout",
    "source": "model", "model": "rollout", "halted_by": "verified", "seed": 0, "request_id": "r1",
}  # fmt: skip
GOOD = Reply(200, json.dumps(RESPONSE).encode(), {"content-type": "application/json"})


def problem(code, status, headers=None, **fields):
    body = {"type": f"urn:agent-reasoning:problem:{code}", "title": "T", "status": status, "detail": "D", **fields}
    return Reply(status, json.dumps(body).encode(), {"content-type": PROBLEM, **(headers or {})})


def stream_of(*events, **options):
    body = b"".join(f"event: {name}\ndata: {data}\n\n".encode() for name, data in events)
    return Reply(200, body, {"content-type": "text/event-stream; charset=utf-8"}, **options)


STEP = (
    "step",
    json.dumps(
        {"step": 1, "confidence": 0.5, "intermediate_answer": "a", "changed": 1, "verified": False, "sample": 0,
         "solution": {}}
    ),
)  # fmt: skip


@pytest.fixture
def waits():
    """Seconds that were waited between tries, as stamina reports them."""
    found = []
    stamina.instrumentation.set_on_retry_hooks([lambda details: found.append(details.wait_for)])
    yield found
    stamina.instrumentation.set_on_retry_hooks(None)


@pytest.mark.parametrize(
    "first",
    [
        problem("overloaded", 503, {"retry-after": "0"}),
        problem("not-ready", 503),
        problem("rate-limited", 429),
        Reply(503, b"pending request queue full"),  # queue-proxy
        Reply(502, b"bad gateway"),
        Reply(504, b"upstream request timeout"),
        Reply(429),
        Dropped(),
    ],
)
def test_what_may_succeed_later_is_tried_again_under_the_same_id(first):
    with scripted(first, first, GOOD) as (script, url), ReasoningClient(url, retry=SOON) as client:
        answer = client.reason("?", {"steps": {"a": []}})

    assert answer.verified
    assert len(script.requests) == 3
    assert len({headers["x-request-id"] for _, _, headers, _ in script.requests}) == 1
    assert len({body for *_, body in script.requests}) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (problem("deadline-exceeded", 504), DeadlineExceeded),  # the caller's deadline, not a proxy's
        (problem("engine-failed", 500), EngineFailed),
        (problem("internal", 500), InternalError),
        (problem("body-too-large", 413, max_bytes=9), BodyTooLarge),
        (problem("a-code-of-tomorrow", 422), UnexpectedReply),
        (Reply(403, b"RBAC: access denied"), UnexpectedReply),
        (Reply(301, b"", {"location": "http://elsewhere/"}), UnexpectedReply),
        (Reply(200, b"<html>"), UnexpectedReply),
        (Reply(200, b'{"answer": "only"}'), UnexpectedReply),
        (Reply(422, b'{"type": 1}', {"content-type": PROBLEM}), UnexpectedReply),
    ],
)
def test_what_will_not_change_is_told_at_once(reply, kind):
    with (
        scripted(reply, GOOD) as (script, url),
        ReasoningClient(url, retry=SOON) as client,
        pytest.raises(kind) as raised,
    ):
        client.reason("?", {})

    assert type(raised.value) is kind
    assert raised.value.status == reply.status
    assert len(script.requests) == 1


def test_a_body_that_cannot_be_decoded_is_no_answer_of_the_service():
    reply = Reply(200, b"zip?", {"content-encoding": "gzip"})
    with (
        scripted(reply, GOOD) as (script, url),
        ReasoningClient(url, retry=SOON) as client,
        pytest.raises(UnexpectedReply, match="decode"),
    ):
        client.reason("?", {})

    assert len(script.requests) == 1


def test_when_the_tries_are_used_up_the_last_refusal_is_raised_with_all_it_said():
    refused = problem("overloaded", 503, {"retry-after": "0"}, request_id="r7", waiting=256)
    with (
        scripted(refused) as (script, url),
        ReasoningClient(url, retry=SOON) as client,
        pytest.raises(Overloaded) as raised,
    ):
        client.reason("?", {})

    error = raised.value
    assert len(script.requests) == SOON.attempts
    assert (str(error), error.status, error.request_id, error.retry_after) == ("D", 503, "r7", 0.0)
    assert error.fields == {"waiting": 256}


def test_a_refusal_without_retry_after_backs_off_with_jitter(waits):
    retry = Retry(attempts=4, wait_initial_seconds=0.01, wait_max_seconds=0.05, wait_jitter_seconds=0.01)
    with scripted(problem("rate-limited", 429)) as (_, url), ReasoningClient(url, retry=retry) as client:
        with pytest.raises(RateLimited):
            client.reason("?", {})
        with pytest.raises(RateLimited):
            client.reason("?", {})

    first, second = waits[:3], waits[3:]
    assert all(0.01 * 2**n <= wait <= 0.01 * 2**n + 0.01 for n, wait in enumerate(first))
    assert first != second


def test_retry_after_is_waited_for(waits):
    replies = problem("rate-limited", 429, {"retry-after": "1"}), GOOD
    with scripted(*replies) as (_, url), ReasoningClient(url, retry=SOON) as client:
        client.reason("?", {})

    assert len(waits) == 1
    assert 1 <= waits[0] <= 1 + SOON.wait_jitter_seconds


def test_a_wait_that_does_not_fit_into_the_timeout_is_not_begun(waits):
    replies = problem("model-missing", 503, {"retry-after": "60"}), GOOD
    with (
        scripted(*replies) as (script, url),
        ReasoningClient(url, timeout=5, retry=SOON) as client,
        pytest.raises(ModelMissing) as raised,
    ):
        client.reason("?", {})

    assert raised.value.retry_after == 60
    assert (len(script.requests), waits) == (1, [])


HOPELESS = ("soon", "", "-1", b"\xb2", "Fri, 31 Dec 9999 23:59:59 -1400", "Mon, 01 Jan 99999 00:00:00 GMT")


def test_retry_after_may_be_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    date = (now + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert retry_after(httpx2.Headers({"retry-after": date}), now) == 90
    assert retry_after(httpx2.Headers({"retry-after": date}), now + timedelta(hours=1)) == 0
    assert [retry_after(httpx2.Headers({"retry-after": text})) for text in HOPELESS] == [None] * len(HOPELESS)
    assert retry_after(httpx2.Headers()) is None


def test_a_refused_connection_is_unreachable_and_names_the_address():
    url = f"http://127.0.0.1:{free_port()}"

    with ReasoningClient(url, retry=SOON) as client, pytest.raises(ServiceUnreachable, match=url) as raised:
        client.reason("?", {})

    assert isinstance(raised.value, ConnectionError)
    assert raised.value.request_id


def test_a_probe_is_asked_once(waits):
    with ReasoningClient(f"http://127.0.0.1:{free_port()}", retry=SOON) as client:
        with pytest.raises(ServiceUnreachable):
            client.ready()
        with pytest.raises(ServiceUnreachable):
            client.health()

    assert waits == []


def test_a_service_that_is_not_ready_says_why_and_a_proxy_in_its_place_is_no_answer():
    draining = Reply(503, b'{"status": "not ready", "detail": "the service is draining"}')
    with scripted(draining, Reply(503, b"no healthy upstream")) as (_, url), ReasoningClient(url) as client:
        assert client.ready().detail == "the service is draining"
        with pytest.raises(UnexpectedReply) as raised:
            client.ready()

    assert raised.value.status == 503


@pytest.mark.parametrize(
    "reply",
    [
        Silent(),
        Reply(200, b'{"answer": "', {"content-type": "application/json"}, endless=b"x"),  # a read never waits long
    ],
)
def test_the_timeout_bounds_the_whole_call(reply):
    with scripted(reply) as (_, url), ReasoningClient(url, timeout=0.3) as client:
        with pytest.raises(CallTimedOut, match=r"0\.3 seconds") as raised:
            client.reason("?", {})
        with pytest.raises(CallTimedOut):
            client.health()

    assert isinstance(raised.value, TimeoutError)
    assert raised.value.request_id


def test_the_timeout_bounds_the_tries_together_and_the_last_refusal_is_told():
    retry = Retry(attempts=1_000_000, wait_initial_seconds=0.01, wait_max_seconds=0.02, wait_jitter_seconds=0)
    with (
        scripted(problem("overloaded", 503)) as (script, url),
        ReasoningClient(url, timeout=0.5, retry=retry) as client,
        pytest.raises((Overloaded, CallTimedOut)),  # as the end falls into a wait or into a try
    ):
        client.reason("?", {})

    assert 1 < len(script.requests) < 1000


def test_a_cancelled_call_stays_cancelled():
    async def leave():
        async with AsyncReasoningClient(url, retry=SOON) as client:
            asking = asyncio.create_task(client.reason("?", {}))
            while not script.requests:
                await asyncio.sleep(0.01)  # polls a condition
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    with scripted(Silent()) as (script, url):
        asyncio.run(leave())

    assert len(script.requests) == 1


def test_a_timeout_of_the_callers_own_is_not_taken_for_the_clients():
    async def leave():
        async with AsyncReasoningClient(url) as client, asyncio.timeout(0.1):
            await client.reason("?", {})

    with scripted(Silent()) as (_, url), pytest.raises(TimeoutError) as raised:
        asyncio.run(leave())

    assert not isinstance(raised.value, CallTimedOut)


# Streams


def test_a_stream_is_opened_again_after_a_refusal():
    replies = problem("not-ready", 503), Dropped(), stream_of(STEP, ("result", json.dumps(RESPONSE)))
    with scripted(*replies) as (script, url), ReasoningClient(url, retry=SOON) as client:
        found = list(client.stream("?", {}))

    assert len(found) == 2
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b"request timeout",  # what queue-proxy appends to a stream that it cuts, which then ends cleanly
        b"event: result\ndata: {}",
        b'event: result\ndata: {"answer": "' + b"x" * 20 + b"request timeout",
    ],
)
def test_a_stream_without_its_result_is_a_failure_and_is_not_tried_again(tail):
    reply = stream_of(STEP)
    reply.body += tail
    told = []
    with scripted(reply, GOOD) as (script, url), ReasoningClient(url, retry=SOON) as client:
        with pytest.raises(StreamBroken, match="without a result"):
            told.extend(client.stream("?", {}))
        with pytest.raises(UnexpectedReply, match="no event stream"):
            list(client.stream("?", {}))

    assert len(script.requests) == 2


def test_a_stream_that_breaks_off_is_a_failure():
    cut = stream_of(STEP)
    cut.headers["content-length"] = "9999"
    with scripted(cut) as (_, url), ReasoningClient(url, retry=SOON) as client, pytest.raises(StreamBroken):
        list(client.stream("?", {}))


def test_a_stream_that_never_ends_is_bounded_by_the_timeout():
    told = []
    with (
        scripted(stream_of(STEP, endless=b": ping\n\n")) as (_, url),
        ReasoningClient(url, timeout=0.5) as client,
        pytest.raises(CallTimedOut),
    ):
        told.extend(client.stream("?", {}))

    assert len(told) == 1


def test_events_of_unknown_names_are_passed_over_and_bad_ones_are_not():
    odd = stream_of(("weather", "fine"), STEP, ("result", json.dumps(RESPONSE)))
    with scripted(odd, stream_of(("step", "{}"))) as (_, url), ReasoningClient(url) as client:
        assert len(list(client.stream("?", {}))) == 2
        with pytest.raises(UnexpectedReply, match="named step"):
            list(client.stream("?", {}))


def test_an_error_event_is_the_class_of_its_code():
    failed = json.dumps({"type": "urn:agent-reasoning:problem:not-ready", "title": "T", "status": 503, "detail": "D"})
    with (
        scripted(stream_of(STEP, ("error", failed))) as (script, url),
        ReasoningClient(url, retry=SOON) as client,
        pytest.raises(NotReady),
    ):
        list(client.stream("?", {}))

    assert len(script.requests) == 1  # its steps have been told; they cannot be told twice


def test_a_name_that_does_not_resolve_is_unreachable(monkeypatch):
    def nowhere(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)

    with ReasoningClient("http://reasoning.invalid", retry=SOON) as client, pytest.raises(ServiceUnreachable):
        client.health()


@pytest.mark.parametrize("call", ["reason", "health", "publish"])
def test_what_cannot_be_reached_is_named_without_its_password_and_query(call):
    address = f"127.0.0.1:{free_port()}"
    url = f"http://us3r:s3cret@{address}/in?token=t0ken"
    calls = {
        "reason": lambda client: client.reason("?", {}),
        "health": lambda client: client.health(),
        "publish": lambda client: client.publish("?", {}),
    }

    with (
        ReasoningClient(f"http://us3r:s3cret@{address}", broker_url=url, retry=SOON) as client,
        pytest.raises((ServiceUnreachable, PublishFailed), match=f"http://{address}") as raised,
    ):
        calls[call](client)

    assert not [secret for secret in ("us3r", "s3cret", "t0ken") if secret in str(raised.value)]


@pytest.mark.parametrize("reply", [Reply(418), Silent()])
@pytest.mark.parametrize("call", ["models", "publish"])
def test_who_answers_badly_or_not_is_named_without_its_password_and_query(reply, call):
    with scripted(reply) as (_, url):
        secretive = url.replace("//", "//us3r:s3cret@")
        with (
            ReasoningClient(secretive, broker_url=f"{secretive}/in?token=t0ken", retry=SOON, timeout=0.3) as client,
            pytest.raises((UnexpectedReply, CallTimedOut, PublishFailed), match=url) as raised,
        ):
            client.models() if call == "models" else client.publish("?", {})

    assert not [secret for secret in ("us3r", "s3cret", "t0ken") if secret in str(raised.value)]
