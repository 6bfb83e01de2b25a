"""Problems as tensors: cells padded to one shape, structure as flat lists of links between rows."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agent_reasoning.problem import Problem, ProblemSpec


@dataclass(frozen=True, slots=True)
class Links:
    """Who speaks to whom: N links into R targets, sorted by target."""

    source: Tensor  # (N,) int64
    target: Tensor  # (N,) int64, ascending
    lengths: Tensor  # (R,) int64: links that end in each target

    def to(self, device: torch.device | str) -> "Links":
        return Links(self.source.to(device), self.target.to(device), self.lengths.to(device))

    @classmethod
    def of(cls, pairs: np.ndarray, targets: int) -> "Links":
        """From [N, 2] (source, target)."""
        ordered = pairs[np.argsort(pairs[:, 1], kind="stable")]
        lengths = np.bincount(ordered[:, 1], minlength=targets)
        source, target = (torch.from_numpy(np.ascontiguousarray(column)) for column in ordered.T)
        return cls(source, target, torch.from_numpy(lengths))


@dataclass(frozen=True, slots=True)
class ProblemBatch:
    """B problems padded to L cells and V candidates."""

    tokens: Tensor  # (B, L) int64
    cell_features: Tensor  # (B, L, F)
    candidate_features: Tensor  # (B, L, V, C)
    present: Tensor  # (B, L, V) bool: this pair exists in the problem, answerable or not
    allowed: Tensor  # (B, L, V) bool: it may be answered
    relations: tuple[Links, ...]  # for each relation: cell row (B * L) to cell row
    groups: tuple[Links, ...]  # for each group type: pair row (B * L * V) to group row
    members: tuple[Links, ...]  # the same back: group row to pair row

    @property
    def cells(self) -> Tensor:
        """(B, L) bool: the cell exists."""
        return self.present.any(-1)

    def to(self, device: torch.device | str) -> "ProblemBatch":
        def move(value: Any) -> Any:
            return value.to(device) if isinstance(value, Tensor) else tuple(links.to(device) for links in value)

        return ProblemBatch(*(move(getattr(self, field.name)) for field in fields(self)))


def collate(problems: Sequence[Problem], spec: ProblemSpec) -> ProblemBatch:
    """Pad and link `problems`, all of one task. Raises KeyError for a relation or group that `spec` does not name."""
    known = {relation.name for relation in spec.relations} | set(spec.groups)
    for problem in problems:
        for name in (*problem.relations, *problem.groups):
            if name not in known:
                raise KeyError(f"the spec has no relation or group {name!r}")
    rows = len(problems)
    cells = max(problem.size[0] for problem in problems)
    width = max(problem.size[1] for problem in problems)
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
    relations = []
    for relation in spec.relations:
        edges = [problem.relations.get(relation.name, _NO_PAIRS) + row * cells for row, problem in enumerate(problems)]
        relations.append(Links.of(np.concatenate(edges), rows * cells))
    groups, members = [], []
    for name in spec.groups:
        pairs, count = _membership([problem.groups.get(name, ()) for problem in problems], cells, width)
        groups.append(Links.of(pairs, count))
        members.append(Links.of(pairs[:, ::-1], rows * cells * width))
    return ProblemBatch(
        tokens=torch.from_numpy(tokens),
        cell_features=torch.from_numpy(cell_features),
        candidate_features=torch.from_numpy(candidate_features),
        present=torch.from_numpy(present),
        allowed=torch.from_numpy(allowed),
        relations=tuple(relations),
        groups=tuple(groups),
        members=tuple(members),
    )


_NO_PAIRS = np.zeros((0, 2), np.int64)


def _membership(problems: Sequence[Sequence[np.ndarray]], cells: int, width: int) -> tuple[np.ndarray, int]:
    """[N, 2] (pair row, group row) of one group type over a batch, and how many groups there are."""
    links, count = [_NO_PAIRS], 0
    for row, groups in enumerate(problems):
        for group in groups:
            pairs = (row * cells + group[:, 0]) * width + group[:, 1]
            links.append(np.stack([pairs, np.full(len(pairs), count)], -1))
            count += 1
    return np.concatenate(links), count
