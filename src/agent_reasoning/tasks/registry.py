"""Which tasks there are. To add one, add its line to `builtin_tasks`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_reasoning.errors import AmbiguousContext, UnknownTask, UnmappableContext
from agent_reasoning.tasks.base import Task
from agent_reasoning.tasks.maze import MazeTask
from agent_reasoning.tasks.placement import Placement
from agent_reasoning.tasks.rollout import Rollout
from agent_reasoning.tasks.root_cause import RootCause
from agent_reasoning.tasks.sudoku import Sudoku


def builtin_tasks() -> "Registry":
    return Registry([MazeTask(), Placement(), Rollout(), RootCause(), Sudoku()])


@dataclass(frozen=True, slots=True)
class Found:
    """A task, and in words why this one."""

    task: Task[Any]
    reason: str


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

    def find(self, context: Mapping[str, Any], question: str = "", task_type: str = "general") -> "Found":
        """The task whose shape the context has; where several have it, what is asked decides. Raises AmbiguousContext,
        which names them, and UnmappableContext, which shows an example of each task."""
        fitting = [task for task in self._tasks.values() if task.matches(context)]
        if len(fitting) == 1:
            return Found(fitting[0], "by the shape of the context")
        if fitting:
            return self._asked_for(fitting, question, task_type)
        keys = ", ".join(repr(key)[:40] for key in list(context)[:8]) or "nothing"
        raise UnmappableContext(
            f"No task takes a context that holds {keys}. `tasks` lists what can be asked, with an example of each.",
            **self.menu(),
        )

    def from_text(self, text: str, name: str | None = None) -> dict[str, Any] | None:
        """The context that plain text stands for, to the task of this name or to any; None where it is nobody's. Raises
        InvalidContext where somebody's text is broken, UnknownTask."""
        for task in self.all() if name is None else [self.get(name)]:
            if (context := task.from_text(text)) is not None:
                return context
        return None

    def _asked_for(self, fitting: list[Task[Any]], question: str, task_type: str) -> "Found":
        typed = [task for task in fitting if task.info.task_type == task_type]
        if len(typed) == 1:
            return Found(typed[0], f"by its shape and as {task_type}")
        words = set(re.findall(r"[a-z]+", question.lower()))
        spoken = {
            task.info.name: sorted(word for word in words if word.startswith(task.info.words)) for task in fitting
        }
        asked = [task for task in fitting if task.info.words and spoken[task.info.name]]
        if len(asked) == 1:
            said = ", ".join(repr(word) for word in spoken[asked[0].info.name])
            return Found(asked[0], f"by the shape of the context and {said} in the question")
        names = [task.info.name for task in fitting]
        raise AmbiguousContext(
            f"This context fits {' and '.join(names)}, and the question does not say which is meant: set `task`.",
            candidates=names,
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
