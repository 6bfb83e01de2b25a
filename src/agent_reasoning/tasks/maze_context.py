"""What a maze is, and how one is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from agent_reasoning.errors import InvalidContext
from agent_reasoning.problem import Bools
from agent_reasoning.validation import validate

MAX_SIDE = 40  # models are trained up to 30; what a step costs, and how many it takes, grows with the cells
WALL, OPEN, START, GOAL, STEP = "# SGo"  # the published alphabet (HRM, Maze-Hard); the last is in answers only
READ_AS_OPEN = "."  # for whoever's tools strip spaces from the ends of lines

Cell = tuple[int, int]  # (row, column), from 0
Row = Annotated[str, Field(max_length=MAX_SIDE)]


@dataclass(frozen=True, slots=True)
class Maze:
    """Rows of one length over `# SG`, with one start and one goal."""

    rows: tuple[str, ...]
    start: Cell
    goal: Cell

    @classmethod
    def of(cls, is_open: Bools, start: Cell, goal: Cell) -> "Maze":
        """From [H, W]: True where one may go."""
        cells = np.where(is_open, OPEN, WALL)
        cells[start], cells[goal] = START, GOAL
        return cls(tuple("".join(row) for row in cells), start, goal)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)"""
        return len(self.rows), len(self.rows[0])

    def characters(self) -> np.ndarray[Any, Any]:
        """[H, W] of single characters."""
        return np.array([list(row) for row in self.rows])

    def is_open(self) -> Bools:
        """[H, W]: True where one may go; so at the start and at the goal."""
        found: Bools = self.characters() != WALL
        return found


class MazeContext(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    maze: (
        Annotated[
            list[Row],
            Field(
                min_length=1,
                max_length=MAX_SIDE,
                description="rows of one length: # wall, space or . open, one S (start), one G (goal); both are open",
            ),
        ]
        | Annotated[str, Field(max_length=MAX_SIDE * (MAX_SIDE + 2), description="the same rows as lines of one text")]
    )


def read_maze(context: Mapping[str, Any]) -> Maze:
    """Raises InvalidContext, naming what is wrong and where (rows and columns from 0, as in solutions)."""
    given = validate(MazeContext, context, InvalidContext, "context").maze
    rows = given.strip("\r\n").splitlines() if isinstance(given, str) else given
    height, width = len(rows), len(rows[0]) if rows else 0
    if not width or max(height, width) > MAX_SIDE:
        raise InvalidContext(f"A maze has 1 to {MAX_SIDE} rows and columns; this one has {height} and {width}.")
    for number, row in enumerate(rows):
        if len(row) != width:
            raise InvalidContext(f"Rows are of one length: row 0 has {width} characters, row {number} has {len(row)}.")
        for column, character in enumerate(row):
            if character not in (WALL, OPEN, READ_AS_OPEN, START, GOAL):
                raise InvalidContext(
                    f"[{number}, {column}] holds {character!r}; a maze is made of # (wall), space or . (open), S and G."
                )
    found = {mark: _places(rows, mark) for mark in (START, GOAL)}
    for mark, places in found.items():
        if len(places) != 1:
            raise InvalidContext(f"A maze has one {mark}; this one has {len(places)}.", places=places[:12])
    return Maze(tuple(row.replace(READ_AS_OPEN, OPEN) for row in rows), found[START][0], found[GOAL][0])


def _places(rows: list[str], mark: str) -> list[Cell]:
    return [(row, column) for row, text in enumerate(rows) for column, found in enumerate(text) if found == mark]
