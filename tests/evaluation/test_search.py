"""What more trajectories bring, measured through the engine, and beside it what a classical algorithm takes."""

import numpy as np

from agent_reasoning.evaluation.rivals import RIVALS
from agent_reasoning.evaluation.search import beside, search
from agent_reasoning.tasks.maze import MazeTask

TASK = MazeTask()


def mazes(count):
    rng = np.random.default_rng(0)
    return [TASK.generate(rng, 8) for _ in range(count)]


def test_a_breadth_first_search_solves_every_maze_and_costs_no_network(models):
    items = mazes(5)

    line = beside(TASK, RIVALS["maze"]["breadth-first search"], "breadth-first search", "8 rows", items)

    assert (line.instances, line.verified, line.wrong) == (5, 1.0, 0)
    assert (line.samples, line.mean_applications) == (0, 0)
    assert 0 < line.p50_seconds <= line.p99_seconds < 1


def test_an_algorithm_that_finds_nothing_is_no_better_for_it():
    assert beside(TASK, lambda maze: {"path": []}, "nothing", "8 rows", mazes(2)).verified == 0


def test_a_search_counts_what_verifies_and_what_it_costs(models):
    model = next(model for model in models if model.task == "maze")

    line = search(TASK, model, "recursion", "8 rows", mazes(3), samples=8, max_steps=1)

    assert (line.verified, line.wrong) == (0.0, 0)
    assert line.mean_applications == 8 * model.applications_per_step
    assert line.together == 1
