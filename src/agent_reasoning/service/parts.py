"""Problems that are too large to be looked at whole: the model improves parts of them, many at once, until the time is up or
nothing is gained any more. Where such a search starts is the task's baseline, and whoever reads the answer is told so."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.halting import HaltedBy
from agent_reasoning.engine.job import Outcome, StepRecord
from agent_reasoning.errors import DeadlineExceeded, Overloaded
from agent_reasoning.problem import Verdict
from agent_reasoning.tasks import Choice, Parts, Task, verdict_on

STEPS = 4  # refinement steps that a part gets: there are always others
TOGETHER = 8  # parts that are out at a time
MOST_RECORDS = 20  # of the way, for the trace
FOR_THE_ANSWER = 0.2  # of the time: the whole is verified, and its moves are put in order
PATIENCE_SECONDS = 60.0  # for a part, which has a fraction of a second's work


@dataclass(slots=True)
class InParts:
    """One problem's search. `verify` judges choices of the whole problem."""

    engine: Engine
    task: Task[Any]
    parts: Parts
    verify: Callable[[Choice], Verdict]
    seed: int
    seconds: float
    applications_per_step: int
    listener: Callable[[int, int, StepRecord], None] | None = None
    gone: Event = field(default_factory=Event)  # set: nobody waits any more
    applications: int = 0
    _records: list[StepRecord] = field(default_factory=list)

    def run(self, for_the_answer: float = FOR_THE_ANSWER) -> Outcome:
        """In a thread of its own; `for_the_answer`: the share of the time that is left to whoever writes it. Raises
        DeadlineExceeded where the time did not suffice for a start."""
        begun = time.monotonic()
        end = begun + self.seconds * (1 - for_the_answer)
        start = self.parts.start()
        if time.monotonic() > begun + self.seconds:
            raise DeadlineExceeded("The deadline passed before all was placed for a first time.")
        self._note(start)
        halted_by: HaltedBy = "no_improvement"
        if self._records[-1].verdict.optimal:
            halted_by = "verified"
        elif self._records[-1].verdict.valid:
            halted_by = self._improve(end)
        return Outcome(
            tuple(self._records), len(self._records) - 1, halted_by, 0, self.applications, 0.0, time.monotonic() - begun
        )

    def _improve(self, end: float) -> HaltedBy:
        out: dict[Future[Outcome], Any] = {}
        noted, gained, pause = time.monotonic(), False, self.seconds / MOST_RECORDS
        number = iter(range(10**9))
        try:
            while not self.gone.is_set() and (left := end - time.monotonic()) > 0:
                out |= self._sent(TOGETHER - len(out), number)
                if not out:
                    break
                done, _ = wait(out, timeout=left, return_when=FIRST_COMPLETED)
                for future in done:
                    gained |= self._taken(out.pop(future), future)
                if gained and time.monotonic() - noted > pause:
                    self._note(self.parts.choice)
                    noted, gained = time.monotonic(), False
            timed_out = bool(out) or not self.parts.exhausted
        finally:
            for future in out:
                future.cancel()
        if gained:
            self._note(self.parts.choice)
        if self._records[-1].verdict.optimal:
            return "verified"
        return "deadline" if timed_out else "no_improvement"

    def _sent(self, most: int, number: Iterator[int]) -> dict[Future[Outcome], Any]:
        sent: dict[Future[Outcome], Any] = {}
        while len(sent) < most and not self.parts.exhausted and (part := self.parts.next()) is not None:
            instance, search = self.parts.problem(part)
            arranged = self.engine.arrange(self.task.info.name, self.task.encode(instance))
            try:
                future = self.engine.submit(
                    arranged, partial(verdict_on, self.task, instance), max_steps=STEPS, samples=1,
                    seed=(self.seed << 20) + next(number), timeout_seconds=PATIENCE_SECONDS, search=search,
                )  # fmt: skip
            except Overloaded:  # others wait, too: they come first
                self.parts.take(part, None)
                break
            sent[future] = part
        return sent

    def _taken(self, part: Any, future: Future[Outcome]) -> bool:
        outcome = None if future.exception() else future.result()
        if outcome is not None:
            self.applications += outcome.applications
        found = outcome.answer.choice if outcome is not None and outcome.answer.verdict.valid else None
        return self.parts.take(part, found)

    def _note(self, choice: Choice) -> None:
        verdict = self.verify(choice)
        self._records.append(StepRecord(choice.copy(), 1.0 if verdict.optimal else 0.0, verdict))
        if self.listener is not None:
            self.listener(0, len(self._records), self._records[-1])
