"""Is this a shortest path? By a breadth-first search of its own, over the text of the maze."""

from collections import Counter, deque
from itertools import pairwise
from typing import Any

from agent_reasoning.problem import Verdict
from agent_reasoning.tasks.maze_context import Cell, Maze

NO_PATH = "The solution is no path: it must be a list of [row, column] pairs of whole numbers, counted from 0."
NAMED = 4  # violations of a kind; whoever is wrong everywhere mends none


def distance(maze: Maze) -> int | None:
    """Steps of a shortest path from start to goal; None where there is no path."""
    reached = {maze.start: 0}
    waiting = deque([maze.start])
    while waiting:
        cell = waiting.popleft()
        if cell == maze.goal:
            return reached[cell]
        for following in _beside(cell):
            if following not in reached and _is_open(maze, following):
                reached[following] = reached[cell] + 1
                waiting.append(following)
    return None


def judge(maze: Maze, solution: dict[str, Any]) -> Verdict:
    """Valid if and only if `path` goes from start to goal over open cells, each beside the one before and none twice, there
    is no shorter one, and nothing else is marked (`stray`).

    Of a path, the objective is the number of its steps, the bound that of a shortest one; what is no path has neither.
    """
    path = solution.get("path")
    if not isinstance(path, list) or not path or not all(_is_cell(cell) for cell in path):
        return Verdict(False, (NO_PATH,))
    cells = [(row, column) for row, column in path]
    violations = _breaks(maze, cells)
    if stray := solution.get("stray"):
        count = len(stray) if isinstance(stray, list) else 1
        violations.append(f"Cells beside the path are marked as well: {count} of them.")
    if violations:
        return Verdict(False, tuple(violations))
    steps, least = len(cells) - 1, distance(maze)
    assert least is not None, "this path is one"
    if steps > least:
        longer = f"There is a shorter path: this one takes {steps} steps, a shortest one {least}."
        return Verdict(False, (longer,), steps, least)
    return Verdict(True, (), steps, least)


def _breaks(maze: Maze, path: list[Cell]) -> list[str]:
    """What keeps these cells from being a path from start to goal, in words."""
    found = []
    if path[0] != maze.start:
        found.append(f"The path starts at {list(path[0])}, not at the start {list(maze.start)}.")
    if path[-1] != maze.goal:
        found.append(f"The path ends at {list(path[-1])}, not at the goal {list(maze.goal)}.")
    shut = [f"{list(cell)} is {_obstacle(maze, cell)}." for cell in path if not _is_open(maze, cell)]
    jumps = [f"{list(one)} and {list(other)} are not side by side." for one, other in pairwise(path)
             if other not in _beside(one)]  # fmt: skip
    twice = [f"{list(cell)} is on the path {count} times." for cell, count in Counter(path).items() if count > 1]
    return [*found, *shut[:NAMED], *jumps[:NAMED], *twice[:NAMED]]


def _beside(cell: Cell) -> tuple[Cell, ...]:
    row, column = cell
    return (row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)


def _is_inside(maze: Maze, cell: Cell) -> bool:
    return 0 <= cell[0] < len(maze.rows) and 0 <= cell[1] < len(maze.rows[0])


def _is_open(maze: Maze, cell: Cell) -> bool:
    return _is_inside(maze, cell) and maze.rows[cell[0]][cell[1]] in " SG"


def _obstacle(maze: Maze, cell: Cell) -> str:
    return "a wall" if _is_inside(maze, cell) else "outside the maze"


def _is_cell(cell: Any) -> bool:
    return isinstance(cell, list) and len(cell) == 2 and all(type(number) is int for number in cell)
