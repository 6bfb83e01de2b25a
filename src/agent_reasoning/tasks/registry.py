"""Which tasks there are. To add one, add its line to `builtin_tasks`."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent_reasoning.errors import UnknownTask, UnmappableContext
from agent_reasoning.tasks.base import Task
from agent_reasoning.tasks.rollout import Rollout
from agent_reasoning.tasks.sudoku import Sudoku


def builtin_tasks() -> "Registry":
    return Registry([Rollout(), Sudoku()])


class Registry:
    def __init__(self, tasks: Sequence[Task[Any]]) -> None:
        self._tasks = {task.info.name: task for task in tasks}

    def all(self) -> list[Task[Any]]:
        return list(self._tasks.values())

    def get(self, name: str) -> Task[Any]:
        """Raises UnknownTask, which lists the names there are."""
        try:
            return self._tasks[name]
        except KeyError:
            names = ", ".join(self._tasks)
            raise UnknownTask(f"There is no task named {name!r}. The tasks are: {names}.", **self.menu()) from None

    def find(self, context: Mapping[str, Any]) -> Task[Any]:
        """The task whose shape the context has. Raises UnmappableContext, which shows an example of each task."""
        for task in self._tasks.values():
            if task.matches(context):
                return task
        keys = ", ".join(repr(key)[:40] for key in list(context)[:8]) or "nothing"
        raise UnmappableContext(
            f"No task takes a context that holds {keys}. `tasks` lists what can be asked, with an example of each.",
            **self.menu(),
        )

    def names(self) -> list[str]:
        return list(self._tasks)

    def vocabularies(self) -> dict[int, str]:
        """Size of the published vocabulary -> the task that has it."""
        infos = [task.info for task in self._tasks.values()]
        return {info.published_vocabulary: info.name for info in infos if info.published_vocabulary is not None}

    def menu(self) -> dict[str, Any]:
        """Every task with an example request, for whoever asked for something else."""
        return {"tasks": [summary(task) for task in self._tasks.values()]}


def summary(task: Task[Any]) -> dict[str, Any]:
    info = task.info
    return {
        "name": info.name,
        "task_type": info.task_type,
        "summary": info.summary,
        "example": {
            "question": info.example_question,
            "context": dict(info.example_context),
            "task_type": info.task_type,
        },
    }
