"""Running a model over held-out instances the way the service does: step by step, until the verifier is satisfied."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent_reasoning.engine.model import Model
from agent_reasoning.tasks import Labelled, Task

BATCH = 64
# The third number keeps these instances apart from training's, whose seeds have two numbers.
CALIBRATION, EVALUATION = 1, 2


@dataclass(slots=True)
class Trajectory:
    """One instance under one trajectory without noise."""

    q_halt_logits: list[float] = field(default_factory=list)  # one a step
    repeats: list[bool] = field(default_factory=list)  # one a step: the verifier has refused this answer before
    verified: bool = False  # at the last step; no step after a verified one
    exact: bool = False  # the last answer is the label
    seconds: float = 0.0  # its share of the batches it was in

    @property
    def steps(self) -> int:
        return len(self.q_halt_logits)


InstanceSets = dict[str, list[Labelled[Any]]]  # by the name that tables show


def held_out(
    task: Task[Any], count: int, purpose: int, seed: int = 0, sizes: Sequence[int] | None = None
) -> InstanceSets:
    """`count` fresh instances of each size; of the task's own sizes, as far as training went, unless told otherwise."""
    sets = {}
    for size in sizes or [size for size in task.info.sizes if size <= task.info.training_sizes[1]]:
        rng = np.random.default_rng([seed, size, purpose])
        sets[f"{size} {task.info.size_unit}"] = [task.generate(rng, size) for _ in range(count)]
    return sets


def run(
    task: Task[Any],
    model: Model,
    instances: list[Labelled[Any]],
    max_steps: int,
    observe: Callable[[int], None] = lambda count: None,
) -> list[Trajectory]:
    """Refine each instance until it verifies or has had `max_steps`; `observe` is told how many are done."""
    trajectories = []
    for start in range(0, len(instances), BATCH):
        chunk = instances[start : start + BATCH]
        trajectories += _run_batch(task, model, chunk, max_steps)
        observe(len(chunk))
    return trajectories


def _run_batch(task: Task[Any], model: Model, instances: list[Labelled[Any]], max_steps: int) -> list[Trajectory]:
    found = [Trajectory() for _ in instances]
    refused: list[set[bytes]] = [set() for _ in instances]
    open_rows = list(range(len(instances)))
    refinement = model.begin([task.encode(item.instance) for item in instances])
    for _ in range(max_steps):
        begun = time.perf_counter()
        refined = refinement.step()
        share = (time.perf_counter() - begun) / len(open_rows)
        kept = []
        for place, row in enumerate(open_rows):
            item, trajectory = instances[row], found[row]
            choice = refined.choices[place][: len(item.choice)]
            trajectory.repeats.append(choice.tobytes() in refused[row])
            refused[row].add(choice.tobytes())
            trajectory.q_halt_logits.append(float(refined.q_halt_logits[place]))
            trajectory.seconds += share
            trajectory.exact = bool((choice == item.choice).all())
            trajectory.verified = task.verify(item.instance, task.decode(item.instance, choice)).valid
            if not trajectory.verified:
                kept.append(place)
        if not kept:
            break
        if len(kept) < len(open_rows):
            open_rows = [open_rows[place] for place in kept]
            refinement.keep(kept)
    return found
