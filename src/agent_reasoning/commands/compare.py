"""`agent-reasoning evaluate --all`: models beside their baselines and rivals, a table for each task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent_reasoning.commands.loading import load, no_model
from agent_reasoning.commands.progress import counting
from agent_reasoning.commands.tables import Output
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.evaluation.card import machine
from agent_reasoning.evaluation.comparison import SAMPLES, Compared, compare
from agent_reasoning.evaluation.search import untrained
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out
from agent_reasoning.tasks import builtin_tasks


def evaluate_all(
    tasks: Sequence[str], models: Path | None, count: int, seed: int, device: str, with_untrained: bool
) -> dict[str, Any]:
    """Fresh instances of each task's own sizes, `count` of each; of these tasks, or where none is named of all that there is
    a model for. `with_untrained`: with lines for the same search by fresh weights, of our own models. Raises UnknownTask, and
    ModelMissing for a task that is named."""
    registry = builtin_tasks()
    loaded = {model.task: model for model in load(models, device, registry)}
    named = [registry.get(name) for name in dict.fromkeys(tasks)]
    chosen = named or [task for task in registry.all() if task.info.name in loaded]
    for task in chosen:
        if task.info.name not in loaded:
            raise no_model(task.info.name, models)
    beside = {
        name: {"untrained weights": untrained(model)} if with_untrained and isinstance(model, StructuredModel) else {}
        for name, model in loaded.items()
    }
    found: dict[str, list[Compared]] = {}
    searches = sum(len(task.info.sizes) * (1 + len(beside[task.info.name])) for task in chosen) * len(SAMPLES)
    with counting(Console(stderr=True), searches * count) as observe:
        for task in chosen:
            name, sets = task.info.name, held_out(task, count, EVALUATION, seed, task.info.sizes)
            found[name] = compare(task, loaded[name], sets, observe, beside=beside[name])
    show(found, Output())
    return {
        "machine": machine(device),
        "seed": seed,
        "tasks": {
            name: {"sha256": loaded[name].sha256, "lines": [line.to_dict() for line in lines]}
            for name, lines in found.items()
        },
    }


def show(found: dict[str, list[Compared]], console: Console) -> None:
    for task, lines in found.items():
        table = Table(title=task, title_justify="left")
        for column in ("fresh", "instances", "who", "verified", "best", "proven", "ms"):
            table.add_column(column, justify="left" if column == "who" else "right", no_wrap=True)
        for number, line in enumerate(lines):
            if number and line.instances_of != lines[number - 1].instances_of:
                table.add_section()
            table.add_row(
                line.instances_of, str(line.instances), line.who, f"{line.verified:.1%}", f"{line.best:.1%}", f"{line.proven:.1%}",
                f"{line.mean_milliseconds:.2f}",
            )  # fmt: skip
        console.print(table)
