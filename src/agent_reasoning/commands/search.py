"""`agent-reasoning evaluate TASK --search`: the model's search by samples, beside the same search by untrained weights."""

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from agent_reasoning.commands.evaluate import instances
from agent_reasoning.commands.loading import model_for
from agent_reasoning.commands.progress import counting
from agent_reasoning.commands.tables import Output
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.errors import ModelMissing
from agent_reasoning.evaluation.card import machine
from agent_reasoning.evaluation.rivals import RIVALS
from agent_reasoning.evaluation.search import SAMPLES, Searched, beside, untrained
from agent_reasoning.evaluation.search import search as measure
from agent_reasoning.tasks import builtin_tasks


def search(
    task: str,
    models: Path | None,
    count: int,
    sizes: tuple[int, ...],
    max_steps: int | None,
    seed: int,
    device: str,
    puzzles: tuple[Path, ...],
    samples: tuple[int, ...],
    together: int,
    with_untrained: bool,
) -> dict[str, Any]:
    chosen, model = builtin_tasks().get(task), model_for(task, models, device)
    if not isinstance(model, StructuredModel):
        raise ModelMissing(f"{models or 'The shipped models'} hold no structured model for {task}.")
    sets = instances(chosen, puzzles, count, sizes, seed)
    how = searching(model)
    rows: list[Searched] = []
    weights = {how: model, "the same, untrained weights": untrained(model)} if with_untrained else {how: model}
    lines = [(who, name, n) for name in sets for n in samples or SAMPLES for who in weights]
    console = Console(stderr=True)
    with counting(console, sum(len(sets[name]) for _, name, _ in lines)) as observe:
        for who, name, number in lines:
            rows.append(
                measure(
                    chosen, weights[who], who, name, sets[name], number, max_steps or model.max_steps, together=together,
                    observe=partial(observe, f"{name}, {number} samples, {who}"),
                )
            )  # fmt: skip
    for name, items in sets.items():
        rows += [beside(chosen, rival, who, name, items) for who, rival in RIVALS.get(task, {}).items()]
    show(rows, Output())
    about = {"task": task, "model": model.name, "sha256": model.sha256, "machine": machine(model.device), "seed": seed}
    return {**about, "search": [row.to_dict() for row in rows]}


def searching(model: StructuredModel) -> str:
    """How the model's samples differ, in words."""
    if model.deduction is not None:
        return "deduction"
    ways = ["other views"] * bool(model.network.config.spec.views) + ["noise"] * bool(model.noise)
    return f"recursion, samples by {' and '.join(ways)}" if ways else "recursion"


def show(rows: list[Searched], console: Console) -> None:
    table = Table(title="By samples: what verifies, and what it costs")
    columns = ("instances", "n", "samples", "steps", "who", "verified", "wrong", "applications", "p50 s", "p99 s")
    for column in columns:
        table.add_column(column, justify="left" if column == "who" else "right")
    for row in rows:
        table.add_row(
            row.instances_of, str(row.instances), str(row.samples or "–"), str(row.max_steps or "–"), row.who,
            f"{row.verified:.2%}", str(row.wrong), f"{row.mean_applications:.0f}" if row.samples else "–",
            f"{row.p50_seconds:.4f}", f"{row.p99_seconds:.4f}",
        )  # fmt: skip
    console.print(table)
