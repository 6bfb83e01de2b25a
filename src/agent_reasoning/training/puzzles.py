"""Labelled Sudokus where training draws from them: on the device, as many as there are labels for by now.

Labels come in chunks from other processes while training goes on. How many are let in follows from the step alone, so that a run
draws the same puzzles however fast its machine is. A file of packed puzzles does where there is no solver.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.training.branching import Dice

CHUNK = 128  # puzzles of each source; a fraction of a second on one core
STEPS_A_CHUNK = 16
EASED, MOST_REVEALED = 0.25, 24  # share of the puzzles that get more givens, and how many at the most
BLANK = 0

Grids = NDArray[np.uint8]  # (N, 81) digits, 0 for blank
Labelled = tuple[Grids, Grids]  # givens and solutions


class Source(Protocol):
    """Where puzzles come from; can be sent to a process."""

    def __len__(self) -> int: ...
    def pair(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The givens and the solution of a puzzle, [81] each."""
        ...


def label_chunk(sources: Sequence[Source], seed: int, number: int) -> list[Labelled]:
    """Chunk `number` of each source, in an order that follows from the seed; empty where a source is used up."""
    found = []
    for place, source in enumerate(sources):
        order = np.random.default_rng([seed, place]).permutation(len(source))
        pairs = [source.pair(int(each)) for each in order[number * CHUNK : (number + 1) * CHUNK]]
        givens, solutions = (np.array(grids, np.uint8).reshape(-1, 81) for grids in zip(*pairs, strict=True)) if pairs else (
            np.zeros((0, 81), np.uint8), np.zeros((0, 81), np.uint8))  # fmt: skip
        found.append((givens, solutions))
    return found


@dataclass(frozen=True, slots=True)
class PuzzlePool:
    """Room for all puzzles of all sources; each source stands in one piece, and is drawn from as often as every other."""

    givens: Tensor  # (N, 81) uint8
    solutions: Tensor  # (N, 81) uint8
    starts: Tensor  # (S,) int64: where each source begins
    ready: Tensor  # (S,) int64: how many of it are labelled
    chunks: Tensor  # () int64, on the CPU: chunks let in so far; the first before the first step

    @classmethod
    def empty(cls, sizes: Sequence[int], device: torch.device) -> "PuzzlePool":
        room = torch.zeros((sum(sizes), 81), dtype=torch.uint8, device=device)
        starts = torch.tensor([0, *np.cumsum(sizes)[:-1]], dtype=torch.int64, device=device)
        return cls(room, room.clone(), starts, torch.zeros_like(starts), torch.zeros((), dtype=torch.int64))

    def state_dict(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, saved: dict[str, Tensor] | None, sizes: Sequence[int], device: torch.device | str) -> "PuzzlePool":
        """What `state_dict` gave, or a pool to be filled. Raises ConfigurationError where sources had other sizes."""
        made = cls.empty(sizes, torch.device(device))
        for name, tensor in (saved or {}).items():
            into = getattr(made, name)
            if into.shape != tensor.shape or (name == "starts" and not torch.equal(into.cpu(), tensor.cpu())):
                raise ConfigurationError("This run was started with other puzzles; it cannot go on with these.")
            into.copy_(tensor)
        return made

    def let_in(self, step: int, draw: Callable[[int], list[Labelled]]) -> None:
        """A chunk more, where one is due at this step; waits where it is not labelled yet."""
        number = int(self.chunks)
        if number == 0 or (step % STEPS_A_CHUNK == 0 and int(self.ready.sum()) < len(self.givens)):
            self.add(draw(number))
            self.chunks.add_(1)

    def add(self, labelled: Sequence[Labelled]) -> None:
        for source, (givens, solutions) in enumerate(labelled):
            first = int(self.starts[source] + self.ready[source])
            self.givens[first : first + len(givens)] = torch.from_numpy(givens)
            self.solutions[first : first + len(givens)] = torch.from_numpy(solutions)
            self.ready[source] += len(givens)

    def draw(self, rows: int, dice: Dice) -> tuple[Tensor, Tensor]:
        """(rows, 81) givens and solutions, int64. Some get more givens: hard puzzles alone would teach nothing of easy ones."""
        source = (dice.uniform(rows) * len(self.starts)).long().clamp(max=len(self.starts) - 1)
        number = (dice.uniform(rows) * self.ready[source]).long().clamp(max=self.ready[source] - 1)
        place = self.starts[source] + number
        givens, solutions = self.givens[place].long(), self.solutions[place].long()
        more = (dice.uniform(rows) * MOST_REVEALED).long() + 1
        more = more.where(dice.chance(EASED, rows), 0)
        # The blanks in a random order; the first so many are told.
        order = dice.uniform(rows, 81).masked_fill(givens != BLANK, 2.0)
        told = (order.argsort(-1).argsort(-1) < more[:, None]) & (givens == BLANK)
        return torch.where(told, solutions, givens), solutions


@dataclass(frozen=True, slots=True)
class Packed:
    """Puzzles that are labelled already."""

    sources: tuple[Labelled, ...]

    def pool(self, device: torch.device) -> PuzzlePool:
        """All of them, let in at once."""
        made = PuzzlePool.empty([len(givens) for givens, _ in self.sources], device)
        made.add(self.sources)
        return made

    def save(self, path: Path) -> None:
        arrays = {f"{name}{place}": array for place, pair in enumerate(self.sources)
                  for name, array in zip(("givens", "solutions"), pair, strict=True)}  # fmt: skip
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Packed":
        with np.load(path, allow_pickle=False) as arrays:
            count = len(arrays.files) // 2
            return cls(tuple((arrays[f"givens{place}"], arrays[f"solutions{place}"]) for place in range(count)))
