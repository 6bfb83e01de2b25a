"""maze: a shortest path from S to G through a grid of walls."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agent_reasoning.errors import InvalidContext
from agent_reasoning.problem import Ints, Problem, ProblemSpec, PublishedForm, RelationSpec, Verdict
from agent_reasoning.tasks.base import Choice, Labelled, Recipe, Solution, Task, TaskInfo
from agent_reasoning.tasks.maze_context import (
    GOAL,
    OPEN,
    READ_AS_OPEN,
    START,
    STEP,
    WALL,
    Cell,
    Maze,
    MazeContext,
    read_maze,
)
from agent_reasoning.tasks.maze_solver import Board
from agent_reasoning.tasks.maze_verifier import distance, judge
from agent_reasoning.tasks.maze_world import random_maze

KINDS = WALL, OPEN, START, GOAL  # by token; the published encoding counts them from 1, after its padding
OFF, ON = 0, 1  # the candidates
SIDES = {"above": (-1, 0), "left": (0, -1), "right": (0, 1), "below": (1, 0)}
"""Where a cell's neighbour is: of several shortest paths only directions tell one from the others."""


def views() -> tuple[tuple[str, ...], ...]:
    """The eight ways to lay a maze down: where the sides point to when its rows and columns are exchanged or not, and then
    the whole is given some quarter turns."""
    names, found = {offset: name for name, offset in SIDES.items()}, []
    for turns in range(4):
        for is_mirrored in (False, True):
            offsets = [offset[::-1] if is_mirrored else offset for offset in SIDES.values()]
            for _ in range(turns):
                offsets = [(right, -down) for down, right in offsets]
            found.append(tuple(names[down, right] for down, right in offsets))
    return tuple(found)


SPEC = ProblemSpec(
    vocabulary=("wall", "open", "start", "goal"), relations=tuple(map(RelationSpec, SIDES)), views=views()
)


