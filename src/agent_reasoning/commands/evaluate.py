"""`agent-reasoning evaluate`: measure a bundle on fresh instances."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent_reasoning.commands.progress import counting
from agent_reasoning.commands.train import puzzle_file
from agent_reasoning.engine.loading import load_models, pick_device, spread_threads
from agent_reasoning.errors import ModelMissing
from agent_reasoning.evaluation.card import machine
from agent_reasoning.evaluation.report import Report
from agent_reasoning.evaluation.report import evaluate as measure
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out
from agent_reasoning.service.settings import shipped_models
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
    json_path: Path | None,
) -> dict[str, Any]:
    chosen = builtin_tasks().get(task)
    path = models or shipped_models()
    device = pick_device(device)
    model = next((model for model in load_models(path, device) if model.task == task), None)
    if model is None:
        raise ModelMissing(f"{path} holds no bundle for {task}.")
    spread_threads([model])
    console = Console(stderr=True)
    if puzzles:
        file = puzzle_file(task, puzzles)
        sets = {puzzles.name: [file.labelled(number) for number in range(min(count, len(file)))]}
    else:
        sets = held_out(chosen, count, EVALUATION, seed, sizes or chosen.info.sizes)
    with counting(console, sum(map(len, sets.values()))) as observe:
        limit = max_steps or model.max_steps
        report = measure(chosen, model, limit, sets, observe)
    show(report, Console())
    return {
        "task": task,
        "model": model.name,
        "sha256": model.sha256,
        "machine": machine(device),
        "seed": seed,
        **report.to_dict(),
    }


def show(report: Report, console: Console) -> None:
    table = Table(title="Accuracy: one trajectory, stopped by the verifier or at the step limit")
    for column in ("fresh", "instances", "step limit", "verified", "exact", "mean steps", "applications", "ms"):
        table.add_column(column, justify="right")
    for row in report.accuracy:
        table.add_row(
            row.instances_of, str(row.instances), str(row.max_steps), f"{row.verified:.2%}", f"{row.exact:.2%}",
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
