"""A model measured whole: accuracy by size, and the quality of its confidence."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.evidence import names
from agent_reasoning.engine.model import Model
from agent_reasoning.evaluation.accuracy import Accuracy, accuracy
from agent_reasoning.evaluation.calibration import Quality, fit, measure
from agent_reasoning.evaluation.trajectories import InstanceSets, Trajectory, run
from agent_reasoning.tasks import Task

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
    # The answers that callers see, and not those of a search that nobody gives up; only confidence ends none on which it is
    # fitted.
    halting = replace(model.halting, sure=1.0)
    found = []
    for name, instances in sets.items():
        found += run(task, model, instances, max_steps, partial(observe, f"calibrate {name}"), halting)
    return fit(found, max_steps, names(task.info.spec) if task.info.recipe.weighs_evidence else ())


def evaluate(
    task: Task[Any],
    model: Model,
    max_steps: int,
    sets: InstanceSets,
    observe: Observe = unobserved,
) -> Report:
    """The model alone on these instances, one trajectory each; of confidence all sizes of a kind together, too."""
    lines: list[Accuracy] = []
    qualities = []
    of_kind: dict[str, list[list[Trajectory]]] = {}
    for name, instances in sets.items():
        found = run(task, model, instances, max_steps, partial(observe, f"evaluate {name}"))
        lines += accuracy(name, found, max_steps, model.applications_per_step)
        qualities.append((name, tuple(measure(found, model.confidence, max_steps))))
        of_kind.setdefault(instances[0].kind, []).append(found)
    for kind, several in of_kind.items():
        if len(several) > 1:
            whole, *_ = measure([item for found in several for item in found], model.confidence, max_steps)
            qualities.append((", ".join(filter(None, ("all", kind))), (whole,)))
    return Report(tuple(lines), tuple(qualities))
