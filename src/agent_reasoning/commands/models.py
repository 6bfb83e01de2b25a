"""`agent-reasoning models`: what answers, and how good its card says it is."""

import re
from pathlib import Path
from typing import Any

from agent_reasoning.commands.tables import print_json, print_table
from agent_reasoning.schemas import ModelSummary

FIGURES = ("fresh", "instances", "step limit", "verified", "best", "mean steps")
DIGEST = 12  # characters of it that tell models apart


def show_models(url: str | None, path: Path | None, *, as_json: bool) -> None:
    """Raises the package's errors. A service says nothing of its models' cards."""
    cards: dict[str, list[dict[str, str]]] = {}
    if url:
        from agent_reasoning.commands.remote import service

        with service(url) as client:
            models = client.models()
    else:
        models, cards = _here(path)
    if as_json:
        print_json([{**model.model_dump(), **({} if url else {"card": cards.get(model.task, [])})} for model in models])
        return
    print_table(
        ("model", "task", "architecture", "parameters", "steps", "samples", "sha256"),
        [
            (m.name, m.task, m.architecture, f"{m.parameters:,}", str(m.max_steps), str(m.samples), m.sha256[:DIGEST])
            for m in models
        ],
        right=("parameters", "steps", "samples"),
    )
    rows = [(task, *(figures.get(name, "") for name in FIGURES)) for task, lines in cards.items() for figures in lines]
    if rows:
        print()
        print_table(("task", *FIGURES), rows, right=FIGURES[1:])


def _here(path: Path | None) -> tuple[list[ModelSummary], dict[str, list[dict[str, str]]]]:
    from agent_reasoning.commands.loading import load
    from agent_reasoning.networks.bundle import CARD, find_bundles, read_config
    from agent_reasoning.service.catalog import model_summary
    from agent_reasoning.service.settings import shipped_models
    from agent_reasoning.tasks import builtin_tasks

    models = [model_summary(model) for model in load(path, "cpu", builtin_tasks())]
    path = path or shipped_models()
    bundles = find_bundles(path) if path.is_dir() else []
    cards = {read_config(bundle).task: measured(bundle / CARD) for bundle in bundles if (bundle / CARD).is_file()}
    return models, cards


def measured(card: Path) -> list[dict[str, Any]]:
    """The first table of a card: for each kind of fresh instances the line with the most steps."""
    tables = re.findall(r"(?:^\|.*\n)+", card.read_text().partition("## Measured")[2], re.MULTILINE)
    if not tables:
        return []
    header, _, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[0].splitlines()]
    rows = [dict(zip(header, line, strict=False)) for line in lines]
    return list({row.get("fresh", ""): row for row in rows}.values())
