"""How many answers a second come by events and by POST /reason, on the same problems, turn by turn in one run.

The client writes requests that were made before the clock starts, over raw connections: a client library takes longer to
send a request than the service to answer it, and what is measured would be the client.
"""

import asyncio
import itertools
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

from agent_reasoning.tasks import builtin_tasks
from tests.live import serving

CONNECTIONS = 16
REQUESTS = 200
"""In a turn: short ones, so that what else runs on the machine slows both ways alike."""
WARM_UP_TURNS = 2
SIZES = (4, 24)


def problems(count):
    rollout, rng = builtin_tasks().get("rollout"), np.random.default_rng([11, count])
    for _ in range(count):
        graph = rollout.generate(rng, int(rng.integers(*SIZES))).instance
        needs = {name: [graph.names[n] for n in needs] for name, needs in zip(graph.names, graph.needs, strict=True)}
        yield json.dumps({"question": "In which order?", "context": {"steps": needs}, "samples": 1}).encode()


def http(path, headers, body):
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "content-type: application/json",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def call(body, number):
    return http("/reason", [], body)


def event(body, number):
    attributes = {
        "specversion": "1.0", "type": "io.homelab.reasoning.requested", "source": "/throughput", "id": number,
        "subject": "s-1", "correlationid": number, "knativearrivaltime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return http("/events", [f"ce-{name}: {value}" for name, value in attributes.items()], body)


async def turn(port, messages):
    """Seconds until all are answered with 200."""
    left = iter(messages)

    async def client():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for message in left:
            writer.write(message)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200 "), head
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return time.perf_counter() - begun


def cpu_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def measure(turns):
    bodies, numbers = list(problems(REQUESTS)), (str(number) for number in itertools.count())
    ways = {"reason": call, "events": event}
    seconds = {way: [] for way in ways}
    cpu = {way: [] for way in ways}
    with serving(LOG_LEVEL="error", RATE_LIMIT="off") as (process, url):
        port = int(url.rpartition(":")[2])
        for number in range(WARM_UP_TURNS + turns):
            order = list(ways) if number % 2 else list(reversed(ways))  # neither always comes first
            for way in order:
                messages = [ways[way](body, next(numbers)) for body in bodies]
                before = cpu_seconds(process)
                took = asyncio.run(turn(port, messages))
                if number >= WARM_UP_TURNS:
                    seconds[way].append(took)
                    cpu[way].append(cpu_seconds(process) - before)
    pairs = [reason / events for reason, events in zip(seconds["reason"], seconds["events"], strict=True)]
    return {
        "turns": turns,
        "requests_a_turn": REQUESTS,
        "connections": CONNECTIONS,
        "steps_of_a_rollout": [SIZES[0], SIZES[1] - 1],
        "per_second": {way: round(REQUESTS / statistics.median(found), 1) for way, found in seconds.items()},
        "cpu_ms_of_the_service": {way: round(1000 * sum(found) / turns / REQUESTS, 3) for way, found in cpu.items()},
        "events_to_reason": round(sum(seconds["reason"]) / sum(seconds["events"]), 3),
        "events_to_reason_median_of_turns": round(statistics.median(pairs), 3),
    }
