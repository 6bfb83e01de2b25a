"""How often a model's answers verify, by problem set and refinement steps, and what they cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agent_reasoning.evaluation.trajectories import Trajectory

BUDGETS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One line of the table: a set of instances, each stopped by the model's policy or after `max_steps`."""

    instances_of: str
    instances: int
    max_steps: int
    verified: float
    best: float
    """Verified, and with an objective as good as the best that is known."""
    mean_steps: float
    mean_applications: float
    mean_milliseconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def accuracy(
    name: str, trajectories: Sequence[Trajectory], max_steps: int, applications_per_step: int
) -> list[Accuracy]:
    """A line for each budget up to `max_steps`. `trajectories` were run with at least `max_steps`."""
    count = len(trajectories)
    budgets = sorted({budget for budget in BUDGETS if budget < max_steps} | {max_steps})
    rows = []
    for budget in budgets:
        steps = sum(min(item.steps, budget) for item in trajectories) / count
        seconds = sum(item.seconds * min(item.steps, budget) / item.steps for item in trajectories) / count
        rows.append(
            Accuracy(
                instances_of=name,
                instances=count,
                max_steps=budget,
                verified=sum(any(item.valid[:budget]) for item in trajectories) / count,
                best=sum(any(item.best[:budget]) for item in trajectories) / count,
                mean_steps=steps,
                mean_applications=steps * applications_per_step,
                mean_milliseconds=seconds * 1000,
            )
        )
    return rows
