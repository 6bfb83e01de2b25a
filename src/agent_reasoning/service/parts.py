"""Problems that are too large to be looked at whole: the model improves parts of them, many at once, until the time is up or
nothing is gained any more. Where such a search starts is the task's baseline, and whoever reads the answer is told so.

Parts are drawn, and what was found for them is taken, in the order in which they were sent, whichever is ready first: so a
search that ends by itself gives the same answer, and the same way to it, each time. The deadline decides nothing but how far
along that way a search comes that it ends (`halted_by: deadline`).
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.halting import HaltedBy
from agent_reasoning.engine.job import Outcome, Pending, StepRecord
from agent_reasoning.errors import DeadlineExceeded, Overloaded
from agent_reasoning.problem import Verdict
from agent_reasoning.tasks import Choice, Parts, Task, verdict_on

STEPS = 4  # refinement steps that a part gets: there are always others
TOGETHER = 8  # parts that are out at a time
FOR_THE_ANSWER = 0.2  # of the time: the whole is verified, and its moves are put in order
PATIENCE_SECONDS = 60.0  # for a part, which has a fraction of a second's work
RETRY_SECONDS = 0.02  # where the engine's queue is full


@dataclass(slots=True)
class InParts:
    """One problem's search. `verify` judges choices of the whole problem; `deadline` is on `time.monotonic`'s clock."""

    engine: Engine
    task: Task[Any]
    parts: Parts
    verify: Callable[[Choice], Verdict]
    seed: int
    deadline: float
    listener: Callable[[int, int, StepRecord], None] | None = None
    gone: Event = field(default_factory=Event)  # set: nobody waits any more
    begun: Event = field(default_factory=Event)  # set: it has a thread
    queued: float = field(default_factory=time.monotonic)
    _applications: int = 0
    _sent: int = 0
    _end: float = 0.0  # no part is waited for any longer
    _records: list[StepRecord] = field(default_factory=list)

    def run(self, for_the_answer: float = FOR_THE_ANSWER) -> Outcome:
        """In a thread of its own; `for_the_answer`: the share of the time that is left to whoever writes it. Raises
        DeadlineExceeded where the time did not suffice for a start, NotReady where the engine stops."""
        self.begun.set()
        if self.gone.is_set() or time.monotonic() > self.deadline:
            raise DeadlineExceeded("The deadline passed before this problem's turn came.")
        begun = time.monotonic()
        self._end = self.deadline - for_the_answer * (self.deadline - begun)
        start = self.parts.start()
        if time.monotonic() > self.deadline:
            raise DeadlineExceeded("The deadline passed before all was placed for a first time.")
        self._note(start)
        halted_by: HaltedBy = "no_improvement"
        if self._records[0].verdict.valid and not self._records[0].verdict.optimal:
            halted_by = self._improve()
        best = min(range(len(self._records)), key=lambda number: _merit(self._records[number].verdict))
        if self._records[best].verdict.optimal:
            halted_by = "verified"
        ended = time.monotonic()
        return Outcome(tuple(self._records), best, halted_by, 0, self._applications, begun - self.queued, ended - begun)

    def _improve(self) -> HaltedBy:
        out: deque[tuple[Any, Pending]] = deque()
        taken, note_at, gained = 0, TOGETHER, False
        halted_by: HaltedBy = "deadline"
        try:
            while not self.gone.is_set() and time.monotonic() < self._end:
                self._send(out)
                if not out and self.parts.exhausted:
                    halted_by = "no_improvement"
                    break
                if not out or not wait([out[0][1]], timeout=max(0.0, self._end - time.monotonic())).done:
                    continue
                gained |= self._take(*out.popleft())
                taken += 1
                if gained and taken >= note_at:  # rarer and rarer: to verify the whole takes a while
                    self._note(self.parts.choice)
                    note_at, gained = taken + taken // 2, False
        finally:
            for _, future in out:
                future.cancel()
        if gained and not self.gone.is_set():
            self._note(self.parts.choice)
        return halted_by

    def _send(self, out: deque[tuple[Any, Pending]]) -> None:
        while len(out) < TOGETHER and not self.parts.exhausted and (part := self.parts.next()) is not None:
            future = self._submit(part)
            if future is None:
                return
            out.append((part, future))

    def _submit(self, part: Any) -> Pending | None:
        """None where there is no time left to wait for room in the engine's queue."""
        instance, search = self.parts.problem(part)
        arranged = self.engine.arrange(self.task.info.name, self.task.encode(instance))
        verify = partial(verdict_on, self.task, instance)
        self._sent += 1
        while time.monotonic() < self._end:
            try:
                return self.engine.submit(
                    arranged, verify, max_steps=STEPS, samples=1, seed=(self.seed << 20) + self._sent,
                    timeout_seconds=PATIENCE_SECONDS, search=search, is_part=True,
                )  # fmt: skip
            except Overloaded:  # the same part again: to draw another would make the answer depend on who else asks
                if self.gone.wait(RETRY_SECONDS):
                    break
        return None

    def _take(self, part: Any, future: Pending) -> bool:
        """A part that failed, of which the engine has told, has found nothing."""
        outcome = None if future.exception() else future.result()
        if outcome is not None:
            self._applications += outcome.applications
        found = outcome.answer.choice if outcome is not None and outcome.answer.verdict.valid else None
        return self.parts.take(part, found)

    def _note(self, choice: Choice) -> None:
        verdict = self.verify(choice)
        if self._records and _merit(verdict) >= _merit(self._records[-1].verdict):
            return  # what parts have gained need not be a gain of the whole
        self._records.append(StepRecord(choice.copy(), 1.0 if verdict.optimal else 0.0, verdict))
        if self.listener is not None:
            self.listener(0, len(self._records), self._records[-1])


def _merit(verdict: Verdict) -> tuple[bool, float]:
    return not verdict.valid, verdict.objective or 0.0
