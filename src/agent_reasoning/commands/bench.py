"""`agent-reasoning bench`: how long answers take and how many are verified, on problems drawn for it.

One request at a time from one client, so that nobody waits for anybody: what an agent feels that has the service to itself.
Throughput and latency under load are measured by `make bench` in a checkout.
"""

import asyncio
import os
import platform
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from agent_reasoning.commands.tables import Output, print_json, print_table
from agent_reasoning.schemas import ReasonRequest, ReasonResponse
from agent_reasoning.tasks import Registry, Task, builtin_tasks

WARM_UP = 5  # requests of each task that are not counted: the first of a size prepares slots for it
COLUMNS = ("task", "problems", "count", "verified", "optimal", "p50 ms", "p99 ms", "max ms", "mean steps")
SHARES = ("verified", "optimal")

Ask = Callable[[dict[str, Any]], ReasonResponse]


def bench(
    url: str | None, models: Path | None, device: str,
    *, task: str | None, count: int, size: int | None, samples: int | None, seed: int, as_json: bool,
) -> None:  # fmt: skip
    """Prints the figures. Raises the package's errors, a service's among them: a refusal ends the measurement."""
    registry = builtin_tasks()
    chosen = [registry.get(task)] if task else registry.all()
    lines = []
    with asking(url, models, device, registry) as (ask, answered):
        # One that is named is asked for in any case: who has no model for it says so.
        for one in chosen if task else [one for one in chosen if one.info.name in answered]:
            requests = list(problems(one, count + WARM_UP, size, samples, seed))
            for request in requests[:WARM_UP]:
                ask(request)
            times, answers = [], []
            waiting = track(requests[WARM_UP:], one.info.name, console=Console(stderr=True), transient=True)
            for request in waiting:
                begun = time.perf_counter()
                answers.append(ask(request))
                times.append((time.perf_counter() - begun) * 1000)
            lines.append(figures(one, size, times, answers))
    where = url or f"this process, {device}"
    data = {
        "where": where, "client": f"{platform.machine()}, {os.cpu_count()} cores", "samples": samples, "seed": seed,
        "tasks": lines,
    }  # fmt: skip
    if as_json:
        print_json(data)
        return
    print_table(COLUMNS, [[shown(name, line[name]) for name in COLUMNS] for line in lines], right=COLUMNS[2:])
    Output().print(
        f"\nAsked of {where}, one at a time, {count_of(samples)}, seed {seed}; measured on {data['client']}. "
        f"{WARM_UP} more of each task before, not counted.",
        markup=False, soft_wrap=True,
    )  # fmt: skip


@contextmanager
def asking(
    url: str | None, models: Path | None, device: str, registry: Registry
) -> Iterator[tuple[Ask, frozenset[str]]]:
    """What answers a request, and the tasks that it has models for."""
    if url:
        from agent_reasoning.commands.remote import service

        with service(url) as client:
            yield lambda request: client.reason(**request), frozenset(model.task for model in client.models())
        return
    from agent_reasoning.commands.local import running

    with running(models, device, registry) as engine, asyncio.Runner() as runner:
        yield (
            lambda request: runner.run(engine.reason(ReasonRequest(**request), uuid.uuid4().hex)),
            frozenset(engine.models),
        )


def problems(task: Task[Any], count: int, size: int | None, samples: int | None, seed: int) -> Iterator[dict[str, Any]]:
    """Requests with random problems; with the example and other seeds, where a task draws none."""
    size = size or middle(task)
    rng = np.random.default_rng([seed, size])
    for number in range(count):
        context = task.random_context(rng, size)
        yield {
            "question": task.info.example_question,
            "context": dict(task.info.example_context) if context is None else context,
            "task": task.info.name,
            "samples": samples,
            "seed": seed + number,
        }


def count_of(samples: int | None) -> str:
    if samples is None:
        return "as many samples as each model's own number"
    return f"{samples} sample{'s'[: samples > 1]}"


def middle(task: Task[Any]) -> int:
    return task.info.sizes[len(task.info.sizes) // 2]


def figures(task: Task[Any], size: int | None, times: list[float], answers: list[ReasonResponse]) -> dict[str, Any]:
    """Shares are of all answers; `optimal` is null for tasks without an objective."""
    drawn = task.random_context(np.random.default_rng(0), size or middle(task)) is not None
    proven = [answer.optimal for answer in answers if answer.optimal is not None]
    return {
        "task": task.info.name,
        "problems": f"{size or middle(task)} {task.info.size_unit}" if drawn else "the example",
        "count": len(answers),
        "verified": sum(answer.verified for answer in answers) / len(answers),
        "optimal": sum(proven) / len(answers) if proven else None,
        "p50 ms": float(np.percentile(times, 50)),
        "p99 ms": float(np.percentile(times, 99)),
        "max ms": max(times),
        "mean steps": float(np.mean([answer.steps for answer in answers])),
    }


def shown(column: str, figure: Any) -> str:
    if figure is None:
        return "–"
    if column in SHARES:
        return f"{figure:.1%}"
    return f"{figure:.1f}" if isinstance(figure, float) else str(figure)
