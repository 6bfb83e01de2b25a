"""Grids without tables: the messages of Sudoku and of mazes by reshapes and shifts, several times as fast as by lists of
entries where all problems of a batch have one shape. The numbers of `MessageBlock`, or of `networks.packed`, for training,
which needs them fast; serving takes problems of any shape.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from agent_reasoning.networks.batch import KnownPairs, Links, Pairs, ProblemBatch
from agent_reasoning.networks.structured import Layout, MessageBlock

SIDE, BOX = 9, 3
UNITS = (SIDE * SIDE,) * 4  # cells, and for each digit rows, columns and boxes


def known(tokens: Tensor, allowed: Tensor) -> KnownPairs:
    """Tokens (B, L) and candidates (B, L, V) of problems without features or padding."""
    none = allowed.new_zeros((*allowed.shape, 0), dtype=torch.float32)
    return KnownPairs(
        present=torch.ones_like(allowed),
        allowed=allowed,
        amounts=none,
        held=None,
        tokens=tokens,
        cell_features=none[:, :, 0],
        candidate_features=none,
    )


def unit_links(rows: int) -> Links:
    """The sets of `rows` Sudokus, as `networks.packed` reads them: 81 cells, then nine digits of each row, column and box."""
    pair = torch.arange(SIDE**3)
    cell, digit = pair.div(SIDE, rounding_mode="floor"), pair % SIDE
    row, column = cell.div(SIDE, rounding_mode="floor"), cell % SIDE
    box = row.div(BOX, rounding_mode="floor") * BOX + column.div(BOX, rounding_mode="floor")
    sets = torch.stack([cell, *(unit * SIDE + digit for unit in (row, column, box))], 1)
    sets = sets + torch.arange(len(UNITS)) * SIDE * SIDE
    target, source = sets.flatten().sort(stable=True)
    count = sum(UNITS)
    starts = torch.arange(0, SIDE * count + 1, SIDE)
    share = torch.full((rows, count, 1), 1 / SIDE)
    return Links(source.expand(rows, -1), target.expand(rows, -1), starts.expand(rows, -1), share)


@dataclass(frozen=True, slots=True)
class Units(Layout):
    """Sudoku: 81 cells row by row, 9 candidates; groups of one candidate in each row, column and box, in this order.

    The numbers of `networks.packed` over all pairs, so that no shape depends on a value: candidates that are gone are silent,
    and so is a set with fewer than two left.
    """

    leaves_out = True
    allowed: Tensor  # (B, L, V) bool
    live: tuple[Tensor, Tensor, Tensor, Tensor]
    """Of cells, rows, columns and boxes, whether two are left; with size 1 where pooled."""

    @classmethod
    def of(cls, allowed: Tensor) -> "Units":
        B, _, V = allowed.shape
        grid = allowed.view(B, SIDE, SIDE, V).long()
        cell, row, column = (grid.sum(dim, keepdim=True) > 1 for dim in (3, 2, 1))
        return cls(allowed, (cell, row, column, _by_boxes(grid).sum((2, 4), keepdim=True) > 1))

    def heard(self, block: MessageBlock, h: Tensor, spoken: Tensor) -> Tensor:
        B, L, V, _ = h.shape
        spoken = spoken * self.allowed.unsqueeze(-1)
        cell, row, column, box = spoken.view(B, SIDE, SIDE, V, 4, block.message).unbind(-2)
        to_cell, to_row, to_column, to_box = block.hear
        told = block.own(h).view(B, SIDE, SIDE, V, -1)
        told = told + (to_row(self._pooled(row, (2,), 1)) + to_cell(self._pooled(cell, (3,), 0)))
        told = told + to_column(self._pooled(column, (1,), 2))
        told = _by_boxes(told) + to_box(self._pooled(_by_boxes(box), (2, 4), 3))
        heard: Tensor = told.view(B, L, V, -1)
        return heard

    def judged(self, batch: Pairs | ProblemBatch) -> Tensor:
        """Those with an open pair."""
        B, L, V = self.allowed.shape
        cell, row, column, box = self.live
        joined = _by_boxes((cell | row | column).expand(B, SIDE, SIDE, V)) | box
        return (joined.reshape(B, L, V) & self.allowed).any(-1)

    def _pooled(self, said: Tensor, over: tuple[int, ...], kind: int) -> Tensor:
        return pooled(said, over) * self.live[kind].unsqueeze(-1).to(said.dtype)


def _by_boxes(grid: Tensor) -> Tensor:
    """(B, 9, 9, ...) -> (B, box row, row in it, box column, column in it, ...)"""
    B, _, _, *rest = grid.shape
    return grid.reshape(B, BOX, BOX, BOX, BOX, *rest)


@dataclass(frozen=True, slots=True)
class Neighbours(Layout):
    """Mazes: H*W cells row by row; a relation for each side, from the square there, where both are open."""

    is_open: Tensor  # (B, H, W) bool
    sides: tuple[tuple[int, int], ...]  # for each relation where its source is: rows down, columns right

    def heard(self, block: MessageBlock, h: Tensor, spoken: Tensor) -> Tensor:
        (B, L, V, _), (_, H, W), M = h.shape, self.is_open.shape, block.message
        cell, *by_side = torch.split(spoken, M, -1)
        to_cell, *to_sides = block.hear
        speaks = self.is_open.view(B, H, W, 1, 1).to(spoken.dtype)
        parts, weights = [h], [block.own.weight]
        for (down, right), said, project in zip(self.sides, by_side, to_sides, strict=True):
            around = F.pad(said.reshape(B, H, W, V, M) * speaks, (0, 0, 0, 0, 1, 1, 1, 1))
            parts.append((around[:, 1 + down : 1 + down + H, 1 + right : 1 + right + W] * speaks).reshape(B, L, V, M))
            weight = project.get_parameter("weight")
            weights.append(weight[:, :M] + weight[:, M:])  # of one neighbour, the mean and the maximum are the same
        heard = F.linear(torch.cat(parts, -1), torch.cat(weights, 1), block.own.bias)
        told: Tensor = heard + to_cell(pooled(cell, (2,)))
        return told


@dataclass(frozen=True, slots=True)
class Columns(Layout):
    """Placement: L workloads, V nodes; a group for each node, of the workloads that may go there, and one for each node and set
    of workloads that are kept apart. Channels: the cell, node, apart."""

    allowed: Tensor  # (B, L, V) bool
    apart: Tensor  # (B, L, G) bool: the sets that a workload is in

    def heard(self, block: MessageBlock, h: Tensor, spoken: Tensor) -> Tensor:
        cell, node, apart = torch.split(spoken, block.message, -1)
        to_cell, to_node, to_apart = block.hear
        on_node = self.allowed.unsqueeze(-1).to(spoken.dtype)
        told = block.own(h) + to_cell(pooled(cell, (2,))) + to_node(over_members(node, on_node)) * on_node
        for number in range(self.apart.shape[2]):
            here = on_node * self.apart[:, :, number, None, None]
            here = here * (here.sum(1, keepdim=True) > 1)  # a set of one says nothing
            told = told + to_apart(over_members(apart, here)) * here
        heard: Tensor = told
        return heard


def over_members(said: Tensor, members: Tensor) -> Tensor:
    """(B, L, V, M) non-negative, (B, L, V, 1) -> (B, 1, V, 2M): mean, then maximum, over the members of each column."""
    said = said * members
    mean = said.sum(1, keepdim=True) / members.sum(1, keepdim=True).clamp(min=1)
    return torch.cat([mean, said.amax(1, keepdim=True)], -1)


def pooled(said: Tensor, over: tuple[int, ...]) -> Tensor:
    """(..., M) -> (..., 2M), with size 1 where pooled: mean, then maximum."""
    return torch.cat([said.mean(over, keepdim=True), said.amax(over, keepdim=True)], -1)
