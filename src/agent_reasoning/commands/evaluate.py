"""`agent-reasoning evaluate`: measure a bundle on fresh instances."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent_reasoning.commands.loading import model_for
from agent_reasoning.commands.progress import counting
from agent_reasoning.commands.tables import Output
from agent_reasoning.commands.train import puzzle_file
from agent_reasoning.evaluation.card import machine
from agent_reasoning.evaluation.published import PublishedAccuracy, as_published
from agent_reasoning.evaluation.report import Report
from agent_reasoning.evaluation.report import evaluate as measure
from agent_reasoning.evaluation.trajectories import EVALUATION, InstanceSets, held_out
from agent_reasoning.tasks import Task, builtin_tasks


def evaluate(
    task: str,
    models: Path | None,
    count: int,
    sizes: tuple[int, ...],
    max_steps: int | None,
    seed: int,
    device: str,
    puzzles: Path | None,
    published: bool,
    int8: bool,
    json_path: Path | None,
) -> dict[str, Any]:
    chosen, model = builtin_tasks().get(task), model_for(task, models, device, int8=int8)
    sets = instances(chosen, () if puzzles is None else (puzzles,), count, sizes, seed)
    about = {"task": task, "model": model.name, "sha256": model.sha256, "machine": machine(model.device), "seed": seed}
    with counting(Console(stderr=True), sum(map(len, sets.values()))) as observe:
        if published:
            found = [as_published(chosen, model, name, items, observe) for name, items in sets.items()]
        else:
            report = measure(chosen, model, max_steps or model.max_steps, sets, observe)
    if published:
        show_published(found, Output())
        return {**about, "published": [asdict(row) for row in found]}
    show(report, Output())
    return {**about, **report.to_dict()}


def instances(task: Task[Any], puzzles: Sequence[Path], count: int, sizes: Sequence[int], seed: int) -> InstanceSets:
    """What to measure on, `count` a set: the files' puzzles where there are files, else fresh instances of each size."""
    if not puzzles:
        return held_out(task, count, EVALUATION, seed, sizes or task.info.sizes)
    files = {path.name: puzzle_file(task.info.name, path) for path in puzzles}
    return {name: [file.labelled(number) for number in range(min(count, len(file)))] for name, file in files.items()}


def show_published(rows: list[PublishedAccuracy], console: Console) -> None:
    table = Table(title="The published evaluation: all steps, no early stop, every token allowed")
    for column in ("fresh", "instances", "steps", "exact", "cells", "ms"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.instances_of, str(row.instances), str(row.steps), f"{row.exact:.2%}", f"{row.cells:.2%}",
            f"{row.mean_milliseconds:.1f}",
        )  # fmt: skip
    console.print(table)


def show(report: Report, console: Console) -> None:
    table = Table(title="Accuracy: one trajectory, stopped by the verifier or at the step limit")
    for column in ("fresh", "instances", "step limit", "verified", "best", "mean steps", "applications", "ms"):
        table.add_column(column, justify="right")
    for row in report.accuracy:
        table.add_row(
            row.instances_of, str(row.instances), str(row.max_steps), f"{row.verified:.2%}", f"{row.best:.2%}",
            f"{row.mean_steps:.2f}", f"{row.mean_applications:.1f}", f"{row.mean_milliseconds:.2f}",
        )  # fmt: skip
    console.print(table)
    table = Table(title="Confidence: the answers that callers see")
    for column in ("fresh", "refinement step", "answers", "failures", "AUROC", "calibration error", "by chance"):
        table.add_column(column, justify="right")
    for name, lines in report.confidence:
        for line in lines:
            auroc = "–" if line.auroc is None else f"{line.auroc:.3f}"
            table.add_row(
                name, line.step, str(line.answers), str(line.failures), auroc, f"{line.calibration_error:.3f}",
                f"{line.by_chance:.3f}",
            )  # fmt: skip
    console.print(table)
