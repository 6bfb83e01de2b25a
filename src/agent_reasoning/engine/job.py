"""A problem in the engine: its trajectories, which advance in rounds, and which of them gives the answer.

A round is one refinement step of each of the job's lanes. All verdicts of a round are in before anything is decided
by it, lowest sample first: so the outcome follows from the request alone, not from who was faster.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent_reasoning.engine.deduction import Deduction, Narrowing, Opinion, Policy
from agent_reasoning.engine.evidence import Evidence
from agent_reasoning.engine.halting import HaltedBy, best_step
from agent_reasoning.engine.holding import Holding, Search
from agent_reasoning.engine.pool import Choice
from agent_reasoning.errors import ReasoningError
from agent_reasoning.problem import Problem, Verdict


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One refinement step of one trajectory."""

    choice: Choice  # [L]
    confidence: float  # that this choice verifies, or is the best; said before it was known to be valid
    verdict: Verdict
    repeats: bool = False  # the answer of the step before
    narrowing: Narrowing | None = None  # what came of it, in a deduction


@dataclass(frozen=True, slots=True)
class Outcome:
    """The trajectory that the verifier likes best."""

    records: tuple[StepRecord, ...]
    best: int  # which record is the answer: the best valid one, else the last
    halted_by: HaltedBy
    sample: int
    applications: int  # network applications over all samples
    waited_seconds: float
    refined_seconds: float

    @property
    def answer(self) -> StepRecord:
        return self.records[self.best]


class Pending(Future["Outcome"]):
    """A result to come. `begun`: a first step is done, so that a deadline gives the best so far and no error."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = False


Listener = Callable[[int, int, StepRecord], None]
"""Told sample, step (from 1) and record, on the engine's thread: it must hand on and return."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """A problem as the model that will take it reads it."""

    task: str
    problem: Problem
    bucket: Any
    inputs: Any


def is_hopeless(earlier: Sequence[StepRecord], choice: Choice, verdict: Verdict) -> bool:
    """What came before leaves no doubt that this answer is not what is looked for: the verifier has refused this very
    one, or had a valid one with a better objective."""
    if not verdict.valid and any(np.array_equal(record.choice, choice) for record in earlier):
        return True
    objective = verdict.objective
    return objective is not None and any(
        record.verdict.valid and record.verdict.objective is not None and record.verdict.objective < objective
        for record in earlier
    )


@dataclass(eq=False, slots=True)
class Trajectory:
    sample: int
    slot: int
    first_round: int
    free: list[int] = field(default_factory=list)  # where its slot goes when it is free
    launched: int = 0  # steps started
    in_flight: int = 0  # of these, how many have not come back
    vacated: bool = False  # its pool has been given back
    released: bool = False  # its slot is to be free as soon as nothing of it is in flight
    records: list[StepRecord] = field(default_factory=list)
    halted_by: HaltedBy | None = None
    last_round: int = -1  # the one it ended in

    def record(
        self, choice: Choice, confidence: float, verdict: Verdict, narrowing: Narrowing | None = None
    ) -> StepRecord:
        repeats = bool(self.records) and np.array_equal(self.records[-1].choice, choice)
        believed = 0.0 if is_hopeless(self.records, choice, verdict) else confidence
        made = StepRecord(choice, believed, verdict, repeats, narrowing)
        self.records.append(made)
        return made


@dataclass(eq=False, slots=True)
class Judged:
    """A step of a trajectory with what the verifier said of it."""

    job: "Job"
    trajectory: Trajectory
    round: int
    step: int  # of the trajectory, from 1
    choice: Choice
    q_halt_logit: float
    verdict: Verdict
    opinion: Opinion | None = None  # of a model that deduces
    held: Choice | None = None  # what it is to hold next, of a model that is told what is held

    @property
    def evidence(self) -> Evidence:
        """What to believe it by, as long as it is not among its trajectory's records."""
        claims = self.verdict.objective, self.verdict.bound
        return Evidence(self.q_halt_logit, self.step, *claims, self.job.problem, self.trajectory.records)


