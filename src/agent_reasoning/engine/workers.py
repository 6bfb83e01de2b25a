"""The threads that step pools, read the answers back and have them checked, so that the engine's own never waits."""

import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from time import monotonic

from agent_reasoning.engine.deduction import Opinion
from agent_reasoning.engine.holding import answered, belief
from agent_reasoning.engine.job import Job, Judged, Trajectory
from agent_reasoning.engine.pool import Pool, Refined, Ticket


@dataclass(frozen=True, slots=True)
class InFlight:
    """A row of a step that has been started."""

    job: Job
    trajectory: Trajectory
    round: int
    step: int  # of the trajectory, from 1


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one step: verdicts, the rows whose verifier failed, or the failure of the whole step."""

    rows: Sequence[InFlight]
    judged: Sequence[Judged]
    broken: Sequence[tuple[InFlight, Exception]]
    failure: Exception | None
    seconds: float  # from the step's start until its answers could be read


class Workers:
    """`count` threads. On a CPU each steps some rows on a core of its own. On a GPU two take turns: while one waits for
    a step's answers, the other starts the next; `ordered` says that steps must start in the order they were given."""

    def __init__(self, count: int, *, ordered: bool, deliver: Callable[[Judgement], None]) -> None:
        self.count = count
        self._deliver = deliver
        self._inbox: queue.SimpleQueue[tuple[Pool, Sequence[InFlight]] | None] = queue.SimpleQueue()
        self._turn = threading.Lock() if ordered else nullcontext()
        self._threads = [threading.Thread(target=self._run, name=f"worker-{n}", daemon=True) for n in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads after what they were given."""
        self._inbox.put(None)

    def join(self, timeout_seconds: float) -> None:
        for thread in self._threads:
            thread.join(timeout_seconds)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def step(self, pool: Pool, rows: Sequence[InFlight]) -> None:
        self._inbox.put((pool, rows))

    def _run(self) -> None:
        while self._step():
            pass

    def _step(self) -> bool:
        """In a call of its own: what it has held, tensors too, is let go of before the next."""
        with self._turn:
            item = self._inbox.get()
            if item is None:
                self._inbox.put(None)  # for the other threads
                return False
            rows, begun = item[1], monotonic()
            ticket = start(*item)
            del item  # or the pool would outlive an end that the engine makes of it
        self._deliver(finish(ticket, rows, begun))
        return True


def start(pool: Pool, rows: Sequence[InFlight]) -> Ticket | Exception:
    try:
        return pool.step([row.trajectory.slot for row in rows])
    except Exception as failure:  # whatever a model or a device reports; the thread must outlive it
        return failure


def finish(ticket: Ticket | Exception, rows: Sequence[InFlight], begun: float) -> Judgement:
    if isinstance(ticket, Exception):
        return Judgement(rows, (), (), ticket, monotonic() - begun)
    try:
        refined = ticket.read()
    except Exception as failure:
        return Judgement(rows, (), (), failure, monotonic() - begun)
    return judge(rows, refined, monotonic() - begun)


def judge(rows: Sequence[InFlight], refined: Refined, seconds: float) -> Judgement:
    judged, broken = [], []
    for place, row in enumerate(rows):
        cells, width = row.job.problem.size
        choice, held = refined.choices[place][:cells].copy(), None
        said = None if refined.logits is None else refined.logits[place][:cells, :width].copy()
        try:
            if row.job.holding is not None and said is not None:
                held = row.job.holding.next(row.trajectory.sample, row.step, said)
                choice = answered(held, said)
            key = choice.tobytes()
            verdict = row.job.verdicts.get(key) or row.job.verify(choice)
        except Exception as error:  # the thread must outlive any fault of a verifier or a search
            broken.append((row, error))
            continue
        row.job.verdicts[key] = verdict
        logit, opinion = float(refined.q_halt_logits[place]), None
        if held is not None:
            logit = belief(held, logit)
        if row.job.deduction is not None and said is not None:
            opinion = Opinion(said, logit)
            logit = opinion.belief
        judged.append(Judged(row.job, row.trajectory, row.round, row.step, choice, logit, verdict, opinion, held))
    return Judgement(rows, judged, broken, None, seconds)
