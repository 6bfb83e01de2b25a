"""Problems as tensors of a fixed shape, one row a problem: cells and candidates padded, structure as index tables.

Every table is a list of *entries*, sorted by target, for a pooling without atomics: `source` says what an entry
reads, `starts` where each target's entries begin. Entries beyond a problem's own belong to one target more, which
nobody reads. Indices are the row's own, so that a row means the same in whatever batch it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from agent_reasoning.problem import Ints, Problem, ProblemSpec

FEWEST = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """What a problem's tensors are padded to."""

    cells: int
    width: int  # candidates a cell
    edges: int  # of all relations together
    groups: tuple[int, ...]  # of each type
    members: int  # of all groups together

    @classmethod
    def of(cls, problem: Problem, spec: ProblemSpec) -> "Shape":
        groups = [problem.groups.get(name, ()) for name in spec.groups]
        return cls(
            *problem.size,
            sum(len(problem.relations.get(relation.name, ())) for relation in spec.relations),
            tuple(map(len, groups)),
            sum(len(group) for of_type in groups for group in of_type),
        )

    @classmethod
    def over(cls, shapes: Sequence["Shape"]) -> "Shape":
        """The smallest that holds them all."""

        groups = tuple(max(counts) for counts in zip(*(shape.groups for shape in shapes), strict=True))
        return cls(
            max(shape.cells for shape in shapes),
            max(shape.width for shape in shapes),
            max(shape.edges for shape in shapes),
            groups,
            max(shape.members for shape in shapes),
        )

    def rounded(self) -> "Shape":
        """The bucket that a problem of this shape runs in, whatever else runs: sizes up to 128 as they are, larger
        ones and entries in a few steps to the octave, so that there are few buckets and little padding. Not below
        FEWEST: products of very few rows round otherwise than products of many."""
        return Shape(
            round_up(max(FEWEST, self.cells), 128),
            round_up(self.width, 128),
            round_up(self.edges, 16),
            tuple(round_up(max(FEWEST, count), 128) for count in self.groups),
            round_up(self.members, 16),
        )

    @property
    def pairs(self) -> int:
        return self.cells * self.width

    @property
    def sets(self) -> tuple[int, ...]:
        """Sets of pairs, by channel: every cell's candidates, then each type's groups."""
        return (self.cells, *self.groups)


