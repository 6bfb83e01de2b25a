"""A model of ten lines: sample k answers step + 10 k, and is 10 k % sure. What the engine decides, without what a
network computes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.pool import Refined
from agent_reasoning.problem import Problem, Verdict


def problem_of(candidates):
    """Each number has a bucket of its own."""
    return Problem(np.ones((1, candidates), bool), np.zeros(1, np.int64))


PROBLEM, OTHER_BUCKET = problem_of(100), problem_of(99)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@dataclass(frozen=True)
class Done:
    refined: Refined

    def read(self):
        return self.refined


@dataclass
class Counting:
    """`before` runs ahead of each tick, with its slots; `answer` is from (sample, step)."""

    task: str = "toy"
    applications_per_step: int = 2
    halting: Halting = field(default_factory=Halting)
    ahead: int = 0
    deduction: None = None
    holds: bool = False
    capacity: int = 64
    rows_at_once: int = 4
    one_job: bool = False
    before: Callable = lambda slots: None
    entering: Callable = lambda slots: None
    answer: Callable = lambda sample, step: min(step + 10 * sample, 99)
    ticks: list = field(default_factory=list)  # (sample, step) of each row
    pools: list = field(default_factory=list)

    def confidence(self, evidence):
        return evidence.logit

    def bucket(self, problem):
        return problem.size

    def arrange(self, problem, bucket):
        return problem

    def pool(self, bucket, slots):
        made = CountingPool(self, min(slots, self.capacity))
        self.pools.append(made)
        return made


class CountingPool:
    size_bytes = 1

    def __init__(self, model, capacity):
        self.model, self.capacity = model, capacity
        self.rows_at_once, self.one_job = min(model.rows_at_once, capacity), model.one_job
        self.held = {}

    def enter(self, slots, arranged, streams):
        self.model.entering(slots)
        self.held.update({slot: [stream.sample, 0] for slot, stream in zip(slots, streams, strict=True)})

    def step(self, slots):
        assert len(set(slots)) == len(slots) <= self.rows_at_once
        self.model.before(slots)
        rows = []
        for slot in slots:
            self.held[slot][1] += 1
            rows.append(tuple(self.held[slot]))
        self.model.ticks.append(rows)
        answers = [[self.model.answer(sample, step)] for sample, step in rows]
        return Done(Refined(np.array(answers), np.array([0.1 * sample for sample, _ in rows], np.float32)))


def accept(*answers):
    return lambda choice: Verdict(True) if choice[0] in answers else Verdict(False, ("wrong",))


def submit(engine, verify=accept(), problem=PROBLEM, **options):
    options = {"max_steps": 8, "samples": 1, "seed": 0, "timeout_seconds": 30.0} | options
    return engine.submit(engine.arrange("toy", problem), verify, **options)


def told(outcome):
    """What a caller can see of an outcome, without the times."""
    steps = [(int(r.choice[0]), r.verdict.valid, round(r.confidence, 3)) for r in outcome.records]
    return outcome.sample, outcome.halted_by, outcome.best, steps
