"""A model measured whole: accuracy by size, and the quality of its confidence."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.evidence import names
from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.model import Model
from agent_reasoning.evaluation.accuracy import Accuracy, accuracy
from agent_reasoning.evaluation.calibration import Quality, fit, measure
from agent_reasoning.evaluation.trajectories import InstanceSets, run
from agent_reasoning.tasks import Task

# Confidence ends no trajectory on which it is fitted.
EXHAUSTIVE = Halting(sure=1.0, no_improvement=10**9)

Observe = Callable[[str, int], None]  # what is being done, and how many instances more are done


def unobserved(what: str, done: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Report:
    accuracy: tuple[Accuracy, ...]
    confidence: tuple[tuple[str, tuple[Quality, ...]], ...]
    """(set of instances, a line for each refinement step)"""

    def to_dict(self) -> dict[str, Any]:
        return {
            "accuracy": [row.to_dict() for row in self.accuracy],
            "confidence": [
                {"instances_of": name, **line.to_dict()} for name, lines in self.confidence for line in lines
            ],
        }


def calibrate(
    task: Task[Any], model: Model, max_steps: int, sets: InstanceSets, observe: Observe = unobserved
) -> Confidence:
    """Fit the confidence on these instances, none of which may be measured on later; as the task's recipe has it."""
    found = []
    for name, instances in sets.items():
        found += run(task, model, instances, max_steps, partial(observe, f"calibrate {name}"), EXHAUSTIVE)
    return fit(found, max_steps, names(task.info.spec) if task.info.recipe.weighs_evidence else ())


def evaluate(
    task: Task[Any],
    model: Model,
    max_steps: int,
    sets: InstanceSets,
    observe: Observe = unobserved,
) -> Report:
    """The model alone on these instances, one trajectory each."""
    lines: list[Accuracy] = []
    qualities = []
    for name, instances in sets.items():
        found = run(task, model, instances, max_steps, partial(observe, f"evaluate {name}"))
        lines += accuracy(name, found, max_steps, model.applications_per_step)
        qualities.append((name, tuple(measure(found, model.confidence, max_steps))))
    return Report(tuple(lines), tuple(qualities))
