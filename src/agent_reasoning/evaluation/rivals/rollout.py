"""Algorithms for rollouts with limits; one without limits is solved outright by a sort."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from agent_reasoning.tasks import Solution
from agent_reasoning.tasks.dependencies import DependencyGraph
from agent_reasoning.tasks.limited import solution
from agent_reasoning.tasks.rollout import Rollout
from agent_reasoning.tasks.schedule import Limits
from agent_reasoning.tasks.schedule_solver import soonest

Schedule = Callable[[Limits], list[int]]


def by(schedule: Schedule, graph: DependencyGraph) -> Solution:
    if graph.limits is None:
        return sorted_into_waves(graph)
    return solution(graph.limits, graph.names, schedule(graph.limits))


def sorted_into_waves(graph: DependencyGraph) -> Solution:
    heads = Limits(graph.needs, (1,) * len(graph.names), len(graph.names)).heads
    return Rollout().decode(graph, np.array(heads))


def disturbed(limits: Limits, orders: int = 64) -> list[int]:
    """The best of as many list schedules, all but the first with noise on the chains' lengths."""
    rng = np.random.default_rng(0)
    chains = np.add(limits.tails, limits.durations)
    spread = float(np.mean(limits.durations)) * 2
    tried = [limits.by_critical_path()]
    while len(tried) < orders and limits.done(tried[-1]) > limits.bound:
        tried.append(limits.schedule((rng.random(len(chains)) * spread - chains).tolist()))
    return min(tried, key=limits.done)


RIVALS: Mapping[str, Callable[[DependencyGraph], Solution]] = {
    "baseline: list scheduling by critical path": partial(by, Limits.by_critical_path),
    "best of 64 disturbed list schedules": partial(by, disturbed),
    "CP-SAT, 1 s": partial(by, lambda limits: soonest(limits, effort=1.0)[0]),
}
