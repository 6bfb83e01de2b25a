"""Sudoku puzzles from a file, labelled by the exact solver."""

import gzip
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from agent_reasoning.errors import ConfigurationError, InvalidContext
from agent_reasoning.problem import Ints
from agent_reasoning.tasks import Labelled
from agent_reasoning.tasks.sudoku import Puzzle, Sudoku
from agent_reasoning.tasks.sudoku_solver import solutions
from agent_reasoning.training.puzzles import Source
from agent_reasoning.training.stream import TRAINING

HELD_OUT = 500  # the first puzzles of a file, which training never sees: confidence is calibrated on them
EASED, MOST_REVEALED = 0.25, 30  # share of training puzzles that get more givens, and how many more at the most


class PuzzleFile:
    """One puzzle a line, 81 characters row by row, `.` or 0 for blank; the file may be gzipped.

    Raises ConfigurationError for a file that cannot be read or holds no puzzles.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = path.read_bytes()
            text = gzip.decompress(data) if path.suffix == ".gz" else data
            self._lines = text.decode("ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read as puzzles: {error}") from None
        if not self._lines:
            raise ConfigurationError(f"{path} holds no puzzles.")

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def first(self) -> int:
        """The first puzzle that training may see."""
        return HELD_OUT if len(self) > 2 * HELD_OUT else 0

    def labelled(self, number: int) -> Labelled[Puzzle]:
        """Puzzle `number` with its first solution. Raises ConfigurationError if it has none, or is no puzzle."""
        try:
            puzzle = Sudoku().read({"puzzle": self._lines[number]})
        except InvalidContext as error:
            raise ConfigurationError(f"{self.path}, puzzle {number + 1}: {error}") from None
        found = solutions(puzzle.givens, 1)
        if not found:
            raise ConfigurationError(f"{self.path}, puzzle {number + 1} has no solution.")
        return Labelled(puzzle, np.array(found[0], np.int64) - 1)

    def draw(self, rng: np.random.Generator) -> Labelled[Puzzle]:
        """A random puzzle, at times made easier: files of hard puzzles alone would teach nothing of the others."""
        item = self.labelled(int(rng.integers(self.first, len(self))))
        if rng.random() >= EASED:
            return item
        givens = np.array(item.instance.givens)
        blank = rng.permutation(np.flatnonzero(givens == 0))[: rng.integers(1, MOST_REVEALED)]
        givens[blank] = item.choice[blank] + 1
        return Labelled(Puzzle(tuple(givens.tolist())), item.choice)


@dataclass(frozen=True, slots=True)
class FromFile(Source):
    """The puzzles of a file that training may see. Sent to another process it reads the file there, once."""

    path: Path

    def __len__(self) -> int:
        file = _read(self.path)
        return len(file) - file.first

    def pair(self, number: int) -> tuple[Ints, Ints]:
        file = _read(self.path)
        return _pair(file.labelled(file.first + number))


@dataclass(frozen=True, slots=True)
class Generated(Source):
    """Where there is no file: the task's own, of all the sizes that it trains on."""

    seed: int
    count: int = 2**15

    def __len__(self) -> int:
        return self.count

    def pair(self, number: int) -> tuple[Ints, Ints]:
        rng, task = np.random.default_rng([self.seed, number, TRAINING]), Sudoku()
        return _pair(task.generate(rng, int(rng.integers(*task.info.training_sizes, endpoint=True))))


@lru_cache
def _read(path: Path) -> PuzzleFile:
    return PuzzleFile(path)


def _pair(item: Labelled[Puzzle]) -> tuple[Ints, Ints]:
    return np.array(item.instance.givens, np.int64), item.choice + 1
