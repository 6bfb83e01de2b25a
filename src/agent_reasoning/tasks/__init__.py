"""The tasks, and the registry that finds one by name or by the shape of a context."""

from agent_reasoning.tasks.base import (
    NEGLIGIBLE,
    Choice,
    Labelled,
    Parts,
    Recipe,
    Search,
    Solution,
    Task,
    TaskInfo,
    is_best,
    to_reach,
    verdict_on,
)
from agent_reasoning.tasks.registry import Registry, builtin_tasks

__all__ = [
    "NEGLIGIBLE",
    "Choice",
    "Labelled",
    "Parts",
    "Recipe",
    "Registry",
    "Search",
    "Solution",
    "Task",
    "TaskInfo",
    "builtin_tasks",
    "is_best",
    "to_reach",
    "verdict_on",
]
