"""Mazes on the device, and what can be learnt of them on the way: distances and shortest paths by waves over whole batches.
B mazes of H×W squares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SIDES = ((-1, 0), (0, -1), (0, 1), (1, 0))
"""Where a square's neighbours are, in reading order: as in `tasks.maze.SIDES`."""
NO_SIDE = len(SIDES)
WALL, OPEN, START, GOAL = range(4)  # tokens, as in `tasks.maze.KINDS`
LOOKS = 32  # waves between two looks at whether any is left: each makes a GPU wait


@dataclass(frozen=True, slots=True)
class Mazes:
    """Of one size. Each goal can be reached from its start."""

    is_open: NDArray[np.bool_]  # (B, H, W)
    start: NDArray[np.int64]  # (B,) row * W + column
    goal: NDArray[np.int64]  # (B,)

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Targets:
    """A batch with its labels."""

    is_open: Tensor  # (B, H, W) bool
    tokens: Tensor  # (B, H*W) int64
    to_goal: Tensor  # (B, H, W) int64 steps, -1 for walls and what cannot be reached
    first: Tensor  # (B, H, W) int64: of the sides that lead nearer to the goal the first; NO_SIDE where none does
    on_path: Tensor  # (B, H, W) bool: the shortest path that takes, at each step, the first side
    length: Tensor  # (B,) int64, its steps


def targets(mazes: Mazes, device: torch.device) -> Targets:
    """Exact labels, those of `tasks.maze.generate`."""
    is_open = torch.from_numpy(mazes.is_open).to(device)
    start, goal = torch.from_numpy(mazes.start).to(device), torch.from_numpy(mazes.goal).to(device)
    rows, height, width = is_open.shape
    tokens = is_open.flatten(1).long()
    tokens.scatter_(1, start[:, None], START)
    tokens.scatter_(1, goal[:, None], GOAL)
    to_goal = distances(is_open, goal)
    around = F.pad(to_goal, (1, 1, 1, 1), value=-9)
    first = torch.full_like(to_goal, NO_SIDE)
    for side, (down, right) in reversed(list(enumerate(SIDES))):
        there = around[:, 1 + down : 1 + down + height, 1 + right : 1 + right + width]
        first = torch.where((there == to_goal - 1) & (to_goal > 0), side, first)
    length = to_goal.flatten(1).gather(1, start[:, None]).squeeze(1)
    moves = torch.tensor([down * width + right for down, right in SIDES] + [0], device=device)  # at the goal it stays
    steps = moves[first.flatten(1)]
    on_path = torch.zeros((rows, height * width), dtype=torch.bool, device=device)
    here = start[:, None]
    for _ in range(int(length.max()) + 1):
        on_path.scatter_(1, here, True)
        here = here + steps.gather(1, here)
    return Targets(is_open, tokens, to_goal, first, on_path.view_as(is_open), length)


def distances(is_open: Tensor, source: Tensor) -> Tensor:
    """(B, H, W) int64 steps from the square `source` (B,); -1 for walls and what cannot be reached."""
    rows, height, width = is_open.shape
    wave = torch.zeros((rows, height * width), dtype=torch.bool, device=is_open.device)
    wave = wave.scatter_(1, source[:, None], True).view_as(is_open)
    found = torch.full(is_open.shape, -1, dtype=torch.int64, device=is_open.device)
    for steps in range(height * width):
        if steps % LOOKS == 0 and not wave.any():
            break
        found = torch.where(wave, steps, found)
        around = F.pad(wave, (1, 1, 1, 1))
        beside = around[:, :-2, 1:-1] | around[:, 2:, 1:-1] | around[:, 1:-1, :-2] | around[:, 1:-1, 2:]
        wave = beside & is_open & (found < 0)
    return found


@dataclass(frozen=True, slots=True)
class Curriculum:
    """How large the mazes of batch i are: up to two more than the smallest at first, then larger ones too."""

    smallest: int
    largest: int
    batches_a_size: int = 32

    def size(self, rng: np.random.Generator, number: int) -> int:
        largest = min(self.largest, self.smallest + 2 + number // self.batches_a_size)
        return int(rng.integers(self.smallest, largest, endpoint=True))


Draw = Callable[[int], Mazes]


@dataclass(frozen=True, slots=True)
class Packed:
    """Mazes that were generated before; batches are drawn from those of one size, turned and mirrored at random."""

    by_size: dict[int, Mazes]

    def draw(self, batch_size: int, seed: int, curriculum: Curriculum, number: int) -> Mazes:
        """Batch `number`, from (seed, number) alone."""
        rng = np.random.default_rng([seed, number])
        wanted = curriculum.size(rng, number)
        size = max((each for each in self.by_size if each <= wanted), default=min(self.by_size))
        mazes = self.by_size[size]
        return mirrored(rng, picked(mazes, rng.integers(0, len(mazes), batch_size)))

    def save(self, path: Path) -> None:
        arrays = {}
        for size, mazes in self.by_size.items():
            arrays[f"open{size}"] = np.packbits(mazes.is_open.reshape(len(mazes), -1), axis=1)
            arrays[f"ends{size}"] = np.stack([mazes.start, mazes.goal]).astype(np.int16)
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Packed":
        found = {}
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                if name.startswith("open"):
                    size = int(name.removeprefix("open"))
                    flat = np.unpackbits(arrays[name], axis=1, count=size * size).astype(bool)
                    start, goal = arrays[f"ends{size}"].astype(np.int64)
                    found[size] = Mazes(flat.reshape(-1, size, size), start, goal)
        return cls(found)


def picked(mazes: Mazes, which: NDArray[np.int64]) -> Mazes:
    return Mazes(mazes.is_open[which], mazes.start[which], mazes.goal[which])


def mirrored(rng: np.random.Generator, mazes: Mazes) -> Mazes:
    """All in one of the eight ways to lay a square down."""
    size = mazes.is_open.shape[1]
    where = np.arange(size * size).reshape(size, size)
    where = np.rot90(where, int(rng.integers(4)))
    if rng.random() < 0.5:
        where = where.T
    place = where.ravel().argsort()  # where each square comes to stand
    is_open = mazes.is_open.reshape(len(mazes), -1)[:, where.ravel()].reshape(-1, size, size)
    return Mazes(is_open, place[mazes.start], place[mazes.goal])


def joined(parts: Sequence[Mazes]) -> Mazes:
    return Mazes(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("is_open", "start", "goal")))
