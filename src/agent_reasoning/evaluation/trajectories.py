"""Running a model over held-out instances the way the service does: step by step, until its policy says that it is
enough."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.job import StepRecord
from agent_reasoning.engine.model import Model
from agent_reasoning.problem import Verdict
from agent_reasoning.tasks import Choice, Labelled, Task, verdict_on

BATCH = 64
NEGLIGIBLE = 1e-6  # between sums in another order
# The third number keeps these instances apart from training's, whose seeds have two numbers.
CALIBRATION, EVALUATION = 1, 2


@dataclass(slots=True)
class Trajectory:
    """One instance under one trajectory without noise."""

    q_halt_logits: list[float] = field(default_factory=list)  # one a step, as all lists here
    repeats: list[bool] = field(default_factory=list)  # the verifier has refused this answer before
    valid: list[bool] = field(default_factory=list)
    best: list[bool] = field(default_factory=list)  # valid, and as good as the label: what confidence is about
    records: list[StepRecord] = field(default_factory=list)
    seconds: float = 0.0  # its share of the batches it was in

    @property
    def steps(self) -> int:
        return len(self.q_halt_logits)

    def take(
        self, choice: Choice, q_halt_logit: float, confidence: float, verdict: Verdict, known: float | None
    ) -> None:
        """One step more; `known`: the objective of the label."""
        same = [np.array_equal(record.choice, choice) for record in self.records]
        self.q_halt_logits.append(q_halt_logit)
        self.repeats.append(not verdict.valid and any(same))
        self.valid.append(verdict.valid)
        self.best.append(is_best(verdict, known))
        self.records.append(StepRecord(choice, 0.0 if self.repeats[-1] else confidence, verdict, any(same[-1:])))


def to_reach(task: Task[Any], item: Labelled[Any]) -> float | None:
    """The objective of the label; None where validity is all."""
    return verdict_on(task, item.instance, item.choice).objective


def is_best(verdict: Verdict, known: float | None) -> bool:
    """Valid, and where there is an objective as good as the one that is known."""
    as_good = known is None or verdict.objective is None or verdict.objective <= known + NEGLIGIBLE
    return verdict.valid and as_good


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
    halting: Halting | None = None,
) -> list[Trajectory]:
    """Refine each instance until the model's halting policy, or the one given, ends it, or it has had `max_steps`;
    `observe` is told how many are done."""
    trajectories = []
    for start in range(0, len(instances), BATCH):
        chunk = instances[start : start + BATCH]
        trajectories += _run_batch(task, model, chunk, max_steps, halting or model.halting)
        observe(len(chunk))
    return trajectories


def _run_batch(
    task: Task[Any], model: Model, instances: list[Labelled[Any]], max_steps: int, halting: Halting
) -> list[Trajectory]:
    found = [Trajectory() for _ in instances]
    known = [to_reach(task, item) for item in instances]
    open_rows = list(range(len(instances)))
    refinement = model.begin([task.encode(item.instance) for item in instances])
    while open_rows:
        begun = time.perf_counter()
        refined = refinement.step()
        share = (time.perf_counter() - begun) / len(open_rows)
        kept = []
        for place, row in enumerate(open_rows):
            item, trajectory = instances[row], found[row]
            choice = refined.choices[place][: len(item.choice)].copy()
            verdict = verdict_on(task, item.instance, choice)
            logit = float(refined.q_halt_logits[place])
            confidence = model.confidence(logit, trajectory.steps + 1)
            trajectory.take(choice, logit, confidence, verdict, known[row])
            trajectory.seconds += share
            if halting.decide(trajectory.records, max_steps) is None:
                kept.append(place)
        if kept and len(kept) < len(open_rows):
            refinement.keep(kept)
        open_rows = [open_rows[place] for place in kept]
    return found
