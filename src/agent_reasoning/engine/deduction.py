"""Deduction with branching: a search whose state is the candidates that each cell has left (compare LDT, arXiv 2605.08605).

Each step the network says which candidates it holds impossible, and they go; nothing else removes any, but a branch. Where
it removes none, a cell is guessed. Where a cell has none left, the network believes that no answer is left, or the
verifier has refused the only one, the branch is dead and another one is open. A wrong removal can lose the answer; when
all branches are dead, the search begins again from the root, with noise and more caution: a deterministic network would
repeat itself.

A job has one tree. Its lanes work on different branches; in a round they are dealt with lowest sample first, so that the
tree follows from the request alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.engine.pool import Candidates
from agent_reasoning.schemas import MAX_SAMPLES

Event = Literal["narrowed", "guessed", "dead_end"]

MOST_CAUTIOUS = 3  # the tree from which on caution does not grow: without removals nothing would be found at all


@dataclass(frozen=True, slots=True)
class Policy:
    """How a model's judgements become removals; chosen on held-out instances and kept in its bundle."""

    remove_below: float = 0.05
    """A candidate goes where the network gives it less than this probability, by its own weighted measure."""
    dead_below: float = 0.1
    """A branch is dead where the network believes with less than this probability that it holds an answer."""
    patience: int = 1
    """Steps in a row without a removal before a cell is guessed."""
    noise: float = 0.3
    """Standard deviation of the noise on z_H and z_L, in every tree but the first."""
    caution: float = 0.3
    """What both thresholds are multiplied by in each tree after the first: if all its branches were dead, one was wrong."""

    def __post_init__(self) -> None:
        thresholds = 0 < self.remove_below < 1 and 0 <= self.dead_below < 1 and 0 < self.caution <= 1
        if not thresholds or self.patience < 1 or self.noise < 0:
            raise ValueError(
                "a deduction policy needs 0 < remove_below < 1, 0 <= dead_below < 1, 0 < caution <= 1, patience >= 1"
                " and noise >= 0"
            )


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the network says of one branch."""

    logits: NDArray[np.float32]  # [L, V]
    """> 0 is "may be", weighted such that a wrong removal costs more than a right one gains."""
    alive_logit: float
    """> 0 is "an answer is left"."""

    @property
    def belief(self) -> float:
        """The logarithm of the probability that it gives to its own answer: that one is left, and each cell's."""
        by_candidate = self.logits.T.copy()  # numpy reduces the first axis many times as fast as a short last one
        weights = np.exp(by_candidate - by_candidate.max(0))
        return float(-np.log(weights.sum(0)).sum() - np.logaddexp(0, -self.alive_logit))


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What came of one step of a branch, for the trace."""

    event: Event
    removed: int  # candidates that went, by the network's word
    undecided: int  # cells with more than one candidate left
    depth: int  # guesses between the root and this branch, before this step's
    tree: int  # 0 is the first; later ones began again with noise


class Lane(Protocol):
    """Who works on a branch: a trajectory in its slot."""

    @property
    def sample(self) -> int: ...
    @property
    def slot(self) -> int: ...


AnyLane = TypeVar("AnyLane", bound=Lane)


class Slots(Protocol):
    def narrow(self, slot: int, candidates: Candidates, stream: NoiseStream | None) -> None: ...


@dataclass(slots=True)
class Branch:
    candidates: Candidates
    depth: int
    tree: int
    quiet: int = 0  # steps in a row without a removal


@dataclass(slots=True)
class Deduction:
    """The tree of one job. Lanes are named by their sample."""

    root: Candidates
    policy: Policy
    open: list[Branch] = field(default_factory=list)  # the last one is next: depth first
    at: dict[int, Branch] = field(default_factory=dict)
    entered: set[int] = field(default_factory=set)  # samples whose slot does not hold their branch yet
    trees: int = 0

    def staff(self, lanes: Iterable[AnyLane]) -> list[AnyLane]:
        """Those with something to do: a branch of their own, or one that is open. Another tree is begun only when all of the
        last one is dead; until then the others wait."""
        staffed = []
        for lane in lanes:
            if lane.sample not in self.at:
                if not self.open and not self.at:
                    self.open.append(Branch(self.root.copy(), 0, self.trees))
                    self.trees += 1
                if not self.open:
                    continue
                self.at[lane.sample] = self.open.pop()
                self.entered.add(lane.sample)
            staffed.append(lane)
        return staffed

    def place(self, lanes: Iterable[Lane], seed: int, pool: Slots) -> None:
        """Write what each lane's branch has left into its slot; all are staffed. A branch that is new to a lane starts from a
        fresh carry."""
        for lane in lanes:
            branch, stream = self.at[lane.sample], None
            if lane.sample in self.entered:
                self.entered.discard(lane.sample)
                stream = NoiseStream(seed, branch.tree * MAX_SAMPLES + lane.sample if branch.tree else 0)
            pool.narrow(lane.slot, branch.candidates, stream)

    def leave(self, sample: int) -> None:
        """The lane ends; what it worked on is open to others."""
        branch = self.at.pop(sample, None)
        if branch is not None:
            self.open.append(branch)

    def follow(self, sample: int, opinion: Opinion) -> Narrowing:
        """The answer that this opinion implies was refused: narrow the lane's branch, guess, or give it up."""
        branch, policy = self.at[sample], self.policy
        care = policy.caution ** min(branch.tree, MOST_CAUTIOUS)
        several = branch.candidates.sum(1) > 1
        going = branch.candidates & several[:, None] & (opinion.logits < _logit(policy.remove_below * care))
        removed = int(going.sum())
        branch.candidates = branch.candidates & ~going
        left = branch.candidates.sum(1)
        undecided, depth = int((left > 1).sum()), branch.depth
        if left.min() == 0 or undecided == 0 or opinion.alive_logit < _logit(policy.dead_below * care):
            del self.at[sample]
            return Narrowing("dead_end", removed, undecided, depth, branch.tree)
        branch.quiet = 0 if removed else branch.quiet + 1
        if branch.quiet < policy.patience:
            return Narrowing("narrowed", removed, undecided, depth, branch.tree)
        self._guess(sample, branch, opinion.logits)
        return Narrowing("guessed", removed, undecided, depth, branch.tree)

    def _guess(self, sample: int, branch: Branch, logits: NDArray[np.float32]) -> None:
        """One candidate first; all others of its cell wait."""
        cell, candidate = next_guess(branch.candidates, logits)
        others = branch.candidates.copy()
        others[cell, candidate] = False
        self.open.append(Branch(others, branch.depth + 1, branch.tree))
        guessed = branch.candidates.copy()
        guessed[cell] = False
        guessed[cell, candidate] = True
        self.at[sample] = Branch(guessed, branch.depth + 1, branch.tree)


def next_guess(candidates: Candidates, logits: NDArray[np.float32]) -> tuple[int, int]:
    """Of the undecided cells with the fewest candidates left the one where a candidate has the largest share of the cell's
    probability, and it: measured to need half as many steps as the surest of all cells."""
    masked = np.where(candidates, logits, -np.inf)
    weights = np.exp(masked - masked.max(1, keepdims=True))
    share = weights.max(1) / weights.sum(1)
    count = candidates.sum(1)
    cell = int(np.argmax(np.where(count > 1, share - count, -np.inf)))
    return cell, int(np.argmax(masked[cell]))


def _logit(probability: float) -> float:
    return float(np.log(probability) - np.log1p(-probability)) if probability > 0 else -np.inf
