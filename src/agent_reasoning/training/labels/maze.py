"""What a network may learn of a maze on the way to its path: all distances, and all cells of any shortest path."""

from dataclasses import dataclass

from agent_reasoning.problem import Bools
from agent_reasoning.tasks.maze_context import Maze
from agent_reasoning.tasks.maze_solver import Board, Distances, on_shortest_paths


@dataclass(frozen=True, slots=True)
class MazeTargets:
    """All [H, W]."""

    from_start: Distances
    """Steps, int16; `maze_solver.NOWHERE` (-1) for walls and for cells that cannot be reached."""
    to_goal: Distances
    on_shortest: Bools
    """Whether the cell is on some shortest path; which of them an answer takes is open."""


def targets(maze: Maze) -> MazeTargets:
    """Exact; about as fast as a maze is read."""
    board = Board.of(maze.is_open())
    from_start, to_goal = board.distances(maze.start), board.distances(maze.goal)
    return MazeTargets(from_start, to_goal, on_shortest_paths(from_start, to_goal, maze.start))
