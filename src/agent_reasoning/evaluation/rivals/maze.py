"""A breadth-first search, which solves every maze."""

from collections.abc import Callable, Mapping

from agent_reasoning.tasks import Solution
from agent_reasoning.tasks.maze_context import Maze
from agent_reasoning.tasks.maze_solver import Board


def searched(maze: Maze) -> Solution:
    path = Board.of(maze.is_open()).shortest_path(maze.start, maze.goal)
    return {"path": [list(cell) for cell in path]}


RIVALS: Mapping[str, Callable[[Maze], Solution]] = {"breadth-first search": searched}
