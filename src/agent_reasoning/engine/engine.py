"""Continuous batching: one thread a device decides, for all models in turn, which trajectories step next and which end.

A tick is one refinement step for some slots of one pool, given to a worker. A trajectory that ends leaves its slot, and
who waits for one enters before the next tick.
The engine knows problems and a `verify` callable, and no task by name.
"""

import contextlib
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from agent_reasoning.engine.cores import usable_cores
from agent_reasoning.engine.halting import HaltedBy
from agent_reasoning.engine.holding import Search
from agent_reasoning.engine.job import Arranged, Job, Judged, Listener, Outcome, Pending, Trajectory
from agent_reasoning.engine.pool import Choice, out_of_memory
from agent_reasoning.engine.room import Room
from agent_reasoning.engine.slots import ModelSlots, Served
from agent_reasoning.engine.turns import Turns
from agent_reasoning.engine.workers import Judgement, Workers
from agent_reasoning.errors import DeadlineExceeded, EngineFailed, NotReady, ReasoningError
from agent_reasoning.problem import Problem, Verdict

STALLED_AFTER_SECONDS = 30.0
SLOTS = 64

log = structlog.get_logger("agent_reasoning.engine")


@dataclass(frozen=True, slots=True)
class TickReport:
    """What observers are told after each tick, on the engine's thread."""

    task: str
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Arrived:
    job: Job


@dataclass(frozen=True, slots=True)
class Gone:
    job: Job


Message = Arrived | Gone | Judgement | Literal["stop"]