class MazeTask(Task[Maze]):
    """Cells are the squares of the grid, walls too; candidates are off and on the path; a relation for each direction joins
    squares that one may go between."""

    info = TaskInfo(
        name="maze",
        task_type="logic",
        summary="Finds a shortest path through a maze.",
        example_question="What is the shortest way from S to G?",
        example_context={
            "maze": [
                "S #       ",
                "# # ##### ",
                "    #   # ",
                " #### # # ",
                "      #   ",
                " ######## ",
                " #      # ",
                " # #### # ",
                " # #G   # ",
                "   ###### ",
            ]
        },
        spec=SPEC,
        sizes=(10, 20, 30),
        size_unit="rows",
        training_sizes=(8, 30),
        # What a cell knows travels one square at an application of the network: long paths take many.
        recipe=Recipe(
            method="waves",
            hidden=24,
            H_cycles=1,
            L_cycles=6,
            batch_size=24,
            learning_rate=3e-3,
            weight_decay=0.05,
            max_steps=64,
            # What one view misses another finds, and noise brought nothing. A maze of 30 rows takes about 40 steps.
            noise=0.0,
            halting={"head_start": 48},
        ),
        published_vocabulary=6,  # padding, wall, open, start, goal, path
    )
    Context = MazeContext

    def matches(self, context: Mapping[str, Any]) -> bool:
        return "maze" in context

    def from_text(self, text: str) -> dict[str, Any] | None:
        """The rows as lines; what an editor has cut off at their ends is open."""
        rows = text.strip("\r\n").splitlines()
        if not {START, GOAL} <= set(text) or not set("".join(rows)) <= {WALL, OPEN, READ_AS_OPEN, START, GOAL}:
            return None
        return {"maze": [row.ljust(max(map(len, rows))) for row in rows]}

    def read(self, context: Mapping[str, Any], question: str = "") -> Maze:
        """Also refuses a maze whose goal cannot be reached, as the verifier finds: no path would be an answer to it."""
        maze = read_maze(context)
        if distance(maze) is None:
            raise InvalidContext(f"There is no path from S at {list(maze.start)} to G at {list(maze.goal)}.")
        return maze

    def encode(self, instance: Maze) -> Problem:
        characters = instance.characters().reshape(-1)
        tokens = sum((characters == kind) * number for number, kind in enumerate(KINDS))
        candidates = np.stack([tokens != KINDS.index(START), tokens != KINDS.index(WALL)], -1)
        candidates[tokens == KINDS.index(GOAL), OFF] = False
        off, on = tokens + 1, np.where(tokens == KINDS.index(OPEN), 1 + len(KINDS), tokens + 1)
        return Problem(
            candidates=candidates,
            tokens=tokens,
            relations=_relations(instance),
            published=PublishedForm(tokens=tokens + 1, answers=np.stack([off, on], -1)),
        )

    def decode(self, instance: Maze, choice: Choice) -> Solution:
        """The marked cells, from the start on as long as exactly one marked neighbour is left to go to, or up to the goal:
        `path`. Marked cells that this does not reach are `stray`, and no stray answer is valid: nothing is searched for here
        and nothing mended. (The cells of a shortest path leave no choice on the way: two that are not next to each
        other on it are not neighbours, or there would be a shorter one.)"""
        marked = set(map(_as_cell, np.argwhere(choice.reshape(instance.shape) == ON)))
        path = [instance.start]
        marked.discard(instance.start)
        while path[-1] != instance.goal:
            row, column = path[-1]
            ahead = [(row + down, column + right) for down, right in SIDES.values()]
            ahead = [cell for cell in ahead if cell in marked]
            if len(ahead) != 1:
                break
            path += ahead
            marked.remove(ahead[0])
        found: Solution = {"path": [list(cell) for cell in path]}
        return found | ({"stray": [list(cell) for cell in sorted(marked)]} if marked else {})

    def choice_of(self, instance: Maze, solution: Solution) -> Choice:
        height, width = instance.shape
        cells = np.array([*solution["path"], *solution.get("stray", [])], np.int64)
        if cells.ndim != 2 or cells.shape[1] != 2 or cells.min() < 0 or (cells >= (height, width)).any():
            raise ValueError("the path does not hold cells of this maze")
        choice = np.full((height, width), OFF, np.int64)
        choice[tuple(cells.T)] = ON
        return choice.reshape(-1)

    def verify(self, instance: Maze, solution: Solution) -> Verdict:
        return judge(instance, solution)

    def describe(self, instance: Maze, solution: Solution) -> str:
        """The maze with the path drawn into it; its ends are [row, column] from 0."""
        path, stray = solution["path"], solution.get("stray", [])
        drawn = instance.characters()
        for row, column in [*path, *stray]:
            if drawn[row, column] == OPEN:
                drawn[row, column] = STEP
        words = f"{len(path) - 1} steps from {path[0]} to {path[-1]}"
        if path[-1] != list(instance.goal):
            words += f", where it does not go on to the goal {list(instance.goal)}"
        if stray:
            words += f"; {len(stray)} cells are marked besides"
        return "\n".join([f"{words}:", *("".join(row) for row in drawn)])

    def brief(self, instance: Maze, solution: Solution) -> str:
        path, stray = solution["path"], solution.get("stray", [])
        besides = f", {len(stray)} cells marked besides" if stray else ""
        return f"{len(path) - 1} steps to {path[-1]}{besides}"

    def baseline(self, instance: Maze) -> None:
        return None  # a breadth-first search solves the task outright

    def random_context(self, rng: np.random.Generator, size: int) -> dict[str, Any]:
        return {"maze": list(random_maze(rng, size)[0].rows)}

    def generate(self, rng: np.random.Generator, size: int) -> Labelled[Maze]:
        """A size×size maze with a long shortest path (`maze_world.least_steps`), and of its shortest paths the first in reading
        order, step by step."""
        maze, kind = random_maze(rng, size)
        path = Board.of(maze.is_open()).shortest_path(maze.start, maze.goal)
        return Labelled(maze, self.choice_of(maze, {"path": path}), kind=kind)


def _relations(maze: Maze) -> dict[str, Ints]:
    """For each direction the pairs (the neighbour there, the cell), both open."""
    height, width = maze.shape
    is_open = np.pad(maze.is_open(), 1)
    row, column = np.argwhere(is_open).T
    found = {}
    for name, (down, right) in SIDES.items():
        both = is_open[row + down, column + right]
        here, there = (row[both] - 1, column[both] - 1), (row[both] - 1 + down, column[both] - 1 + right)
        found[name] = np.stack(
            [np.ravel_multi_index(there, (height, width)), np.ravel_multi_index(here, (height, width))], -1
        )
    return found


def _as_cell(pair: Ints) -> Cell:
    return int(pair[0]), int(pair[1])
