"""Random mazes whose shortest path is long.

*random*: each cell is a wall with one probability, as in the mazes of Lehnert et al. (arXiv 2402.14083), from which
Maze-Hard (HRM, arXiv 2506.21734) keeps those with a path of at least 110 steps. *blocked*: the same with fewer walls, then one
wall after the other on the path that is the shortest so far. *corridor*: passages grown cell by cell, then opened here
and there, so that there are loops. Of each kind, those whose shortest path is too short are drawn again.
"""

import numpy as np

from agent_reasoning.problem import Bools, Ints
from agent_reasoning.tasks.maze_context import Cell, Maze
from agent_reasoning.tasks.maze_solver import Board

WALL_SHARES = 0.32, 0.43  # beyond, of the 30 to 50 % that are drawn from there, hardly one in a thousand is kept
FEWER_WALLS = 0.2, 0.36
STRETCH = 1.4  # how much longer than they must be paths are made by blocking
SIDE = 30  # the side of Maze-Hard, where the path takes
STEPS_THERE = 110
LOOPS = 0.08  # at the most so many of the walls between two passages are opened
SIDEWAYS = ((-1, 0), (0, -1), (0, 1), (1, 0))


def least_steps(size: int) -> int:
    """What a shortest path takes at the least in a generated size×size maze: as in Maze-Hard, and in proportion to the cells
    below its size, to the side above it."""
    scale = size / SIDE
    return max(1, int(STEPS_THERE * min(scale * scale, scale)))


def random_maze(rng: np.random.Generator, size: int) -> tuple[Maze, str]:
    """A size×size maze (2 at the least) and its kind."""
    kind = str(rng.choice(list(KINDS)))
    steps = least_steps(size)
    while (maze := KINDS[kind](rng, size, steps)) is None:
        pass
    return maze, kind


def scattered(rng: np.random.Generator, size: int, steps: int) -> Maze | None:
    return far_apart(rng, rng.random((size, size)) >= rng.uniform(*WALL_SHARES), steps)


def blocked(rng: np.random.Generator, size: int, steps: int) -> Maze | None:
    """From a random start to a random goal; a wall that would leave no path is not built."""
    is_open = rng.random((size, size)) >= rng.uniform(*FEWER_WALLS)
    cells = np.argwhere(is_open)
    if len(cells) < 2:
        return None
    start, goal = map(_as_cell, rng.choice(cells, 2, replace=False))
    board = Board.of(is_open)
    aim = rng.uniform(steps, STRETCH * steps)
    path = board.shortest_path(start, goal)
    for draw in rng.random(size * size).tolist():
        if len(path) < 3 or len(path) > aim:
            break
        narrower = board.without(path[1 + int(draw * (len(path) - 2))])
        if longer := narrower.shortest_path(start, goal):
            board, path = narrower, longer
    return Maze.of(board.open_cells(), start, goal) if len(path) > steps else None


def grown(rng: np.random.Generator, size: int, steps: int) -> Maze | None:
    """Passages grown as a tree, then some of the walls between them opened."""
    is_open = tree(rng, size, stride=int(rng.integers(1, 3)))
    between = np.zeros_like(is_open)
    between[1:-1] |= is_open[2:] & is_open[:-2]
    between[:, 1:-1] |= is_open[:, 2:] & is_open[:, :-2]
    return far_apart(rng, is_open | (between & (rng.random(is_open.shape) < rng.uniform(0, LOOPS))), steps)


def tree(rng: np.random.Generator, size: int, stride: int) -> Bools:
    """Grown from the newest cell or, at times, from a random one. With a stride of 2 every other cell of every other row is
    open, and what joins them; with 1 a cell is opened that has one open cell beside it."""
    here = tuple(rng.integers(0, min(stride, size), 2).tolist())
    found, growing = {here}, [here]
    newest = rng.uniform(0.3, 1)

    def may_grow(cell: Cell) -> bool:
        row, column = cell
        if not (0 <= row < size and 0 <= column < size) or cell in found:
            return False
        return stride > 1 or sum((row + down, column + right) in found for down, right in SIDEWAYS) == 1

    for choice, place, way in rng.random((5 * size * size, 3)).tolist():
        if not growing:
            break
        number = len(growing) - 1 if choice < newest else int(place * len(growing))
        row, column = growing[number]
        ahead = [step for step in SIDEWAYS if may_grow((row + stride * step[0], column + stride * step[1]))]
        if not ahead:
            growing.pop(number)
            continue
        down, right = ahead[int(way * len(ahead))]
        found.update((row + far * down, column + far * right) for far in range(1, stride + 1))
        growing.append((row + stride * down, column + stride * right))
    is_open = np.zeros((size, size), bool)
    is_open[tuple(np.array(list(found)).T)] = True
    return is_open


def far_apart(rng: np.random.Generator, is_open: Bools, steps: int) -> Maze | None:
    """With a start and a goal whose shortest path takes that many steps or more. The start is random where that leaves a goal,
    else the cell that is farthest from it, or from that; None where that leaves none either."""
    board = Board.of(is_open)
    cells = np.argwhere(is_open)
    if not len(cells):
        return None
    start = _drawn(rng, cells)
    for _ in range(3):
        waves = board.waves(start)
        if len(waves) > steps:
            return Maze.of(is_open, start, _drawn(rng, np.argwhere(board.grids(waves[steps:]).any(0))))
        start = _drawn(rng, np.argwhere(board.grids(waves[-1:])[0]))
    return None


def _drawn(rng: np.random.Generator, cells: Ints) -> Cell:
    return _as_cell(rng.choice(cells))


def _as_cell(pair: Ints) -> Cell:
    return int(pair[0]), int(pair[1])


KINDS = {"random": scattered, "blocked": blocked, "corridor": grown}