@dataclass(eq=False, slots=True)
class Job:
    task: str
    problem: Problem
    bucket: Any
    arranged: Any
    verify: Callable[[Choice], Verdict]
    max_steps: int
    samples: int
    seed: int
    deadline: float  # seconds on the engine's clock
    queued: float
    listener: Listener | None = None
    policy: Policy | None = None  # of a model that deduces
    search: Search | None = None  # of a task whose models are told what is held
    deduction: Deduction | None = None
    holding: Holding | None = None
    future: Pending = field(default_factory=Pending)
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)  # the verifier's, so that no answer is checked twice
    begun: float = 0.0  # when it got its slots
    in_lanes: bool = False  # it got more than one slot
    in_company: bool = False  # another sample than the first has taken a step
    lanes: list[Trajectory] = field(default_factory=list)
    ended: list[Trajectory] = field(default_factory=list)
    next_sample: int = 0
    restarts: int = 0
    round: int = -1  # the last one that was started
    concluded: int = -1  # the last one whose verdicts were all in
    to_step: deque[Trajectory] = field(default_factory=deque)  # of the round that is being started
    expected: dict[int, int] = field(default_factory=dict)  # round -> verdicts to come in all
    arrived: dict[int, list[Judged]] = field(default_factory=dict)
    leaving: list[Trajectory] = field(default_factory=list)  # ended, but a step that ran ahead is still in flight
    told: dict[int, int] = field(default_factory=dict)  # sample -> steps that the listener knows

    def __post_init__(self) -> None:
        self._search_anew()

    def _search_anew(self) -> None:
        self.deduction = Deduction(self.problem.candidates, self.policy) if self.policy else None
        self.holding = Holding(self.search, self.seed) if self.search else None

    @property
    def tried(self) -> list[Trajectory]:
        """All that have had a slot, since the last restart."""
        return [*self.ended, *self.leaving, *self.lanes]

    def restart(self) -> None:
        """Back to before the first step, which will come out the same again."""
        self.restarts += 1
        self.lanes, self.ended, self.leaving, self.next_sample = [], [], [], 0
        self.round, self.concluded = -1, -1
        self.in_company = False
        self.to_step.clear()
        self.expected, self.arrived = {}, {}
        self._search_anew()

    def start_round(self, ahead: int) -> bool:
        """Get the next round ready if no more than `ahead` rounds wait for verdicts, and some lane goes on. True if it is."""
        if self.to_step or self.leaving or self.round - self.concluded > ahead:
            return False
        going_on = [lane for lane in self.lanes if lane.launched < self.max_steps]
        if not going_on:
            return False
        number = max(self.round + 1, min(lane.first_round for lane in going_on))
        lanes = [lane for lane in going_on if lane.first_round <= number]
        if self.deduction is not None:
            lanes = self.deduction.staff(lanes)
        for passed in range(self.round + 1, number + 1):  # rounds that nobody takes a step in are over at once
            self.expected[passed], self.arrived[passed] = 0, []
        self.round = number
        self.in_company = self.in_company or any(lane.sample for lane in lanes)
        self.expected[number] = len(lanes)
        self.to_step.extend(lanes)
        return True

    def next_complete(self) -> list[Judged] | None:
        """The verdicts of the next round, lowest sample first, once they are all in."""
        number = self.concluded + 1
        if number > self.round or len(self.arrived[number]) < self.expected[number]:
            return None
        self.concluded = number
        del self.expected[number]
        return _by_sample(self.arrived.pop(number))

    def of_incomplete_rounds(self) -> list[Judged]:
        """The verdicts that are in although others of their round are not."""
        return [judged for _, arrived in sorted(self.arrived.items()) for judged in _by_sample(arrived)]

    def end(self, trajectory: Trajectory) -> None:
        """It takes no further step."""
        self.lanes.remove(trajectory)
        self.leaving.append(trajectory)
        if self.deduction is not None:
            self.deduction.leave(trajectory.sample)
        if trajectory in self.to_step:
            self.to_step.remove(trajectory)
            self.expected[self.round] -= 1

    def tell(self, trajectory: Trajectory) -> None:
        step = len(trajectory.records)
        if self.listener is not None and step > self.told.get(trajectory.sample, 0):
            self.told[trajectory.sample] = step
            self.listener(trajectory.sample, step, trajectory.records[-1])

    def settle(self, result: Outcome | ReasoningError) -> None:
        """Tell who waits, once."""
        # The future stays pending until here: a running one can no longer be cancelled, and the engine would go on
        # with a problem nobody waits for.
        if self.future.done() or not self.future.set_running_or_notify_cancel():
            return
        if isinstance(result, ReasoningError):
            self.future.set_exception(result)
        else:
            self.future.set_result(result)

    def outcome(self, halted_by: HaltedBy | None, applications_per_step: int, now: float) -> Outcome:
        """`halted_by`: why the job ends, where it is not its trajectories' own reason."""
        tried = sorted((item for item in self.tried if item.records), key=lambda item: item.sample)
        chosen = max(tried, key=_merit)
        return Outcome(
            tuple(chosen.records),
            best_step(chosen.records),
            halted_by or chosen.halted_by or "max_steps",
            chosen.sample,
            sum(item.launched for item in self.tried) * applications_per_step,
            self.begun - self.queued,
            now - self.begun,
        )


def _by_sample(judged: Iterable[Judged]) -> list[Judged]:
    return sorted(judged, key=lambda each: each.trajectory.sample)


def _merit(trajectory: Trajectory) -> tuple[bool, float, int, float]:
    """Valid before invalid, then the better objective, then the fewer steps to it, then the more confident. Of equals
    `max` takes the first, which is the lowest sample."""
    best = best_step(trajectory.records)
    record = trajectory.records[best]
    if not record.verdict.valid:
        return False, 0.0, 0, record.confidence
    return True, -(record.verdict.objective or 0.0), -trajectory.first_round - best, 0.0
