"""What a network may learn of a maze on the way to its path: all distances, and all cells of any shortest path. And batches of
mazes for training on a device that labels them itself (`training.mazes`)."""

from dataclasses import dataclass

import numpy as np

from agent_reasoning.problem import Bools
from agent_reasoning.tasks.maze_context import Maze
from agent_reasoning.tasks.maze_solver import Board, Distances, on_shortest_paths
from agent_reasoning.tasks.maze_world import random_maze
from agent_reasoning.training.mazes import Curriculum, Mazes
from agent_reasoning.training.stream import TRAINING


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


def draw_mazes(batch_size: int, seed: int, curriculum: Curriculum, number: int) -> Mazes:
    """Batch `number`, from (seed, number) alone."""
    rng = np.random.default_rng([seed, number, TRAINING])
    return generated(rng, batch_size, curriculum.size(rng, number))


def generated(rng: np.random.Generator, count: int, size: int) -> Mazes:
    """So many of size×size."""
    mazes = [random_maze(rng, size)[0] for _ in range(count)]
    start, goal = (np.array([row * size + column for row, column in ends], np.int64)
                   for ends in zip(*((maze.start, maze.goal) for maze in mazes), strict=True))  # fmt: skip
    return Mazes(np.stack([maze.is_open() for maze in mazes]), start, goal)
