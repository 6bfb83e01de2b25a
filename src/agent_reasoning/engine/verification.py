"""Reading answers back from the device and checking them, off the engine's thread."""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from agent_reasoning.engine.job import Job, Judged, Trajectory
from agent_reasoning.engine.pool import Refined, Ticket


@dataclass(frozen=True, slots=True)
class InFlight:
    """A row of a step that has been started."""

    job: Job
    trajectory: Trajectory
    round: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of one step: verdicts, the jobs whose verifier failed, or the failure of the whole step."""

    rows: Sequence[InFlight]
    judged: Sequence[Judged]
    broken: Sequence[tuple[Job, Exception]]
    failure: Exception | None
    seconds: float  # from the step's start until its answers could be read


class Verifier:
    """One thread that takes steps in the order they were started. A batch is what one step brought."""

    def __init__(self, deliver: Callable[[Judgement], None]) -> None:
        self._deliver = deliver
        self._inbox: queue.SimpleQueue[tuple[Ticket, Sequence[InFlight], float] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="verifier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._inbox.put(None)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def check(self, ticket: Ticket, rows: Sequence[InFlight], started: float) -> None:
        self._inbox.put((ticket, rows, started))

    def _run(self) -> None:
        while (item := self._inbox.get()) is not None:
            ticket, rows, started = item
            try:
                refined = ticket.read()
            except Exception as failure:  # whatever a device reports; the thread must outlive it
                self._deliver(Judgement(rows, (), (), failure, monotonic() - started))
            else:
                self._deliver(judge(rows, refined, monotonic() - started))


def judge(rows: Sequence[InFlight], refined: Refined, seconds: float) -> Judgement:
    judged, broken = [], []
    for place, row in enumerate(rows):
        choice = refined.choices[place][: row.job.problem.size[0]].copy()
        try:
            key = choice.tobytes()
            verdict = row.job.verdicts.get(key) or row.job.verify(choice)
            row.job.verdicts[key] = verdict
        except Exception as error:  # the thread must outlive any fault of a verifier
            broken.append((row.job, error))
            continue
        judged.append(Judged(row.job, row.trajectory, row.round, choice, float(refined.q_halt_logits[place]), verdict))
    return Judgement(rows, judged, broken, None, seconds)
