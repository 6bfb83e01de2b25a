"""`agent-reasoning evaluate`: measure a bundle on fresh instances."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent_reasoning.commands.loading import load
from agent_reasoning.commands.progress import counting
from agent_reasoning.commands.train import puzzle_file
from agent_reasoning.errors import ModelMissing
from agent_reasoning.evaluation.card import machine
from agent_reasoning.evaluation.published import PublishedAccuracy, as_published
from agent_reasoning.evaluation.report import Report
from agent_reasoning.evaluation.report import evaluate as measure
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out
from agent_reasoning.tasks import builtin_tasks


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
    registry = builtin_tasks()
    chosen = registry.get(task)
    model = next((model for model in load(models, device, registry, int8=int8) if model.task == task), None)
    if model is None:
        raise ModelMissing(f"{models or 'The shipped models'} hold no model for {task}.")
    if puzzles:
        file = puzzle_file(task, puzzles)
        sets = {puzzles.name: [file.labelled(number) for number in range(min(count, len(file)))]}
    else:
        sets = held_out(chosen, count, EVALUATION, seed, sizes or chosen.info.sizes)
    about = {"task": task, "model": model.name, "sha256": model.sha256, "machine": machine(model.device), "seed": seed}
    with counting(Console(stderr=True), sum(map(len, sets.values()))) as observe:
        if published:
            found = [as_published(chosen, model, name, items, observe) for name, items in sets.items()]
        else:
            report = measure(chosen, model, max_steps or model.max_steps, sets, observe)
    if published:
        show_published(found, Console())
        return {**about, "published": [asdict(row) for row in found]}
    show(report, Console())
    return {**about, **report.to_dict()}


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
    for column in ("fresh", "refinement step", "answers", "failures", "AUROC", "calibration error"):
        table.add_column(column, justify="right")
    for name, lines in report.confidence:
        for line in lines:
            auroc = "–" if line.auroc is None else f"{line.auroc:.3f}"
            table.add_row(
                name, line.step, str(line.answers), str(line.failures), auroc, f"{line.calibration_error:.3f}"
            )
    console.print(table)
