"""docs/events.md: each row of its table is what the service answers and what a broker makes of it."""

import asyncio
import re
from concurrent.futures import Future

import pytest

from agent_reasoning.errors import EngineFailed
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.service.sink import Sink
from tests.api.messages import COMPLETED, DATA, FAILED, JSON, MAX_BODY, REQUESTED, binary, serving_events, structured
from tests.conftest import ROOT
from tests.delivery.broker import Answer, Broker, Event, Policy, Trigger
from tests.delivery.sinks import dead_address

DEEP = {"steps": {f"s{number:03}": [f"s{number - 1:03}"] if number else [] for number in range(128)}}


def table():
    text = (ROOT / "docs" / "events.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (\d{3}) \| (\w+) \| (.+?) \|$", text, re.MULTILINE)
    return {situation: (int(status), answer, then) for situation, status, answer, then in rows}


def twice(client):
    binary(client)
    return binary(client)


def draining(client):
    client.service.draining = True
    return binary(client)


def failing(error):
    def send(client):
        async def fail(*_, **__):
            raise error

        client.service._refine = fail
        return binary(client)

    return send


def stopped(client):
    client.service._engine.stop()
    return binary(client)


def full(client):
    room = client.service._engine._room
    room.max_queue = room.capacity = 0
    return binary(client)


def modelless(client):
    client.service.models = {}
    return binary(client)


def slow(client):
    """An engine that never begins."""
    pending = Future()
    pending.begun = False
    client.service._engine.submit = lambda *_, **__: pending
    return binary(client, DATA | {"timeout_seconds": 0.01})


def broken(client):
    client.service.prepare = lambda request: 1 / 0
    return binary(client)


SITUATIONS = {
    "a request that was solved": binary,
    "a redelivery of it": twice,
    "no verified answer, and require_verified": lambda client: structured(
        client, {"question": "?", "context": DEEP, "max_steps": 1, "require_verified": True}
    ),
    "data that is not JSON": lambda client: binary(client, b"{"),
    "data that breaks the schema": lambda client: binary(client, {"question": 5}),
    "data of another type than JSON": lambda client: binary(client, content_type="text/xml"),
    "a context that no task takes": lambda client: binary(client, {"question": "?", "context": {"nodes": 1}}),
    "a binary event larger than MAX_BODY_BYTES": lambda client: binary(client, b" " * (MAX_BODY + 1)),
    "an event with an id and a source that breaks CloudEvents otherwise": lambda client: binary(
        client, specversion="0.3"
    ),
    "an event of another type": lambda client: binary(client, type="com.example.order"),
    "one of our own results": lambda client: binary(client, type=COMPLETED),
    "a request while EMIT_EVENTS is false": binary,
    "a request while EVENTS_MODE is publish": binary,
    "no CloudEvent": lambda client: client.post("/events", json=DATA),
    "an event without an id": lambda client: binary(client, id=None),
    "a broken event of another type": lambda client: binary(client, type="com.example.order", specversion="0.3"),
    "a structured event larger than MAX_BODY_BYTES": lambda client: structured(client, "x" * MAX_BODY),
    "a batch of events": lambda client: structured(client, content_type="application/cloudevents-batch+json"),
    "the queue is full": full,
    "draining after SIGTERM": draining,
    "the engine is not running": stopped,
    "no model is loaded for the task": modelless,
    "the deadline passed before the first step": slow,
    "the model failed on this request": failing(EngineFailed("The model failed.")),
    "a fault that nobody foresaw": broken,
}
OPTIONS = {
    "a request while EMIT_EVENTS is false": {"emit": False},
    "a request while EVENTS_MODE is publish": {"mode": "publish", "sink": Sink(dead_address())},
}
KIND = {"completed": COMPLETED, "failed": FAILED}


def test_the_table_has_every_situation_once():
    assert set(table()) == set(SITUATIONS)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_row_is_what_happens(registry, models, situation):
    status, answer, then = table()[situation]
    service = ReasoningService(registry, models)

    with serving_events(registry, models, service=service, **OPTIONS.get(situation, {})) as client:
        response = SITUATIONS[situation](client)

    assert response.status_code == status
    assert response.headers.get("ce-type") == KIND.get(answer)
    assert bool(response.content) == (answer != "nothing")
    assert response.headers.get("content-type") in {"nothing": (None,), "problem": ("application/problem+json",)}.get(
        answer, (JSON,)
    )
    assert what_a_broker_does(response) == then


def what_a_broker_does(response):
    """With a subscriber that answers like this, once and for ever."""

    async def run():
        results, asked = [], 0

        async def subscriber(headers, body):
            nonlocal asked
            asked += 1
            return Answer(response.status_code, response.headers, response.content)

        async def consumer(headers, body):
            results.append(headers["ce-type"])
            return Answer(202)

        broker = Broker(Policy(retries=2, scale=0.0))
        broker.triggers = [Trigger("service", REQUESTED, subscriber)]
        broker.triggers += [Trigger("consumer", kind, consumer) for kind in KIND.values()]
        broker.ingress(Event({"specversion": "1.0", "type": REQUESTED, "source": "/a", "id": "1"}, b"{}"))
        await broker.idle()
        return asked, results, broker.dead_letters

    asked, results, dead = asyncio.run(run())
    if results:
        assert (asked, dead) == (1, [])
        return "routes the result"
    if not dead:
        assert asked == 1
        return "is done"
    return "delivers again" if asked == 3 else "gives up: dead letter"
