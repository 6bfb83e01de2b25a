"""`agent-reasoning tasks`: what can be asked, here or of a service. Loads no torch."""

import json
from typing import Any

import click

from agent_reasoning.commands.tables import Output, print_json, print_table
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.tasks.registry import summary


def show_tasks(url: str | None, *, as_json: bool) -> None:
    if url:
        from agent_reasoning.commands.remote import service

        with service(url) as client:
            found = [task.model_dump() for task in client.tasks()]
    else:
        found = builtin_tasks().menu()["tasks"]
    if as_json:
        print_json(found)
    else:
        print_table(("task", "type", "answers"), [(task["name"], task["task_type"], task["summary"]) for task in found])


def show_task(name: str, url: str | None, *, example: bool, as_json: bool) -> None:
    """Raises UnknownTask, or NotFound of a service."""
    found = _detail(name, url)
    if example:
        print_json(found["example"])
    elif as_json:
        print_json(found)
    else:
        out = Output()
        out.print(f"{found['name']} ({found['task_type']}): {found['summary']}\n", markup=False)
        out.print("Schema of the context:")
        print_json(found["context_schema"])
        out.print("\nExample:")
        print_json(found["example"])


def _detail(name: str, url: str | None) -> dict[str, Any]:
    if url:
        from agent_reasoning.commands.remote import service

        with service(url) as client:
            return client.task(name).model_dump()
    task = builtin_tasks().get(name)
    return {**summary(task), "context_schema": task.Context.model_json_schema()}


def show_random(name: str, seed: int, size: int | None) -> None:
    """A random problem of a task, as a request. Raises UnknownTask."""
    import numpy as np

    task = builtin_tasks().get(name)
    sizes = task.info.sizes
    context = task.random_context(np.random.default_rng(seed), size or sizes[len(sizes) // 2])
    context = dict(task.info.example_context) if context is None else context
    click.echo(json.dumps({"question": task.info.example_question, "context": context, "task": name}, indent=1))
