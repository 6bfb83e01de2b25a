"""A model measured whole: accuracy by size, and the quality of its confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.evaluation.accuracy import Accuracy, accuracy
from agent_reasoning.evaluation.calibration import Quality, fit, measure
from agent_reasoning.evaluation.trajectories import CALIBRATION, EVALUATION, held_out, run
from agent_reasoning.networks.structured import StructuredNetwork
from agent_reasoning.tasks import Task

Observe = Callable[[str, int], None]  # what is being done, and how many instances more are done


def unobserved(what: str, done: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Report:
    accuracy: tuple[Accuracy, ...]
    confidence: tuple[tuple[int, tuple[Quality, ...]], ...]
    """(size, a line for each refinement step)"""

    def to_dict(self) -> dict[str, Any]:
        return {
            "accuracy": [row.to_dict() for row in self.accuracy],
            "confidence": [{"size": size, **line.to_dict()} for size, lines in self.confidence for line in lines],
        }


def calibrate(
    task: Task[Any], network: StructuredNetwork, max_steps: int, count: int, observe: Observe = unobserved
) -> Confidence:
    """Fit the confidence map on fresh instances, `count` of each size that evaluation reports and that was trained."""
    largest = task.info.training_sizes[1]
    sizes = [size for size in task.info.sizes if size <= largest]
    trajectories = []
    for size in sizes:
        instances = held_out(task, size, count, CALIBRATION)
        trajectories += run(task, network, instances, max_steps, partial(observe, f"calibrate {size}"))
    return fit(trajectories, max_steps)


def evaluate(
    task: Task[Any],
    network: StructuredNetwork,
    confidence: Confidence,
    max_steps: int,
    *,
    count: int,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    observe: Observe = unobserved,
) -> Report:
    """`count` fresh instances of each size, the model alone, one trajectory each."""
    lines: list[Accuracy] = []
    qualities = []
    for size in sizes or task.info.sizes:
        instances = held_out(task, size, count, EVALUATION, seed)
        found = run(task, network, instances, max_steps, partial(observe, f"evaluate {size}"))
        lines += accuracy(found, max_steps, network.config.applications_per_step)
        qualities.append((size, tuple(measure(found, confidence, max_steps))))
    return Report(tuple(lines), tuple(qualities))
