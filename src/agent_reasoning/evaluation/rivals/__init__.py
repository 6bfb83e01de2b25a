"""What the models are measured beside: classical algorithms for the same problems, and exact ones.

Each takes an instance and returns a solution of its task. None of them is part of the service.
"""

from collections.abc import Callable, Mapping
from typing import Any

from agent_reasoning.evaluation.rivals import maze, placement, rollout, root_cause
from agent_reasoning.tasks import Solution

Rival = Callable[[Any], Solution]

RIVALS: Mapping[str, Mapping[str, Rival]] = {
    "maze": maze.RIVALS,
    "placement": placement.RIVALS,
    "rollout": rollout.RIVALS,
    "root-cause": root_cause.RIVALS,
}
"""task -> name -> algorithm"""
