"""The broker in memory keeps Knative's rules, or what is shown with it shows nothing."""

import asyncio
import base64
import json

import pytest

from tests.delivery.broker import Answer, Broker, Event, Policy, Trigger

REQUEST = Event({"specversion": "1.0", "type": "ask", "source": "/a", "id": "1", "subject": "s"}, b"{}")
BINARY = {
    "ce-specversion": "1.0",
    "ce-type": "answer",
    "ce-source": "/b",
    "ce-id": "2",
    "content-type": "application/json",
}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
WHOLE = json.dumps({"specversion": "1.0", "type": "answer", "source": "/b", "id": "2", "data": {}}).encode()


class Scripted:
    """A subscriber that answers by a plan, the last of it for ever; an exception is a connection that breaks."""

    def __init__(self, *plan):
        self.plan, self.seen = list(plan), []

    async def __call__(self, headers, body):
        self.seen.append(headers)
        answer = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Answer) else Answer(answer)


def through(*plan, event=REQUEST, policy=None):
    """(broker, subscriber, what a consumer of answers saw) after everything has been delivered or has died."""

    async def run():
        subscriber, consumer = Scripted(*plan), Scripted(202)
        broker = Broker(policy or Policy(retries=3, scale=0.0))
        broker.triggers = [Trigger("subscriber", "ask", subscriber), Trigger("consumer", "answer", consumer)]
        assert broker.ingress(event) == 202
        await broker.idle()
        return broker, subscriber, consumer.seen

    return asyncio.run(run())


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504])
def test_retried(status):
    broker, subscriber, _ = through(status)

    assert len(subscriber.seen) == 4
    assert [event.attributes["knativeerrorcode"] for event in broker.dead_letters] == [str(status)]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 405, 413, 415, 422, 425])
def test_not_retried(status):
    broker, subscriber, _ = through(status)

    assert len(subscriber.seen) == 1
    assert len(broker.dead_letters) == 1


def test_a_connection_that_breaks_is_retried():
    broker, subscriber, _ = through(ConnectionError(), TimeoutError(), 204)

    assert len(subscriber.seen) == 3
    assert broker.dead_letters == []


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_2xx_is_done_without_a_reply(status):
    broker, subscriber, replies = through(status)

    assert (len(subscriber.seen), replies, broker.dead_letters) == (1, [], [])


@pytest.mark.parametrize(("headers", "body"), [(BINARY, b"{}"), (STRUCTURED, WHOLE)])
@pytest.mark.parametrize("status", [200, 202])
def test_a_reply_is_routed_and_inherits_nothing(status, headers, body):
    broker, _, (reply,) = through(Answer(status, headers, body))

    assert broker.dead_letters == []
    assert (reply["ce-type"], reply["ce-id"]) == ("answer", "2")
    assert "ce-subject" not in reply


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"content-type": "application/json"}, b'{"status": "completed"}'), (STRUCTURED, b"{"),
     ({"content-type": "application/cloudevents-batch+json"}, b"[]")],
)  # fmt: skip
def test_a_2xx_whose_body_is_no_event_is_retried_in_full_and_dies_without_a_reason(headers, body):
    broker, subscriber, replies = through(Answer(200, headers, body))

    assert (len(subscriber.seen), replies) == (4, [])
    (dead,) = broker.dead_letters
    assert not [name for name in dead.attributes if name.startswith("knativeerror")]


def test_a_reply_that_lacks_attributes_kills_the_request_at_once():
    broker, subscriber, replies = through(Answer(200, {"ce-specversion": "1.0", "ce-id": "2"}, b"{}"))

    assert (len(subscriber.seen), replies) == (1, [])
    (dead,) = broker.dead_letters
    assert (dead.attributes["id"], dead.attributes["knativeerrorcode"]) == ("1", "400")
    assert dead.attributes["knativeerrordest"] == Broker.url


def test_a_dead_letter_says_where_and_why_in_1024_characters():
    broker, _, _ = through(Answer(400, {}, b"x" * 2000))

    (dead,) = broker.dead_letters
    assert dead.attributes["knativeerrordest"] == "http://subscriber"
    assert len(dead.attributes["knativeerrordata"]) == 1024
    assert base64.b64decode(dead.attributes["knativeerrordata"]) == b"x" * 768


def test_the_waits_are_exponential_without_an_end():
    assert [Policy().wait(failures) for failures in range(10)] == pytest.approx([0.2 * 2**n for n in range(10)])
    assert sum(Policy().wait(failures) for failures in range(10)) == pytest.approx(204.6)


def test_a_subscriber_sees_binary_mode_and_what_the_filter_adds():
    _, subscriber, _ = through(204, event=Event({**REQUEST.attributes, "knativebrokerttl": "9"}, b"{}"))

    (seen,) = subscriber.seen
    assert seen["prefer"] == "reply"
    assert {"ce-id", "ce-knativearrivaltime"} <= set(seen)
    assert "ce-knativebrokerttl" not in seen
    assert "content-type" not in seen  # the producer declared none


def test_a_loop_ends():
    again = Answer(200, {**BINARY, "ce-type": "ask"}, b"{}")

    broker, subscriber, _ = through(again, event=Event({**REQUEST.attributes, "knativebrokerttl": "20"}, b"{}"))

    assert len(subscriber.seen) == 19
    assert broker.dead_letters[-1].attributes["knativeerrorcode"] == "400"


@pytest.mark.parametrize(
    "attributes",
    [
        {"id": None},
        {"source": None},
        {"type": None},
        {"specversion": "0.3"},
        {"my_ext": "x"},
        {"knativebrokerttl": "1"},
    ],
)
def test_the_ingress_refuses(attributes):
    found = {name: value for name, value in (REQUEST.attributes | attributes).items() if value is not None}

    assert Broker().ingress(Event(found, b"")) == 400
    assert Broker().ingress(None) == 400
