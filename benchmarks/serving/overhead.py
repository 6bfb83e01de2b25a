"""What a request costs beside the network's own work: one at a time, on an otherwise idle server."""

import http.client
import json
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch

from agent_reasoning.engine.model import Model
from benchmarks.serving.report import say
from benchmarks.serving.servers import Host
from benchmarks.serving.stream import Item, rollout

STEPS, WARM_UP = 16, 10
NETWORK_FIELDS = ("refine_ms", "network_ms", "model_ms")  # the first that the response has


def network_ms(model: Model, item: Item, steps: int) -> float:
    """As many steps for the same problem in this process."""
    begun = time.perf_counter()
    refinement = model.begin([item.problem])
    for _ in range(steps):
        refinement.step()
    return (time.perf_counter() - begun) * 1000


def measure(host: Host, model: Model, requests: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, 1])
    items = [rollout(rng, number, STEPS) for number in range(requests + WARM_UP)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as the server does
    try:
        with host() as (_, url):
            walls, networks, source = _ask(url, model, items)
    finally:
        torch.set_num_threads(before)
    overheads = [wall - network for wall, network in zip(walls, networks, strict=True)]
    named = {"wall": walls, "network": networks, "overhead": overheads}
    return {
        "requests": requests,
        "rollout_steps": STEPS,
        "network_time": source,
        **{
            f"{name}_p{percent}_ms": float(np.percentile(values, percent))
            for name, values in named.items()
            for percent in (50, 99)
        },
    }


def _ask(url: str, model: Model, items: Sequence[Item]) -> tuple[list[float], list[float], str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    walls, networks, source = [], [], ""
    for number, item in enumerate(items):
        begun = time.perf_counter()
        connection.request("POST", "/reason", item.body.encode(), {"content-type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        wall = (time.perf_counter() - begun) * 1000
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {content[:200]!r}")
        answer = json.loads(content)
        field = next((name for name in NETWORK_FIELDS if isinstance(answer.get(name), int | float)), None)
        source = f"the response's {field}" if field else "as many steps in the benchmark's process, beside each request"
        beside = float(answer[field]) if field else network_ms(model, item, answer["steps"])
        if number >= WARM_UP:
            walls.append(wall)
            networks.append(beside)
    connection.close()
    say(f"  {len(walls)} requests one after another; network time: {source}")
    return walls, networks, source
