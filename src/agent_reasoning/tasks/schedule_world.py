"""Random rollouts with limits, and schedules of them that are done soonest."""

import numpy as np

from agent_reasoning.tasks.schedule import Limits
from agent_reasoning.tasks.schedule_solver import soonest

TRIES = 12
DRAWS = 12
MOST = 6
EFFORT = 0.02


def random_limits(
    rng: np.random.Generator, needs_of_layers: tuple[tuple[int, ...], ...]
) -> tuple[Limits, list[list[int]]]:
    """A rollout of as many steps, and some of its best schedules. Half of them are drawn again, for a while, until list
    scheduling by the critical path misses the best: of rollouts as they come, it solves nearly all."""
    hard = rng.random() < 0.5
    for _ in range(TRIES):
        limits = _draw(rng, needs_of_layers)
        found = limits.by_critical_path()
        if not hard or limits.done(found) > limits.bound:
            break
    best, schedules = limits.bound, []
    if limits.done(found) <= best:
        schedules.append(found)
    schedules += _reaching(rng, limits, best)
    if not schedules:
        found, proven = soonest(limits, EFFORT)
        best = limits.done(found)
        # As list scheduling in the order of its starts has it: that is what an answer is turned into.
        found = limits.schedule(_ranks(found))
        schedules = [found, *_near(rng, limits, found, best)] if proven else [found]
    unique = {tuple(starts): starts for starts in schedules}
    return limits, list(unique.values())[:MOST]


def _draw(rng: np.random.Generator, layered: tuple[tuple[int, ...], ...]) -> Limits:
    size = len(layered)
    needs = layered
    if rng.random() < 0.6:
        # Sparse, without layers: as sets of services come that grew by themselves.
        density = rng.choice([1.2, 1.6, 2.0, 2.5, 3.5]) / size
        order = rng.permutation(size)
        linked = np.triu(rng.random((size, size)) < density, 1)
        found: list[list[int]] = [[] for _ in range(size)]
        for one, other in np.argwhere(linked):
            found[order[other]].append(int(order[one]))
        needs = tuple(tuple(sorted(of)) for of in found)
    if rng.random() < 0.5:
        durations = np.ones(size)
    else:
        durations = rng.choice(rng.choice([1, 2, 3, 5, 8, 13, 20], 3, replace=False), size).astype(float)
    return Limits.of(needs, durations.tolist(), int(rng.integers(2, 5)))


def _reaching(rng: np.random.Generator, limits: Limits, best: int) -> list[list[int]]:
    """List schedules with the critical path's priorities, disturbed, that take no longer than that."""
    chains = np.add(limits.tails, limits.durations)
    spread = float(np.mean(limits.durations)) * 2
    found = []
    for _ in range(DRAWS):
        starts = limits.schedule((rng.random(len(chains)) * spread - chains).tolist())
        if limits.done(starts) <= best:
            found.append(starts)
        if len(found) == MOST:
            break
    return found


def _near(rng: np.random.Generator, limits: Limits, schedule: list[int], best: int) -> list[list[int]]:
    """Others as good, from its order disturbed a little."""
    ranks, found = np.array(_ranks(schedule)), []
    for _ in range(DRAWS):
        starts = limits.schedule((ranks + rng.random(len(ranks)) * 2).tolist())
        if limits.done(starts) <= best:
            found.append(starts)
    return found


def _ranks(starts: list[int]) -> list[float]:
    order = {start: float(number) for number, start in enumerate(sorted(set(starts)))}
    return [order[start] for start in starts]
