"""Labels made on the device are those of the exact solver."""

import numpy as np
import pytest
import torch

from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.tasks.maze import KINDS, SIDES
from agent_reasoning.tasks.maze_context import Maze
from agent_reasoning.tasks.maze_solver import Board
from agent_reasoning.training import mazes
from agent_reasoning.training.labels.maze import draw_mazes, generated
from agent_reasoning.training.labels.maze import targets as exact_targets
from agent_reasoning.training.mazes import Curriculum, Packed, targets
from agent_reasoning.training.waves import candidates

CPU = torch.device("cpu")
TASK = builtin_tasks().get("maze")


def as_maze(batch, row):
    width = batch.is_open.shape[2]
    return Maze.of(batch.is_open[row], divmod(int(batch.start[row]), width), divmod(int(batch.goal[row]), width))


@pytest.mark.parametrize("size", [2, 8, 13])
def test_distances_tokens_and_paths_are_those_of_the_task(size):
    batch = generated(np.random.default_rng(size), 12, size)

    found = targets(batch, CPU)

    for row in range(12):
        maze = as_maze(batch, row)
        problem = TASK.encode(maze)
        path = Board.of(maze.is_open()).shortest_path(maze.start, maze.goal)
        assert np.array_equal(found.to_goal[row].numpy(), exact_targets(maze).to_goal)
        assert np.array_equal(found.tokens[row].numpy(), problem.tokens)
        assert np.array_equal(candidates(found.tokens)[row].numpy(), problem.candidates)
        assert set(map(tuple, found.on_path[row].nonzero().tolist())) == set(path)
        assert found.length[row] == len(path) - 1


def test_the_sides_and_tokens_are_the_tasks():
    assert tuple(SIDES.values()) == mazes.SIDES
    assert len(KINDS) == mazes.GOAL + 1


def test_a_batch_depends_on_its_seed_and_number_alone():
    curriculum = Curriculum(4, 9)
    first, again, other = (draw_mazes(3, 0, curriculum, number) for number in (5, 5, 6))

    assert np.array_equal(first.is_open, again.is_open)
    assert not np.array_equal(first.is_open, other.is_open)


def test_mazes_grow_with_the_batches_up_to_the_largest():
    curriculum = Curriculum(4, 9, batches_a_size=2)
    sizes = [curriculum.size(np.random.default_rng(number), number) for number in range(200)]

    assert set(sizes[:2]) <= {4, 5, 6}
    assert max(sizes[:6]) <= 8
    assert set(sizes[10:]) == {4, 5, 6, 7, 8, 9}


def test_packed_mazes_are_mazes_again_however_they_are_turned(tmp_path):
    made = generated(np.random.default_rng(0), 6, 8)
    Packed({8: made}).save(tmp_path / "mazes.npz")

    packed = Packed.load(tmp_path / "mazes.npz")
    drawn = [packed.draw(16, 0, Curriculum(8, 8), number) for number in range(12)]

    assert np.array_equal(packed.by_size[8].is_open, made.is_open)
    lengths = set(targets(made, CPU).length.tolist())
    assert {length for batch in drawn for length in targets(batch, CPU).length.tolist()} == lengths
    assert len({batch.is_open[row].tobytes() for batch in drawn for row in range(16)}) > 6
