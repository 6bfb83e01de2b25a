"""sudoku: fill a 9×9 grid so that every row, column and box holds each digit once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from agent_reasoning.errors import InvalidContext
from agent_reasoning.problem import Ints, Problem, ProblemSpec, PublishedForm, Verdict
from agent_reasoning.tasks.base import Choice, Labelled, Recipe, Solution, Task, TaskInfo
from agent_reasoning.tasks.sudoku_solver import BOXES, COLUMNS, ROWS, solutions
from agent_reasoning.validation import validate

UNIT_KINDS = (("row", ROWS), ("column", COLUMNS), ("box", BOXES))
UNITS = [
    (f"{kind.capitalize()} {n}", itemgetter(*unit)) for kind, units in UNIT_KINDS for n, unit in enumerate(units, 1)
]
DIGITS = frozenset(range(1, 10))
SPEC = ProblemSpec(vocabulary=("blank", "given"), groups=tuple(kind for kind, _ in UNIT_KINDS))

WRITTEN = re.compile(r"[0-9._\s|+=-]+")
FEWEST_WRITTEN = 60  # squares of what is taken for a Sudoku that somebody has miscounted

Row = Annotated[list[Annotated[int, Field(ge=0, le=9)]], Field(min_length=9, max_length=9)]


@dataclass(frozen=True, slots=True)
class Puzzle:
    """81 digits row by row, 0 for blank; no two givens contradict each other."""

    givens: tuple[int, ...]


class SudokuContext(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    puzzle: (
        Annotated[str, Field(pattern=r"^[0-9.]{81}$", description="81 characters row by row, . or 0 for blank")]
        | Annotated[list[Row], Field(min_length=9, max_length=9, description="9 rows of 9 digits, 0 for blank")]
    )


class Sudoku(Task[Puzzle]):
    """Cells are squares, candidates are digits; a group for each digit in each row, column and box."""

    info = TaskInfo(
        name="sudoku",
        task_type="logic",
        summary="Solves a 9×9 Sudoku.",
        example_question="Solve this Sudoku.",
        example_context={"puzzle": "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"},
        spec=SPEC,
        sizes=(24, 30, 36),
        size_unit="givens",
        training_sizes=(24, 40),
        # Each candidate of a cell hears its row, column, box and cell five times before the search acts on what it says.
        recipe=Recipe(
            method="deduction",
            H_cycles=1,
            L_cycles=5,
            batch_size=24,
            max_steps=64,
            samples=64,
            noise=0.0,
            halting={"head_start": 8},
            deduction={"remove_below": 0.04, "dead_below": 0.1, "patience": 1, "noise": 0.1, "caution": 0.7},
        ),
        # Shallow steps, many of them: a hard puzzle needs dozens, and each is a chance to stop.
        other_recipes=(
            Recipe(
                H_cycles=1,
                L_cycles=2,
                supervision_steps=32,
                batch_size=32,
                max_steps=64,
                noise=0.2,
                halting={"head_start": 12},
            ),
        ),
        published_vocabulary=11,  # padding, blank, nine digits
    )
    Context = SudokuContext

    def matches(self, context: Mapping[str, Any]) -> bool:
        return "puzzle" in context

    def from_text(self, text: str) -> dict[str, Any] | None:
        """Row by row, on one line or many, with lines between the boxes or without; ., 0 or _ for blanks."""
        squares = re.sub(r"[\s|+=-]", "", text).replace("_", ".")
        if not WRITTEN.fullmatch(text) or len(squares) < FEWEST_WRITTEN:
            return None
        if len(squares) != 81:
            raise InvalidContext(f"This looks like a Sudoku, but of {len(squares)} squares; there are 81.")
        return {"puzzle": squares}

    def read(self, context: Mapping[str, Any], question: str = "") -> Puzzle:
        puzzle = validate(SudokuContext, context, InvalidContext, "context").puzzle
        if isinstance(puzzle, str):
            givens = tuple(0 if character == "." else int(character) for character in puzzle)
        else:
            givens = tuple(digit for row in puzzle for digit in row)
        clashes = list(_clashes(givens))
        if clashes:
            raise InvalidContext(f"The givens contradict each other: {' '.join(clashes[:4])}", clashes=clashes[:12])
        return Puzzle(givens)

    def encode(self, instance: Puzzle) -> Problem:
        givens = np.array(instance.givens, np.int64)
        candidates = np.ones((81, 9), bool)
        given = np.flatnonzero(givens)
        candidates[given] = False
        candidates[given, givens[given] - 1] = True
        return Problem(
            candidates=candidates,
            tokens=(givens > 0).astype(np.int64),
            groups=_groups(),
            published=PublishedForm(tokens=givens + 1, answers=np.arange(2, 11)),
        )

    def decode(self, instance: Puzzle, choice: Choice) -> Solution:
        return {"grid": (choice.reshape(9, 9) + 1).tolist()}

    def choice_of(self, instance: Puzzle, solution: Solution) -> Choice:
        grid = np.array(solution["grid"], np.int64)
        if grid.shape != (9, 9) or grid.min() < 1 or grid.max() > 9:
            raise ValueError("the grid does not hold 9 rows of 9 digits")
        return grid.reshape(81) - 1

    def verify(self, instance: Puzzle, solution: Solution) -> Verdict:
        """Valid if and only if the grid keeps the givens and no row, column or box holds a digit twice."""
        grid = solution.get("grid")
        if not isinstance(grid, list) or len(grid) != 9 or not all(_is_row(row) for row in grid):
            return Verdict(False, ("The solution is no grid of 9 rows of 9 digits from 1 to 9.",))
        digits = tuple(chain.from_iterable(grid))
        violations = [
            f"Row {number // 9 + 1}, column {number % 9 + 1} must be {given}, not {found}."
            for number, (given, found) in enumerate(zip(instance.givens, digits, strict=True))
            if given and given != found
        ]
        violations += _clashes(digits)
        return Verdict(not violations, tuple(violations))

    def describe(self, instance: Puzzle, solution: Solution) -> str:
        rows = [" ".join(map(str, row)) for row in solution["grid"]]
        return "\n".join([*rows, "(Whether another solution exists was not checked.)"])

    def brief(self, instance: Puzzle, solution: Solution) -> str:
        return "".join(str(digit) for row in solution["grid"] for digit in row)

    def baseline(self, instance: Puzzle) -> None:
        return None

    def random_context(self, rng: np.random.Generator, size: int) -> dict[str, Any]:
        givens = self.generate(rng, size).instance.givens
        return {"puzzle": "".join(map(str, givens)).replace("0", ".")}

    def generate(self, rng: np.random.Generator, size: int) -> Labelled[Puzzle]:
        """A puzzle of `size` givens with one solution; a few more givens where digging that deep finds no such puzzle."""
        full = _random_grid(rng)
        givens = list(full)
        left = 81
        for cell in rng.permutation(81):
            if left <= size:
                break
            kept, givens[cell] = givens[cell], 0
            if len(solutions(givens, 2)) == 1:
                left -= 1
            else:
                givens[cell] = kept
        return Labelled(Puzzle(tuple(givens)), np.array(full, np.int64) - 1)


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 9 and set(map(type, row)) == {int} and DIGITS.issuperset(row)


def _clashes(digits: Sequence[int]) -> list[str]:
    """In words; 0 is blank. A search asks for each of its steps, hundreds a second."""
    found = []
    for name, digits_of in UNITS:
        here = digits_of(digits)
        if len(set(here)) < 9:
            twice = (digit for digit in range(1, 10) if here.count(digit) > 1)
            found += [f"{name} holds {digit} more than once." for digit in twice]
    return found


@cache
def _groups() -> dict[str, tuple[Ints, ...]]:
    return {
        kind: tuple(np.array([(cell, digit) for cell in unit], np.int64) for unit in units for digit in range(9))
        for kind, units in UNIT_KINDS
    }


def _random_grid(rng: np.random.Generator) -> list[int]:
    """A full grid: the solver's, from a random first row, column by column shuffled by the symmetries of Sudoku."""
    seed = [0] * 81
    seed[:9] = (rng.permutation(9) + 1).tolist()
    for cell in rng.permutation(np.arange(9, 81))[:8]:
        tried = seed.copy()
        tried[cell] = int(rng.integers(1, 10))
        if solutions(tried, 1):
            seed = tried
    grid = np.array(solutions(seed, 1)[0]).reshape(9, 9)
    rows = np.concatenate([3 * band + rng.permutation(3) for band in rng.permutation(3)])
    columns = np.concatenate([3 * stack + rng.permutation(3) for stack in rng.permutation(3)])
    grid = grid[rows][:, columns]
    turned = grid.T if rng.random() < 0.5 else grid
    return [int(digit) for digit in turned.reshape(81)]