def round_up(count: int, exact: int) -> int:
    """`exact` (a power of two) and less stay; above it up to the next of eight steps to the octave."""
    step = 1 if count <= exact else max(1, 2 ** (count - 1).bit_length() // 16)
    return -(-count // step) * step


@dataclass(frozen=True, slots=True)
class Links:
    """E entries into R targets, for each of B rows."""

    source: Tensor  # (B, E) int64: which of the row's sources speaks
    target: Tensor  # (B, E) int64, ascending; R is the target that nobody reads
    starts: Tensor  # (B, R + 1) int64: the first entry of each target
    share: Tensor  # (B, R, 1) float32: 1 / the target's entries; 1 where it has none

    def flat(self, sources: int) -> "FlatLinks":
        """As one list over all rows, each of which has so many sources."""
        rows, entries = self.source.shape
        targets = self.starts.shape[1]
        if rows == 1:
            return FlatLinks(self.source[0], self.target[0], self.starts[0], self.share)
        row = torch.arange(rows, device=self.source.device).unsqueeze(1)
        return FlatLinks(
            (self.source + row * sources).flatten(),
            (self.target + row * targets).flatten(),
            (self.starts + row * entries).flatten(),
            self.share,
        )


@dataclass(frozen=True, slots=True)
class FlatLinks:
    """The links of a whole batch: B * E entries into B * (R + 1) targets."""

    source: Tensor
    target: Tensor
    starts: Tensor
    share: Tensor  # (B, R, 1)


@dataclass(frozen=True, slots=True)
class Wires:
    """A batch's links as one step of a network uses them."""

    relations: FlatLinks | None
    sets: FlatLinks
    kinds: tuple[Tensor, ...]  # (B, n, 1) for each kind of set, of which only n matters
    members: FlatLinks


@dataclass(frozen=True, slots=True)
class Pairs:
    """Which (cell, candidate) pairs there are: all that a step reads of a batch beside its wires."""

    present: Tensor  # (B, L, V) bool: this pair exists in the problem, answerable or not
    allowed: Tensor  # (B, L, V) bool: it may be answered
    amounts: Tensor  # (B, L, V, S) the features that add up
    held: Tensor | None  # (B, L, V) float32: 1 for the answer that is held, where a search holds one

    @property
    def cells(self) -> Tensor:
        """(B, L) bool: the cell exists."""
        return self.present[..., 0]


@dataclass(frozen=True, slots=True)
class KnownPairs(Pairs):
    """With what is known of them: a batch whose structure is laid out elsewhere (`networks.dense`)."""

    tokens: Tensor  # (B, L) int64
    cell_features: Tensor  # (B, L, F)
    candidate_features: Tensor  # (B, L, V, C)


@dataclass(frozen=True, slots=True)
class ProblemBatch:
    """B problems padded to L cells and V candidates. A network speaks on C channels: to a pair's own cell, along each
    relation, to its groups of each type."""

    tokens: Tensor  # (B, L) int64
    cell_features: Tensor  # (B, L, F)
    candidate_features: Tensor  # (B, L, V, C)
    present: Tensor  # (B, L, V) bool: this pair exists in the problem, answerable or not
    allowed: Tensor  # (B, L, V) bool: it may be answered
    amounts: Tensor  # (B, L, V, S) the features that add up
    held: Tensor | None  # (B, L, V) float32: 1 for the answer that is held, where a search holds one
    relations: Links  # cell * (number of relations) + relation, to relation * L + cell
    sets: Links  # pair * C + channel, to set
    members: Links  # the same back: set to pair
    set_counts: tuple[int, ...]  # how the sets stand: every cell's pairs, then the groups of each type
    relation_count: int

    @property
    def cells(self) -> Tensor:
        """(B, L) bool: the cell exists."""
        return self.present[..., 0]

    def wires(self) -> Wires:
        _, cells, width = self.present.shape
        channels = len(self.set_counts) + self.relation_count
        return Wires(
            self.relations.flat(cells * self.relation_count) if self.relation_count else None,
            self.sets.flat(cells * width * channels),
            torch.split(self.sets.share, list(self.set_counts), 1),
            self.members.flat(sum(self.set_counts)),
        )

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "ProblemBatch":
        moved: ProblemBatch = map_tensors(self, lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return moved

    def rows(self, which: slice | Tensor) -> "ProblemBatch":
        """Some of the rows; views where `which` is a slice."""
        picked: ProblemBatch = map_tensors(self, lambda tensor: tensor[which])
        return picked


def map_tensors(value: Any, change: Any) -> Any:
    """The same structure, every tensor in it changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple):
        return tuple(map_tensors(item, change) for item in value)
    if isinstance(value, Links | ProblemBatch):
        return type(value)(*(map_tensors(getattr(value, field.name), change) for field in fields(value)))
    return value


def tensors_of(value: Any) -> list[Tensor]:
    """Every tensor of a batch, in a fixed order."""
    found: list[Tensor] = []
    map_tensors(value, found.append)
    return found


def collate(
    problems: Sequence[Problem], spec: ProblemSpec, shape: Shape | None = None, *, rows: int | None = None
) -> ProblemBatch:
    """Pad and link `problems`, all of one task, to `shape`, or to the smallest that holds them; `rows`: how many rows
    to make where that is more than there are problems.

    Raises KeyError for a relation or group that `spec` does not name.
    """
    known = {relation.name for relation in spec.relations} | set(spec.groups)
    for problem in problems:
        for name in (*problem.relations, *problem.groups):
            if name not in known:
                raise KeyError(f"the spec has no relation or group {name!r}")
    shape = shape or Shape.over([Shape.of(problem, spec) for problem in problems])
    rows, cells, width = rows or len(problems), shape.cells, shape.width
    tokens = np.zeros((rows, cells), np.int64)
    cell_features = np.zeros((rows, cells, len(spec.cell_features)), np.float32)
    candidate_features = np.zeros((rows, cells, width, len(spec.candidate_features)), np.float32)
    present = np.zeros((rows, cells, width), bool)
    allowed = np.zeros((rows, cells, width), bool)
    for row, problem in enumerate(problems):
        height, across = problem.size
        tokens[row, :height] = problem.tokens
        present[row, :height, :across] = True
        allowed[row, :height, :across] = problem.candidates
        if spec.cell_features:
            cell_features[row, :height] = problem.cell_features
        if spec.candidate_features:
            candidate_features[row, :height, :across] = problem.candidate_features
    along = [_edges(problem, spec, cells) for problem in problems]
    memberships = [_memberships(problem, spec, shape) for problem in problems]
    channels = len(shape.sets) + len(spec.relations)
    entries = shape.pairs + shape.members
    inward = [np.stack([pair * channels + channel, into], -1) for pair, into, channel in memberships]
    outward = [np.stack([into, pair], -1) for pair, into, _ in memberships]
    return ProblemBatch(
        tokens=torch.from_numpy(tokens),
        cell_features=torch.from_numpy(cell_features),
        candidate_features=torch.from_numpy(candidate_features),
        present=torch.from_numpy(present),
        allowed=torch.from_numpy(allowed),
        amounts=torch.from_numpy(candidate_features[..., [spec.candidate_features.index(name) for name in spec.sums]]),
        held=torch.zeros(present.shape) if spec.holds else None,
        relations=_links(along, rows, cells * len(spec.relations), shape.edges),
        sets=_links(inward, rows, sum(shape.sets), entries),
        members=_links(outward, rows, shape.pairs, entries),
        set_counts=shape.sets,
        relation_count=len(spec.relations),
    )


def draw_ties(batch: ProblemBatch, spec: ProblemSpec, generators: Sequence[np.random.Generator]) -> ProblemBatch:
    """The batch with each row's ties drawn, uniform in 0 to 1."""
    if not spec.ties:
        return batch
    of_cells, of_candidates = batch.cell_features.clone(), batch.candidate_features.clone()
    _, cells, width = batch.present.shape
    for row, rng in enumerate(generators):
        for name in spec.ties:
            if name in spec.cell_features:
                of_cells[row, :, spec.cell_features.index(name)] = torch.from_numpy(rng.random(cells, np.float32))
            if name in spec.candidate_features:
                drawn = torch.from_numpy(rng.random(width, np.float32))
                of_candidates[row, :, :, spec.candidate_features.index(name)] = drawn
    return replace(batch, cell_features=of_cells, candidate_features=of_candidates)


def seen(batch: ProblemBatch, view: Sequence[int]) -> ProblemBatch:
    """The batch with its relations exchanged: what a network hears as relation r is what the problems call view[r]."""
    if list(view) == sorted(view):
        return batch
    links, count = batch.relations, batch.relation_count
    (rows, readers), device = links.share.shape[:2], links.share.device
    cells, order = readers // count, torch.tensor(view, device=device)
    place = order.argsort()  # of each relation, among those that the network knows
    read = links.target < readers
    source = torch.where(read, links.source - links.source % count + place[links.source % count], 0)
    relation = links.target.div(cells, rounding_mode="floor").clamp(max=count - 1)
    target = torch.where(read, place[relation] * cells + links.target % cells, readers)
    sorting = target.argsort(dim=1, stable=True)
    entries = links.starts.diff(dim=1).view(rows, count, cells)[:, order].flatten(1)
    turned = Links(
        source.gather(1, sorting),
        target.gather(1, sorting),
        F.pad(entries.cumsum(1), (1, 0)),
        links.share.view(rows, count, cells, 1)[:, order].flatten(1, 2),
    )
    return replace(batch, relations=turned)


def _links(pairs: Sequence[Ints], rows: int, targets: int, entries: int) -> Links:
    """From [N, 2] (source, target) for each row."""
    source = np.zeros((rows, entries), np.int64)
    target = np.full((rows, entries), targets, np.int64)
    starts = np.zeros((rows, targets + 1), np.int64)
    share = np.ones((rows, targets, 1), np.float32)
    for row, listed in enumerate(pairs):
        ordered = listed[np.argsort(listed[:, 1], kind="stable")]
        source[row, : len(ordered)], target[row, : len(ordered)] = ordered.T
        counts = np.bincount(ordered[:, 1], minlength=targets)
        starts[row, 1:] = np.cumsum(counts)
        share[row, :, 0] /= np.maximum(counts, 1)
    return Links(*map(torch.from_numpy, (source, target, starts, share)))


def _edges(problem: Problem, spec: ProblemSpec, cells: int) -> Ints:
    """[N, 2] (source, target) over all relations."""
    count = len(spec.relations)
    found = [np.zeros((0, 2), np.int64)]
    for number, relation in enumerate(spec.relations):
        edges = problem.relations.get(relation.name)
        if edges is not None:
            found.append(np.stack([edges[:, 0] * count + number, edges[:, 1] + number * cells], -1))
    return np.concatenate(found)


def _memberships(problem: Problem, spec: ProblemSpec, shape: Shape) -> tuple[Ints, Ints, Ints]:
    """[N] each: a pair, a set that it belongs to, and the channel of that set."""
    height, across = problem.size
    cell, candidate = np.indices((height, across)).reshape(2, -1)
    pairs, sets, channels = [cell * shape.width + candidate], [cell], [np.zeros(len(cell), np.int64)]
    first = shape.cells
    for channel, (name, count) in enumerate(zip(spec.groups, shape.groups, strict=True), 1 + len(spec.relations)):
        groups = problem.groups.get(name, ())
        if groups:
            sizes = [len(group) for group in groups]
            members = np.concatenate(groups)
            pairs.append(members[:, 0] * shape.width + members[:, 1])
            sets.append(first + np.repeat(np.arange(len(groups)), sizes))
            channels.append(np.full(len(members), channel, np.int64))
        first += count
    return np.concatenate(pairs), np.concatenate(sets), np.concatenate(channels)
