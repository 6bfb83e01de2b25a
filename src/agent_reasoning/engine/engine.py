"""One thread owns the models; everyone else hands it jobs and gets futures.

Jobs run one after another, the K samples of a job as one batch. The engine knows problems and a `verify` callable,
and no task by name.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from agent_reasoning.engine.model import Choice, Refined
from agent_reasoning.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded, ReasoningError
from agent_reasoning.problem import Problem, Verdict

STALLED_AFTER_SECONDS = 30.0

HaltedBy = Literal["verified", "max_steps", "deadline"]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One refinement step of one trajectory."""

    choice: Choice  # [L]
    confidence: float  # that this choice verifies, said before `verdict` was known
    verdict: Verdict


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


@dataclass(frozen=True, slots=True)
class StepReport:
    """What observers are told after each refinement step."""

    task: str
    samples: int
    seconds: float
    waiting: int


class Pending(Future["Outcome"]):
    """A result to come. `begun`: the first step is done, so that a deadline gives the best so far and no error."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = False


@dataclass(frozen=True, slots=True)
class Job:
    task: str
    problem: Problem
    verify: Callable[[Choice], Verdict]
    max_steps: int
    samples: int
    seed: int
    deadline: float  # seconds on the engine's clock
    queued: float
    future: Pending = field(default_factory=Pending)


class Refiner(Protocol):
    """What the engine needs of a model."""

    @property
    def task(self) -> str: ...
    @property
    def confidence(self) -> Callable[[float, int], float]: ...
    @property
    def applications_per_step(self) -> int: ...
    def refine(self, problem: Problem, samples: int, seed: int) -> "RefinedSteps": ...


class RefinedSteps(Protocol):
    def __next__(self) -> Refined: ...


class Engine:
    """Start it, submit jobs, stop it. `clock` is an argument so that tests own the time."""

    def __init__(
        self,
        models: Sequence[Refiner],
        *,
        max_queue: int = 256,
        observe: Callable[[StepReport], None] = lambda report: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = {model.task: model for model in models}
        self._inbox: queue.Queue[Job | None] = queue.Queue(max_queue)
        self._observe = observe
        self._clock = clock
        self._busy_since: float | None = None  # the last tick while there is work
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Finish what is queued, then end the thread."""
        self._stopping = True
        self._inbox.put(None)
        self._thread.join(timeout_seconds)

    def submit(
        self,
        task: str,
        problem: Problem,
        verify: Callable[[Choice], Verdict],
        *,
        max_steps: int,
        samples: int,
        seed: int,
        timeout_seconds: float,
    ) -> Pending:
        """Queue a problem. Raises Overloaded at once when the queue is full, NotReady when the engine has stopped.

        The future raises DeadlineExceeded if the deadline passes before the first step. Cancelling it takes the job
        off the engine before its next step.
        """
        if self._stopping or not self._thread.is_alive():
            raise NotReady("The engine is not running.")
        now = self._clock()
        job = Job(task, problem, verify, max_steps, samples, seed, now + timeout_seconds, now)
        try:
            self._inbox.put_nowait(job)
        except queue.Full:
            raise Overloaded(f"{self._inbox.maxsize} requests are waiting; try again shortly.") from None
        return job.future

    @property
    def waiting(self) -> int:
        return self._inbox.qsize()

    def ailment(self) -> str | None:
        """What is wrong with the engine; None if it is well."""
        if not self._thread.is_alive():
            return "the engine thread is dead"
        since = self._busy_since
        if since is not None and self._clock() - since > STALLED_AFTER_SECONDS:
            return f"the engine has work and has made no step for {self._clock() - since:.0f} s"
        return None

    def _run(self) -> None:
        while (job := self._inbox.get()) is not None:
            self._busy_since = self._clock()
            try:
                outcome = self._refine(job)
            except ReasoningError as error:
                _settle(job, error)
            except Exception as error:  # the thread must outlive any fault of a model or a verifier
                failure = EngineFailed("The model failed on this request; see the service's log.")
                failure.__cause__ = error
                _settle(job, failure)
            else:
                _settle(job, outcome)
            self._busy_since = None

    def _refine(self, job: Job) -> Outcome | ReasoningError:
        begun = self._clock()
        model = self._models[job.task]
        steps: RefinedSteps | None = None
        trajectories: list[list[StepRecord]] = [[] for _ in range(job.samples)]
        halted_by: HaltedBy = "max_steps"
        for step in range(1, job.max_steps + 1):
            if job.future.cancelled():
                break
            before = self._clock()
            if before >= job.deadline:
                if step == 1:
                    return DeadlineExceeded("The deadline passed before the first refinement step.")
                halted_by = "deadline"
                break
            steps = steps or model.refine(job.problem, job.samples, job.seed)
            refined = next(steps)
            for sample, trajectory in enumerate(trajectories):
                trajectory.append(self._record(job, model, refined, sample, step, trajectory))
            job.future.begun = True
            self._busy_since = now = self._clock()
            self._observe(StepReport(job.task, job.samples, now - before, self.waiting))
            if any(trajectory[-1].verdict.optimal for trajectory in trajectories):
                halted_by = "verified"
                break
        if job.future.cancelled():
            return EngineFailed("The caller has gone.")
        chosen = [_best(trajectory) for trajectory in trajectories]
        best = max(range(job.samples), key=lambda sample: _merit(trajectories[sample][chosen[sample]], sample))
        count = len(trajectories[best])
        applications = count * job.samples * model.applications_per_step
        return Outcome(
            tuple(trajectories[best]),
            chosen[best],
            halted_by,
            best,
            applications,
            begun - job.queued,
            self._clock() - begun,
        )

    def _record(
        self, job: Job, model: Refiner, refined: Refined, sample: int, step: int, trajectory: list[StepRecord]
    ) -> StepRecord:
        choice = refined.choices[sample][: job.problem.size[0]]
        confidence = model.confidence(float(refined.q_halt_logits[sample]), step)
        earlier = next((record for record in trajectory if np.array_equal(record.choice, choice)), None)
        if earlier is None:
            return StepRecord(choice, confidence, job.verify(choice))
        # The verifier has refused this very answer before: that it will again is certain.
        return StepRecord(choice, confidence if earlier.verdict.valid else 0.0, earlier.verdict)


def _best(trajectory: Sequence[StepRecord]) -> int:
    """The valid record with the least objective, the earlier of equals; the last record where none is valid."""
    valid = [number for number, record in enumerate(trajectory) if record.verdict.valid]
    if not valid:
        return len(trajectory) - 1
    return min(valid, key=lambda number: trajectory[number].verdict.objective or 0.0)


def _merit(record: StepRecord, sample: int) -> tuple[bool, float, float, int]:
    """Valid before invalid, then the better objective, then the more confident, then the earlier sample."""
    objective = record.verdict.objective
    return record.verdict.valid, -objective if objective is not None else 0.0, record.confidence, -sample


def _settle(job: Job, result: Outcome | ReasoningError) -> None:
    # The future stays pending until here: a running one can no longer be cancelled, and the engine would go on
    # with a problem nobody waits for.
    if not job.future.set_running_or_notify_cancel():
        return
    if isinstance(result, ReasoningError):
        job.future.set_exception(result)
    else:
        job.future.set_result(result)
