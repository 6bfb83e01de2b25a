"""Exact distances and shortest paths: for labels, for generating mazes, and for tests. The service never asks it.

A set of cells is one whole number, a bit for each cell and one more at the end of each row, which is never open: a step of a
breadth-first search is then four shifts, whatever the size of the frontier. A 30×30 maze takes some 50 µs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.problem import Bools
from agent_reasoning.tasks.maze_context import Cell

NOWHERE = -1  # the distance of walls, and of cells that cannot be reached
Distances = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Board:
    """The open cells of an H×W grid."""

    height: int
    width: int
    bits: int

    @classmethod
    def of(cls, is_open: Bools) -> "Board":
        height, width = is_open.shape
        fenced = np.zeros((height, width + 1), bool)
        fenced[:, :width] = is_open
        return cls(height, width, int.from_bytes(np.packbits(fenced, bitorder="little").tobytes(), "little"))

    def bit(self, cell: Cell) -> int:
        return 1 << (cell[0] * (self.width + 1) + cell[1])

    def without(self, cell: Cell) -> "Board":
        return replace(self, bits=self.bits & ~self.bit(cell))

    def open_cells(self) -> Bools:
        """[H, W]; undoes `of`."""
        found: Bools = self.grids([self.bits])[0]
        return found

    def around(self, bits: int) -> int:
        """The open cells beside those of a set."""
        stride = self.width + 1
        return (bits << 1 | bits >> 1 | bits << stride | bits >> stride) & self.bits

    def waves(self, start: Cell) -> list[int]:
        """The cells at each distance from `start`: 0, 1, 2, …"""
        return list(self._spreading(start))

    def _spreading(self, start: Cell) -> Iterator[int]:
        frontier = self.bit(start)
        unseen = self.bits & ~frontier
        while frontier:
            yield frontier
            frontier = self.around(frontier) & unseen
            unseen ^= frontier

    def grids(self, sets: list[int]) -> Bools:
        """[N, H, W]"""
        size = self.height * (self.width + 1)
        packed = b"".join(bits.to_bytes(-(-size // 8), "little") for bits in sets)
        flat = np.unpackbits(
            np.frombuffer(packed, np.uint8).reshape(len(sets), -1), axis=1, count=size, bitorder="little"
        )
        found: Bools = flat.reshape(len(sets), self.height, self.width + 1)[:, :, : self.width].astype(bool)
        return found

    def distances(self, start: Cell) -> Distances:
        """[H, W] steps from `start`; NOWHERE for walls and for cells that cannot be reached."""
        grids = self.grids(self.waves(start))
        found: Distances = np.where(grids.any(0), grids.argmax(0), NOWHERE).astype(np.int16)
        return found

    def shortest_path(self, start: Cell, goal: Cell) -> list[Cell]:
        """Of the shortest paths the one that goes, at each step, to the cell that comes first in reading order; [] where there
        is no path."""
        here, stride = self.bit(start), self.width + 1
        waves = []
        for wave in self._spreading(goal):
            if wave & here:
                break
            waves.append(wave)
        else:
            return []
        path = [here]
        for wave in reversed(waves):
            here = next(there for there in (here >> stride, here >> 1, here << 1, here << stride) if there & wave)
            path.append(here)
        return [divmod(bit.bit_length() - 1, stride) for bit in path]


def on_shortest_paths(from_start: Distances, to_goal: Distances, start: Cell) -> Bools:
    """[H, W]: the cells that are on some shortest path."""
    reached: Any = (from_start != NOWHERE) & (to_goal != NOWHERE)
    found: Bools = reached & (from_start + to_goal == to_goal[start])
    return found
