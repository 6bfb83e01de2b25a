"""Requests through a broker to the real service and on to a consumer, while everything breaks; and what came of each."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import numpy as np

from agent_reasoning.tasks import builtin_tasks
from tests.delivery.broker import Broker, Event, Policy, Trigger
from tests.delivery.chaos import Consumer, Line, Service, timeless

REQUESTED = "io.homelab.reasoning.requested"
RESULTS = ("io.homelab.reasoning.completed", "io.homelab.reasoning.failed")
BAD_SHARE = 0.05
IN_FLIGHT = 64
FIRST_END = 0.1


@dataclass(frozen=True)
class Plan:
    requests: int
    ends: int
    """How often the service ends, by kill -9; every third time by SIGTERM."""
    scale: float
    """Of the broker's waits."""
    retries: int = 10
    seed: int = 0
    dropped: float = 0.03
    failing: float = 0.05
    slow: float = 0.05
    lost: float = 0.02


def requests(plan: Plan) -> Iterator[Event]:
    """Rollouts of 4 to 12 steps; some of which nothing can come."""
    rollout, rng = builtin_tasks().get("rollout"), np.random.default_rng([7, plan.seed])
    for number in range(plan.requests):
        graph = rollout.generate(rng, int(rng.integers(4, 13))).instance
        needs = {name: [graph.names[n] for n in needs] for name, needs in zip(graph.names, graph.needs, strict=True)}
        body = json.dumps({"question": "In which order?", "context": {"steps": needs}}).encode()
        if rng.random() < BAD_SHARE:
            body = body[: len(body) // 2] if number % 2 else b'{"question": "?", "context": {"steps": {"a": ["a"]}}}'
        attributes = {"specversion": "1.0", "id": f"request-{number}", "source": "/simulator", "type": REQUESTED}
        yield Event({**attributes, "datacontenttype": "application/json", "correlationid": f"c-{number}"}, body)


@dataclass(frozen=True)
class Outcome:
    figures: dict[str, object]
    wrong: list[str]
    """In words, everything that a broker's user could not rely on; empty where all is well."""


async def deliver(plan: Plan) -> Outcome:
    rng = random.Random(plan.seed)
    service = Service()
    await asyncio.to_thread(service.start)
    begun = time.monotonic()
    try:
        limits = httpx2.Limits(max_connections=2 * IN_FLIGHT, max_keepalive_connections=2 * IN_FLIGHT)
        async with httpx2.AsyncClient(timeout=30.0, limits=limits) as client:
            line = Line(client, f"{service.url}/events", rng, plan.dropped)
            consumer = Consumer(rng, failing=plan.failing, slow=plan.slow, lost=plan.lost)
            broker = Broker(Policy(plan.retries, scale=plan.scale))
            broker.triggers = [Trigger("service", REQUESTED, line)]
            broker.triggers += [Trigger(kind, kind, consumer) for kind in RESULTS]
            ending = asyncio.ensure_future(end_at_random(plan, rng, service, consumer))
            try:
                await publish(plan, broker, consumer)
                await broker.idle()
            finally:
                ending.cancel()
            figures = {
                "requests": plan.requests,
                "seconds": round(time.monotonic() - begun, 1),
                "kills": service.kills,
                "terminations": service.terminations,
                "exit_codes_after_sigterm": service.exit_codes,
                "attempts": broker.attempts,
                "retries": broker.retries,
                "dropped_connections": line.drops,
                "statuses_of_the_service": dict(sorted(line.statuses.items())),
                "refusals_of_the_consumer": consumer.refusals,
                "acknowledgements_lost": consumer.lost,
                "results_received": sum(map(len, consumer.received.values())),
                "dead_letters": len(broker.dead_letters),
            }
    finally:
        await asyncio.to_thread(service.stop)
    return Outcome(figures, check(plan, consumer, broker, service))


async def publish(plan: Plan, broker: Broker, consumer: Consumer) -> None:
    """As fast as results come, so that there is always work to lose."""
    for number, event in enumerate(requests(plan)):
        # Waiting for a result that only a redelivery in a minute will bring must not stop all the others.
        patience = time.monotonic() + 0.5
        while number - consumer.answered >= IN_FLIGHT and time.monotonic() < patience:
            await asyncio.sleep(0.002)
        assert broker.ingress(event) == 202


async def end_at_random(plan: Plan, rng: random.Random, service: Service, consumer: Consumer) -> None:
    """At random numbers of results, since what is random in time would hit an idle service on a fast machine."""
    for number, share in enumerate(sorted(rng.uniform(FIRST_END, 0.9) for _ in range(plan.ends))):
        while consumer.answered < share * plan.requests:
            await asyncio.sleep(0.001)
        await (service.terminate() if number % 3 == 2 else service.kill())


def check(plan: Plan, consumer: Consumer, broker: Broker, service: Service) -> list[str]:
    wrong = [f"{len(broker.dead_letters)} dead letters: {broker.dead_letters[0]}"] if broker.dead_letters else []
    wanted = {f"request-{number}" for number in range(plan.requests)}
    if lost := wanted - set(consumer.received):
        wrong.append(f"{len(lost)} requests without a result: {sorted(lost)[:5]}")
    if made_up := set(consumer.received) - wanted:
        wrong.append(f"results that nobody asked for: {sorted(made_up)[:5]}")
    ids: dict[str, str] = {}
    for request, results in consumer.received.items():
        found = {event.attributes["id"] for event in results}
        if len(found) != 1:
            wrong.append(f"{request} has {len(found)} results: {sorted(found)}")
        if any(timeless(event) != timeless(results[0]) for event in results[1:]):
            wrong.append(f"{request} has results that differ: {[timeless(event) for event in results]}"[:2000])
        if ids.setdefault(min(found), request) != request:
            wrong.append(f"{request} and {ids[min(found)]} share a result")
    if any(code != 0 for code in service.exit_codes):
        wrong.append(f"exit codes after SIGTERM: {service.exit_codes}")
    return wrong