class Engine:
    """Start it, submit jobs, stop it.

    `workers`: threads that step; a CPU is best served by one for each core, a GPU by two. `clock` is an argument so that
    tests own the time.
    """

    def __init__(
        self,
        models: Iterable[Served],
        *,
        slots: int = SLOTS,
        workers: int | None = None,
        max_queue: int = 256,
        observe: Callable[[TickReport], None] = lambda report: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = {model.task: ModelSlots(model, slots) for model in models}
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._room = Room(slots, max_queue)
        self._observe = observe
        self._clock = clock
        self._turns = Turns()
        self._admitting = False
        self._busy_since: float | None = None  # the last tick or verdict while there is work
        ahead = any(slots.model.ahead for slots in self._models.values())
        count = workers or (2 if ahead else usable_cores())
        self._workers = Workers(count, ordered=ahead, deliver=self._inbox.put)
        self._free_workers = self._workers.count
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._workers.start()
        self._thread.start()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """Finish what was accepted, then end the thread."""
        self._room.close()
        self._inbox.put("stop")
        self._thread.join(timeout_seconds)
        self._workers.join(timeout_seconds)  # an interpreter that ends while a thread is inside torch is aborted

    def arrange(self, task: str, problem: Problem) -> Arranged:
        """Get a problem ready for the task's model, in any thread; it takes milliseconds where the problem is large."""
        model = self._models[task].model
        bucket = model.bucket(problem)
        return Arranged(task, problem, bucket, model.arrange(problem, bucket))

    def submit(
        self,
        arranged: Arranged,
        verify: Callable[[Choice], Verdict],
        *,
        max_steps: int,
        samples: int,
        seed: int,
        timeout_seconds: float,
        listener: Listener | None = None,
        search: Search | None = None,
        is_part: bool = False,
    ) -> Pending:
        """Queue a problem, in any thread; `search`: the task's, where its models are told what is held; `is_part`: of a request
        that has others here, too, so that it takes no room from requests.

        Raises Overloaded at once when too many wait, NotReady when the engine has stopped. The future
        raises DeadlineExceeded if the deadline passes before the first step. Cancelling it frees the job's slots before
        the next tick.
        """
        now, model = self._clock(), self._models[arranged.task].model
        job = Job(arranged.task, arranged.problem, arranged.bucket, arranged.inputs, verify, max_steps, samples, seed,
                  now + timeout_seconds, now, listener, model.deduction, search if model.holds else None)  # fmt: skip
        if not self._thread.is_alive():
            raise NotReady("The engine is not running.")
        self._room.enter(lambda: self._inbox.put(Arrived(job)), is_part=is_part)
        if not is_part:  # before any other callback: who hears of it may send the next
            job.future.add_done_callback(lambda future: self._room.answered())
        job.future.add_done_callback(lambda future: self._inbox.put(Gone(job)) if future.cancelled() else None)
        return job.future

    def check_room(self) -> None:
        """Raises Overloaded where `submit` would: before anything is spent on a request that will be refused."""
        self._room.check()

    @property
    def max_queue(self) -> int:
        return self._room.max_queue

    @property
    def waiting(self) -> int:
        """Jobs without a slot."""
        return self._room.waiting

    def slots(self) -> dict[str, tuple[int, int]]:
        """For each task the slots in use, and how many there are."""
        return {task: (slots.used, slots.slots) for task, slots in self._models.items()}

    def ailment(self) -> str | None:
        """What is wrong with the engine; None if it is well."""
        if not self._thread.is_alive():
            return "the engine thread is dead"
        if not self._workers.alive:
            return "a worker thread is dead"
        since = self._busy_since
        if since is not None and self._clock() - since > STALLED_AFTER_SECONDS:
            return f"the engine has work and has made no step for {self._clock() - since:.0f} s"
        return None

    def _run(self) -> None:
        try:
            while not (self._room.closed and self._idle()):
                self._receive()
                self._busy_since = None if self._idle() else self._busy_since or self._clock()
                while self._turns and self._free_workers:
                    self._tick()
        finally:
            self._workers.stop()
            self._abandon()

    def _idle(self) -> bool:
        """Nobody waits for an answer, and no step is under way, be it one that nobody waits for any more."""
        busy = self._free_workers < self._workers.count or not self._inbox.empty()
        return not busy and not any(slots.running or slots.waiting for slots in self._models.values())

    def _abandon(self) -> None:
        """Nobody may wait for a dead engine. After a stop there is nobody left."""
        self._room.close()
        left = [job for slots in self._models.values() for job in (*slots.running, *slots.waiting)]
        while not self._inbox.empty():
            message = self._inbox.get()
            left += [message.job] if isinstance(message, Arrived) else []
        for job in left:
            with contextlib.suppress(Exception):  # of one job; the others must hear of it, too
                job.settle(EngineFailed("The engine has died; the service must be restarted."))

    def _receive(self) -> None:
        """Take in what has come; wait for something where there is no step to take."""
        if not (self._turns and self._free_workers):
            self._handle_first(self._next_deadline())
        while not self._inbox.empty():
            self._handle(self._inbox.get())
        self._end_overdue()

    def _handle_first(self, timeout: float | None) -> None:
        with contextlib.suppress(queue.Empty):
            self._handle(self._inbox.get(timeout=timeout))

    def _next_deadline(self) -> float | None:
        deadlines = [job.deadline for slots in self._models.values() for job in (*slots.running, *slots.waiting)]
        return max(0.001, min(deadlines) - self._clock()) if deadlines else None

    def _end_overdue(self) -> None:
        now = self._clock()
        for slots in self._models.values():
            for job in [job for job in (*slots.running, *slots.waiting) if now >= job.deadline]:
                self._end_at_deadline(job)

    def _end_at_deadline(self, job: Job) -> None:
        try:
            for judged in job.of_incomplete_rounds():
                self._record(judged)
        except Exception as error:  # of a confidence map or a listener
            self._fail(job, error)
            return
        if any(trajectory.records for trajectory in job.tried):
            proven = any(trajectory.halted_by == "verified" for trajectory in job.tried)
            self._finish(job, self._outcome(job, None if proven else "deadline"))
        else:
            when = (
                "after a lack of memory had made it start afresh"
                if job.restarts
                else "before the first refinement step"
            )
            self._finish(job, DeadlineExceeded(f"The deadline passed {when}."))

    def _handle(self, message: Message) -> None:
        if isinstance(message, Arrived):
            self._models[message.job.task].waiting.append(message.job)
            self._admit(message.job.task)
        elif isinstance(message, Gone):
            self._finish(message.job, EngineFailed("The caller has gone."))
        elif isinstance(message, Judgement):
            self._take_in(message)

    def _admit(self, task: str) -> None:
        """Give free slots to those who wait for them."""
        if self._admitting:
            return  # the loop below is under way, and will see what has changed
        self._admitting = True
        try:
            slots = self._models[task]
            while (job := slots.next_to_enter()) is not None:
                self._room.left_queue()
                job.begun = self._clock()
                try:
                    slots.enter(job)
                    self._go_on(job)
                except Exception as error:  # of the device, or of a search that says what is held first
                    self._recover([job], error)
        finally:
            self._admitting = False

    def _go_on(self, job: Job) -> None:
        """Give the job a turn if it has a step to take."""
        slots = self._models[job.task]
        if job.start_round(slots.model.ahead):
            if job.deduction is not None:
                job.deduction.place(job.to_step, job.seed, slots.pool(job))
            if job.holding is not None:
                job.holding.place(job.to_step, slots.pool(job))
        if job.to_step:
            self._turns.add(job)

    def _tick(self) -> None:
        pool, rows = self._turns.take(lambda job: self._models[job.task].pool(job))
        self._free_workers -= 1
        self._workers.step(pool, rows)
        for job in dict.fromkeys(row.job for row in rows):
            self._go_on(job)

    def _take_in(self, judgement: Judgement) -> None:
        """A step has come back, with verdicts."""
        self._free_workers += 1
        self._busy_since = self._clock()
        task = judgement.rows[0].job.task
        slots = self._models[task]
        freed = [slots.returned(row.trajectory) for row in judgement.rows]
        if any(freed):
            self._admit(task)
        # A job that has ended, or started afresh since, has no use for what comes of it.
        live = {
            row.trajectory: row.job for row in judgement.rows if self._runs(row.job) and row.trajectory in row.job.tried
        }
        if judgement.failure is not None:
            self._recover(list(dict.fromkeys(live.values())), judgement.failure)
            return
        self._observe(TickReport(task, len(judgement.rows), judgement.seconds))
        for row, error in judgement.broken:
            if row.trajectory in live:
                self._fail(row.job, error)
        for judged in judgement.judged:
            if judged.trajectory in live and self._runs(judged.job):
                judged.job.arrived[judged.round].append(judged)
                judged.job.future.begun = True
        for job in dict.fromkeys(live.values()):
            try:
                self._follow_up(job)
            except Exception as error:  # of a confidence map or a listener: one request's, not the engine's
                self._fail(job, error)

    def _follow_up(self, job: Job) -> None:
        if self._runs(job):
            self._replace_the_leaving(job)
        while self._runs(job) and (arrived := job.next_complete()) is not None:
            self._decide(job, arrived)
        if self._runs(job):
            self._go_on(job)

    def _runs(self, job: Job) -> bool:
        return job in self._models[job.task].running

    def _decide(self, job: Job, round: Sequence[Judged]) -> None:
        """All verdicts of a round are in: who ends, and does the job?"""
        ended: list[Trajectory] = []
        for judged in round:
            if self._record(judged) and judged.trajectory.halted_by is not None:
                judged.trajectory.last_round = judged.round
                ended.append(judged.trajectory)
        if any(trajectory.halted_by == "verified" for trajectory in ended):
            self._finish(job, self._outcome(job))
            return
        for trajectory in ended:
            job.end(trajectory)
        if not job.to_step:
            self._turns.drop(job)
        self._replace_the_leaving(job)
        if self._runs(job) and not job.lanes and not job.leaving:
            self._finish(job, self._outcome(job))

    def _record(self, judged: Judged) -> bool:
        """False for a step that ran ahead of its trajectory's end, or of one whose verdict is not in yet."""
        job, trajectory, model = judged.job, judged.trajectory, self._models[judged.job.task].model
        if trajectory.halted_by is not None or judged.step != len(trajectory.records) + 1:
            return False
        confidence = model.confidence(judged.evidence)
        narrowing = None
        if job.deduction is not None and judged.opinion is not None and not judged.verdict.valid:
            narrowing = job.deduction.follow(trajectory.sample, judged.opinion)
        if job.holding is not None and judged.held is not None:
            job.holding.held[trajectory.sample] = judged.held
        trajectory.record(judged.choice, confidence, judged.verdict, narrowing)
        job.tell(trajectory)
        trajectory.halted_by = model.halting.decide(trajectory.records, job.max_steps)
        return True

    def _replace_the_leaving(self, job: Job) -> None:
        """Give the slots of trajectories that have ended to the job's next samples, else to whom they may serve."""
        slots = self._models[job.task]
        while job.leaving and not job.leaving[0].in_flight:  # in the order they ended in: samples follow in theirs
            trajectory = job.leaving.pop(0)
            job.ended.append(trajectory)
            # When it joins follows from when the other ended, not from when this thread came to hear of it.
            joins = trajectory.last_round + 1 + slots.model.ahead
            try:
                if not slots.refill(job, trajectory, joins):
                    slots.release(job, trajectory)
            except Exception as error:
                self._recover([job], error)
                return
        self._admit(job.task)

    def _outcome(self, job: Job, halted_by: HaltedBy | None = None) -> Outcome:
        return job.outcome(halted_by, self._models[job.task].model.applications_per_step, self._clock())

    def _finish(self, job: Job, result: Outcome | ReasoningError) -> None:
        """The job is over: its slots are free before anyone hears of it."""
        slots = self._models[job.task]
        if job in slots.waiting:
            self._room.left_queue()
        slots.leave(job)
        self._turns.drop(job)
        job.settle(result)
        self._admit(job.task)

    def _fail(self, job: Job, error: Exception) -> None:
        failure = EngineFailed("The model failed on this request; see the service's log.")
        failure.__cause__ = error
        self._finish(job, failure)

    def _recover(self, jobs: Sequence[Job], error: Exception) -> None:
        """A step, or the making of slots, has failed. Where memory ran out: the slots that nobody uses are given back,
        or else there are half as many; and the jobs of that bucket begin again. Else the jobs fail, and the engine goes
        on with the others."""
        if not jobs:
            return
        slots = self._models[jobs[0].task]
        lacked_memory = out_of_memory(error)
        given_back = sum(others.give_back_unused() for others in self._models.values()) if lacked_memory else 0
        if not lacked_memory or (slots.slots == 1 and not given_back):
            for job in jobs:
                self._fail(job, error)
            return
        traceback.clear_frames(error.__traceback__)  # they hold tensors
        if not given_back or any(job.restarts for job in jobs):  # it was not those that took the memory
            slots.halve()
        again = slots.vacate(jobs[0].bucket)
        log.warning("engine.out_of_memory", task=jobs[0].task, slots=slots.slots, pools_given_back=given_back,
                    restarted=len(again))  # fmt: skip
        self._room.waits_again(len(again))
        for job in again:
            self._turns.drop(job)
        self._admit(jobs[0].task)
