"""When a trajectory stops. The one place that decides it; deadlines and clients that leave are the engine's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from agent_reasoning.problem import Verdict

HaltedBy = Literal["verified", "confident", "no_improvement", "same_answer", "max_steps", "deadline"]


class Step(Protocol):
    """What a decision may rest on, for each step that has its verdict."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def confidence(self) -> float: ...
    @property
    def repeats(self) -> bool:
        """The answer is that of the step before."""
        ...


@dataclass(frozen=True, slots=True)
class Halting:
    """A model's policy; which values cost no accuracy is measured on held-out instances and kept in its bundle."""

    same_answer: int | None = None
    """Give up after so many steps in a row with one refused answer."""
    no_improvement: int = 8
    """With an objective: stop after so many steps without a better valid answer."""
    sure: float = 0.99
    """With an objective: stop at a valid answer that is the best one with this calibrated probability."""
    head_start: int = 0
    """Steps that the plain trajectory gets before three noisy ones join it; twelve more join after as many again, and
    the rest after as many again. Most problems need no company, and each trajectory costs what the plain one does."""

    def __post_init__(self) -> None:
        patient = self.same_answer is None or self.same_answer >= 2
        if not patient or self.no_improvement < 1 or not 0 < self.sure <= 1 or self.head_start < 0:
            raise ValueError(
                "a halting policy needs same_answer >= 2, no_improvement >= 1, 0 < sure <= 1 and head_start >= 0"
            )

    def first_round(self, sample: int) -> int:
        """When a sample joins: 0 for the first, then in companies of 3, 12 and 48."""
        return self.head_start * ((sample.bit_length() + 1) // 2)

    def decide(self, steps: Sequence[Step], max_steps: int) -> HaltedBy | None:
        """Why to stop after these steps; None to go on. A valid answer alone is no reason: where there is an
        objective it must be proven the best, believed to be, or not improved upon."""
        last = steps[-1]
        if last.verdict.optimal:
            return "verified"
        best = best_step(steps)
        if steps[best].verdict.valid:
            if best == len(steps) - 1 and last.confidence >= self.sure:
                return "confident"
            if len(steps) - 1 - best >= self.no_improvement:
                return "no_improvement"
        elif self.same_answer is not None and _run_of_repeats(steps) + 1 >= self.same_answer:
            return "same_answer"
        return "max_steps" if len(steps) >= max_steps else None


def best_step(steps: Sequence[Step]) -> int:
    """The valid one with the least objective, the earlier of equals; the last where none is valid."""
    valid = [number for number, step in enumerate(steps) if step.verdict.valid]
    if not valid:
        return len(steps) - 1
    return min(valid, key=lambda number: steps[number].verdict.objective or 0.0)


def _run_of_repeats(steps: Sequence[Step]) -> int:
    count = 0
    for step in reversed(steps):
        if not step.repeats:
            break
        count += 1
    return count
