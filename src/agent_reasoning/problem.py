"""What a task hands to a network, and what its verifier hands back. Plain arrays: no torch, no task names.

A problem has L cells (the unknowns), each with V candidates; an answer picks one candidate for each cell. What ties
cells together is typed: *relations* are edges between cells (depends on), *groups* are sets of (cell, candidate)
pairs (one digit in a row). A `ProblemSpec` names the types; it is fixed for a task and sizes the network.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TOKENS = 8  # those that a problem's summary counts


@dataclass(frozen=True, slots=True)
class RelationSpec:
    """A directed type of edge. Candidate v of the target listens to candidate v - shift of the source."""

    name: str
    shift: int = 0


@dataclass(frozen=True, slots=True)
class ProblemSpec:
    """The types that a task's problems are made of; a network is built from it."""

    vocabulary: tuple[str, ...]
    """What a cell's token may say, by index."""
    cell_features: tuple[str, ...] = ()
    candidate_features: tuple[str, ...] = ()
    relations: tuple[RelationSpec, ...] = ()
    groups: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    """Those of the candidate features that add up: a network is told, for each pair, what the cells that currently answer with
    its candidate amount to, without it and with it. 1 is what a candidate can bear."""
    ties: tuple[str, ...] = ()
    """Those of the features that tell interchangeable parts apart. Encoded as zeros; each trajectory draws its own, one
    number a cell, or a candidate, so that nothing but chance decides between equals."""
    views: tuple[tuple[str, ...], ...] = ()
    """Orders of the relations' names under which the task is the same task: who takes the place of the first relation, of the
    second, and so on. A network is not bound to treat them alike, so one may find what another misses; each trajectory has
    the next one, and the first is the order of `relations`."""
    holds: bool = False
    """Whether a search holds an answer from step to step, which it makes of what the network says: then that one is fed back to
    the network, and not the network's own."""

    def __post_init__(self) -> None:
        shifts = {relation.name: relation.shift for relation in self.relations}
        if self.views and self.views[0] != tuple(shifts):
            raise ValueError("the first view must be the order of the relations")
        if any(sorted(view) != sorted(shifts) for view in self.views):
            raise ValueError("a view must name each relation once")
        if any([shifts[name] for name in view] != list(shifts.values()) for view in self.views):
            raise ValueError("a view may exchange only relations of one shift")

    def view(self, sample: int) -> tuple[int, ...]:
        """Which relation takes the place of each, by number, for a job's trajectory of this number."""
        names = [relation.name for relation in self.relations]
        if not self.views:
            return tuple(range(len(names)))
        return tuple(names.index(name) for name in self.views[sample % len(self.views)])


@dataclass(frozen=True, eq=False, slots=True)
class PublishedForm:
    """The problem as the published sequence models (TRM, HRM) read it: a token a cell."""

    tokens: Ints
    """[L] in the published encoding"""
    answers: Ints
    """[V] the token that answers with each candidate; [L, V] where that depends on the cell"""


@dataclass(frozen=True, eq=False)
class Problem:
    """One encoded problem: L cells, V candidates.

    Raises ValueError where an array does not fit the others: that is a bug of the task, not of a caller.
    """

    candidates: Bools
    """[L, V] True where a cell may take a candidate; every row has at least one. A False is never answered."""
    tokens: Ints
    """[L] index into the spec's vocabulary."""
    cell_features: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """[L, F]"""
    candidate_features: Floats = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    """[L, V, C]"""
    relations: dict[str, Ints] = field(default_factory=dict)
    """name -> [E, 2] (source cell, target cell)"""
    groups: dict[str, tuple[Ints, ...]] = field(default_factory=dict)
    """name -> for each group of that type its members, [M, 2] (cell, candidate)"""
    published: PublishedForm | None = None

    def __post_init__(self) -> None:
        cells, width = self.candidates.shape
        if self.tokens.shape != (cells,):
            raise ValueError(f"tokens are {self.tokens.shape} for {cells} cells")
        if not self.candidates.any(axis=1).all():
            raise ValueError("a cell has no candidate")
        for name, edges in self.relations.items():
            if edges.size and (edges.min() < 0 or edges.max() >= cells):
                raise ValueError(f"relation {name!r} names a cell outside 0..{cells - 1}")
        for name, groups in self.groups.items():
            members = np.concatenate(groups) if groups else np.zeros((0, 2), np.int64)
            if (members < 0).any() or (members >= (cells, width)).any():
                raise ValueError(f"group {name!r} names a pair outside ({cells}, {width})")

    @cached_property
    def size(self) -> tuple[int, int]:
        """(L, V)"""
        return self.candidates.shape[0], self.candidates.shape[1]

    @cached_property
    def summary(self) -> NDArray[np.float64]:
        """What the problem is like, in a few numbers, whatever its size: L and V as logarithms; the share of candidates that
        cells may take, its mean and deviation over cells; mean, deviation, least and most of each cell feature; and of the
        first TOKENS tokens the share of cells that have each."""
        allowed = self.candidates.mean(1)
        features = self.cell_features if self.cell_features.size else np.zeros((1, 0))
        of_features = features.mean(0), features.std(0), features.min(0), features.max(0)
        shares = np.bincount(np.minimum(self.tokens, TOKENS), minlength=TOKENS + 1)[:TOKENS] / len(self.tokens)
        return np.concatenate(
            [np.log(self.size), [allowed.mean(), allowed.std()], *of_features, shares], dtype=np.float64
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an exact verifier says of one answer. `valid` is a fact, never a belief."""

    valid: bool
    violations: tuple[str, ...] = ()
    """In words, for people; empty if and only if valid."""
    objective: float | None = None
    """Recomputed by the verifier; None for tasks where validity is all."""
    bound: float | None = None
    """No valid answer has an objective below this."""

    def __post_init__(self) -> None:
        assert self.valid == (not self.violations), "a verdict is valid exactly when it lists no violation"

    @property
    def meets_bound(self) -> bool:
        """The objective, right or wrong, is one that nothing valid can be below."""
        return self.objective is not None and self.bound is not None and self.objective <= self.bound

    @property
    def optimal(self) -> bool:
        """Proven: nothing valid can be better. Where validity is all, every valid answer is the best one."""
        if not self.valid:
            return False
        return self.objective is None or self.meets_bound
