"""Searches that hold an answer: each step the network is told the answer that is held, and the task's search makes the next one
of what the network says of it.

The search draws; what it draws from is the network's opinion alone. What comes of a step follows from the request: from the
answer held, the opinion, and (seed, sample, step).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.engine.deduction import Lane
from agent_reasoning.engine.pool import Choice

NOTHING = -1  # what a cell holds that has no answer yet
INCOMPLETE = -30.0  # logit
DRAWS = 2  # keeps these draws apart from a trajectory's others (`engine.noise`)


class Search(Protocol):
    """A task's own; see `tasks.base.Search`."""

    def first(self) -> Choice: ...
    def next(self, held: Choice, logits: NDArray[np.float32], rng: np.random.Generator) -> Choice: ...


class Slots(Protocol):
    def hold(self, slot: int, held: Choice) -> None: ...


@dataclass(slots=True)
class Holding:
    """What each trajectory of a job holds, by its sample."""

    search: Search
    seed: int
    held: dict[int, Choice] = field(default_factory=dict)

    def place(self, lanes: Iterable[Lane], pool: Slots) -> None:
        """Tell each lane's slot what it holds, before a step."""
        for lane in lanes:
            pool.hold(lane.slot, self.of(lane.sample))

    def of(self, sample: int) -> Choice:
        if sample not in self.held:
            self.held[sample] = self.search.first()
        return self.held[sample]

    def next(self, sample: int, step: int, logits: NDArray[np.float32]) -> Choice:
        """What it is to hold after this step; in any thread. `step` counts from 1."""
        rng = np.random.default_rng([self.seed, sample, step, DRAWS])
        return self.search.next(self.of(sample), logits, rng)


def belief(held: Choice, logit: float) -> float:
    """That of the network, but for an answer that is not complete: the search knows that it is none."""
    return INCOMPLETE if (held == NOTHING).any() else logit


def answered(held: Choice, logits: NDArray[np.float32]) -> Choice:
    """[L] the answer that is shown and judged: where nothing is held yet, what the network says."""
    return np.where(held == NOTHING, logits.argmax(-1), held)
