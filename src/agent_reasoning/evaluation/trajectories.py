"""Running a model over held-out instances the way the service does: step by step, until its policy says that it is
enough."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, ClassVar

import numpy as np

from agent_reasoning.engine.deduction import Deduction, Opinion
from agent_reasoning.engine.evidence import Evidence
from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.holding import Holding, answered, belief
from agent_reasoning.engine.job import StepRecord, is_hopeless
from agent_reasoning.engine.model import Model
from agent_reasoning.problem import Verdict
from agent_reasoning.tasks import Choice, Labelled, Task, is_best, to_reach, verdict_on

BATCH = 64
# The third number keeps these instances apart from training's, whose seeds have two numbers.
CALIBRATION, EVALUATION = 1, 2


@dataclass(frozen=True, slots=True)
class Alone:
    """A deduction's only lane."""

    slot: int
    sample: ClassVar[int] = 0


@dataclass(slots=True)
class Trajectory:
    """One instance under one trajectory without noise."""

    evidence: list[Evidence] = field(default_factory=list)  # one a step, as all lists here
    hopeless: list[bool] = field(default_factory=list)  # by what came before, so that nobody has to believe anything
    valid: list[bool] = field(default_factory=list)
    best: list[bool] = field(default_factory=list)  # valid, and as good as the label: what confidence is about
    records: list[StepRecord] = field(default_factory=list)
    seconds: float = 0.0  # its share of the batches it was in

    @property
    def steps(self) -> int:
        return len(self.evidence)

    def take(
        self, choice: Choice, evidence: Evidence, confidence: float, verdict: Verdict, known: float | None
    ) -> None:
        """One step more; `known`: the objective of the label."""
        repeats = bool(self.records) and np.array_equal(self.records[-1].choice, choice)
        self.evidence.append(evidence)
        self.hopeless.append(is_hopeless(self.records, choice, verdict))
        self.valid.append(verdict.valid)
        self.best.append(is_best(verdict, known))
        self.records.append(StepRecord(choice, 0.0 if self.hopeless[-1] else confidence, verdict, repeats))


InstanceSets = dict[str, list[Labelled[Any]]]  # by the name that tables show


def held_out(
    task: Task[Any], count: int, purpose: int, seed: int = 0, sizes: Sequence[int] | None = None
) -> InstanceSets:
    """`count` fresh instances of each size, by kind; of the task's own sizes, as far as training went, unless told
    otherwise."""
    sets: InstanceSets = {}
    for size in sizes or [size for size in task.info.sizes if size <= task.info.training_sizes[1]]:
        rng = np.random.default_rng([seed, size, purpose])
        for item in sorted((task.generate(rng, size) for _ in range(count)), key=attrgetter("kind")):
            sets.setdefault(", ".join(filter(None, (f"{size} {task.info.size_unit}", item.kind))), []).append(item)
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
    problems = [task.encode(item.instance) for item in instances]
    refinement = model.begin(problems)
    searches = [task.search(item.instance) if model.holds else None for item in instances]
    holding = [None if search is None else Holding(search, seed=0) for search in searches]
    trees = [Deduction(problem.candidates, model.deduction) for problem in problems] if model.deduction else []
    while open_rows:
        begun = time.perf_counter()
        for place, row in enumerate(open_rows if trees else ()):
            trees[row].place(trees[row].staff([Alone(place)]), 0, refinement)
        for place, row in enumerate(open_rows):
            if (held := holding[row]) is not None:
                held.place([Alone(place)], refinement)
        refined = refinement.step()
        share = (time.perf_counter() - begun) / len(open_rows)
        kept = []
        for place, row in enumerate(open_rows):
            item, trajectory = instances[row], found[row]
            choice = refined.choices[place][: len(item.choice)].copy()
            cells, width = problems[row].size
            said = None if refined.logits is None else refined.logits[place][:cells, :width]
            if (held := holding[row]) is not None and said is not None:
                held.held[Alone.sample] = held.next(Alone.sample, trajectory.steps + 1, said)
                choice = answered(held.held[Alone.sample], said)
            verdict = verdict_on(task, item.instance, choice)
            logit = float(refined.q_halt_logits[place])
            if held is not None:
                logit = belief(held.held[Alone.sample], logit)
            if trees and said is not None:
                opinion = Opinion(said, logit)
                logit = opinion.belief
                if not verdict.valid:
                    trees[row].follow(Alone.sample, opinion)
            evidence = Evidence(
                logit, trajectory.steps + 1, verdict.objective, verdict.bound, problems[row], tuple(trajectory.records)
            )
            trajectory.take(choice, evidence, model.confidence(evidence), verdict, known[row])
            trajectory.seconds += share
            if halting.decide(trajectory.records, max_steps) is None:
                kept.append(place)
        if kept and len(kept) < len(open_rows):
            refinement.keep(kept)
        open_rows = [open_rows[place] for place in kept]
    return found
