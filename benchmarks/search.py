"""What more trajectories bring: verified answers by samples and refinement steps, and what they cost.

    python benchmarks/search.py [--instances 400] [--hard 60] [--json FILE]

Models that recur (benchmarks/models) over held-out instances through the engine as the service runs it, one problem at a time on one
core: the seconds are those of a request on an idle machine. Network applications are counted over all samples.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.progress import track  # noqa: E402
from rich.table import Table  # noqa: E402

from agent_reasoning.engine.engine import Engine  # noqa: E402
from agent_reasoning.engine.loading import load_bundles  # noqa: E402
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out  # noqa: E402
from agent_reasoning.tasks import builtin_tasks, verdict_on  # noqa: E402
from agent_reasoning.training.labels.sudoku import PuzzleFile  # noqa: E402

SAMPLES = (1, 4, 16, 64)
BUDGETS = {"rollout": (4, 16), "sudoku": (16, 64)}


def instance_sets(registry, count, hard):
    """(task, name, instances)"""
    for name, items in held_out(registry.get("rollout"), count, EVALUATION, seed=7, sizes=[24, 32]).items():
        yield "rollout", name, [item.instance for item in items]
    for name, items in held_out(registry.get("sudoku"), count, EVALUATION, seed=7, sizes=[30]).items():
        yield "sudoku", name, [item.instance for item in items]
    for name, most in (("17clue_eval", count), ("hardest11_eval", hard)):
        path = ROOT.parent / "shared" / "data" / "sudoku" / f"{name}.txt.gz"
        if path.is_file():
            puzzles = PuzzleFile(path)
            yield "sudoku", name, [puzzles.labelled(number).instance for number in range(min(most, len(puzzles)))]


def solve(engine, task, instance, samples, max_steps):
    verify = partial(verdict_on, task, instance)
    begun = time.perf_counter()
    outcome = engine.submit(
        engine.arrange(task.info.name, task.encode(instance)),
        verify,
        max_steps=max_steps,
        samples=samples,
        seed=0,
        timeout_seconds=600,
        search=task.search(instance),
    ).result()
    return outcome.answer.verdict.valid, outcome.applications, time.perf_counter() - begun


def measure(engine, task, name, instances, samples, max_steps):
    label = f"{task.info.name} {name}: {samples} samples, {max_steps} steps"
    found = [solve(engine, task, item, samples, max_steps) for item in track(instances, label, transient=True)]
    seconds = sorted(item[2] for item in found)
    return {
        "task": task.info.name,
        "instances_of": name,
        "instances": len(found),
        "samples": samples,
        "max_steps": max_steps,
        "verified": sum(item[0] for item in found) / len(found),
        "mean_applications": statistics.mean(item[1] for item in found),
        "mean_seconds": statistics.mean(seconds),
        "p50_seconds": seconds[len(seconds) // 2],
        "p99_seconds": seconds[int(len(seconds) * 0.99)],
    }


def show(rows):
    table = Table(title="Verified answers by samples and steps; one problem at a time, one core")
    for column in (
        "task",
        "instances",
        "n",
        "samples",
        "steps",
        "verified",
        "applications",
        "mean s",
        "p50 s",
        "p99 s",
    ):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row["task"], row["instances_of"], str(row["instances"]), str(row["samples"]), str(row["max_steps"]),
            f"{row['verified']:.2%}", f"{row['mean_applications']:.0f}", f"{row['mean_seconds']:.3f}",
            f"{row['p50_seconds']:.3f}", f"{row['p99_seconds']:.3f}",
        )  # fmt: skip
    Console().print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=400, help="of each set")
    parser.add_argument("--hard", type=int, default=60, help="of hardest11_eval, most of which use their whole budget")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    registry = builtin_tasks()
    engine = Engine(load_bundles(ROOT / "benchmarks" / "models", "cpu"), workers=1)
    engine.start()
    rows = []
    try:
        for task, name, instances in instance_sets(registry, options.instances, options.hard):
            for max_steps in BUDGETS[task]:
                for samples in SAMPLES:
                    rows.append(measure(engine, registry.get(task), name, instances, samples, max_steps))
                    if options.json:  # after each line: a run that is cut off has not been for nothing
                        options.json.write_text(
                            json.dumps(
                                {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "rows": rows}, indent=1
                            )
                        )
    finally:
        engine.stop()
    show(rows)


if __name__ == "__main__":
    main()
