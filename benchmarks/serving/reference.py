"""What the published evaluation code does, without a server: static batches of one task, each for all its steps."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from agent_reasoning.engine.structured import StructuredModel
from benchmarks.serving.plain import PlainBatch
from benchmarks.serving.report import say
from benchmarks.serving.stream import Item

BATCH_SIZES, THREADS = (1, 4, 8, 32), (1, 2)


@dataclass(frozen=True, slots=True)
class Setting:
    batch_size: int
    threads: int


def solve(model: StructuredModel, items: Sequence[Item], max_steps: int, *, stop_early: bool) -> list[dict[str, Any]]:
    """The last solution of each; `stop_early`: no step after one at which the whole batch verifies."""
    batch = PlainBatch(model, [item.problem for item in items])
    solutions: list[dict[str, Any]] = []
    for step in range(1, max_steps + 1):
        choices = batch.step()
        if not stop_early and step < max_steps:
            continue
        solutions = [item.decode(choices[row]) for row, item in enumerate(items)]
        if all(item.verify(solution) for item, solution in zip(items, solutions, strict=True)):
            break
    return solutions


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def run(model: StructuredModel, items: Sequence[Item], setting: Setting, *, stop_early: bool) -> tuple[float, int]:
    """Seconds, and how many verified."""
    before = torch.get_num_threads()
    torch.set_num_threads(setting.threads)
    try:
        solve(model, items[: setting.batch_size], 2, stop_early=stop_early)  # a warm-up
        begun, verified = time.perf_counter(), 0
        for batch in batches(items, setting.batch_size):
            solutions = solve(model, batch, model.max_steps, stop_early=stop_early)
            verified += sum(item.verify(solution) for item, solution in zip(batch, solutions, strict=True))
        return time.perf_counter() - begun, verified
    finally:
        torch.set_num_threads(before)


def measure(
    models: Mapping[str, StructuredModel], items: Sequence[Item], sample: int, *, stop_early: bool
) -> dict[str, Any]:
    """Problems a second over all tasks, each with the setting that was fastest on its first `sample` problems."""
    tasks: dict[str, Any] = {}
    for name, model in models.items():
        own = [item for item in items if item.task.info.name == name]
        if not own:
            continue
        tried = []
        for setting in (Setting(size, threads) for threads in THREADS for size in BATCH_SIZES):
            seconds, _ = run(model, own[:sample], setting, stop_early=stop_early)
            tried.append({**asdict(setting), "problems_per_second": len(own[:sample]) / seconds})
        best = max(tried, key=lambda row: row["problems_per_second"])
        setting = Setting(best["batch_size"], best["threads"])
        seconds, verified = run(model, own, setting, stop_early=stop_early)
        say(f"  {name}: batches of {setting.batch_size}, {setting.threads} threads: {len(own) / seconds:.1f}/s")
        tasks[name] = {
            **asdict(setting),
            "max_steps": model.max_steps,
            "problems": len(own),
            "seconds": seconds,
            "verified": verified,
            "tried": tried,
        }
    seconds, problems = sum(row["seconds"] for row in tasks.values()), sum(row["problems"] for row in tasks.values())
    return {
        "problems_per_second": problems / seconds,
        "verified_share": sum(row["verified"] for row in tasks.values()) / problems,
        "tasks": tasks,
    }
