"""Algorithms for placement: what schedulers do, what is a small program away, and an exact solver."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from agent_reasoning.tasks import Solution
from agent_reasoning.tasks.cluster import Cluster
from agent_reasoning.tasks.packing import Merit, baseline, best_fit, cost, first_fit, pack, worst_fit
from agent_reasoning.tasks.placement_solver import best_assignment
from agent_reasoning.tasks.placement_words import assigned

ORDERS = 128


def by(place: Callable[[Cluster], list[int] | None], cluster: Cluster) -> Solution:
    """Where nothing is found, everything on its first node: an answer that is not valid."""
    return assigned(cluster, place(cluster) or [nodes[0] for nodes in cluster.allowed])


def in_order(merit: Merit, cluster: Cluster) -> list[int] | None:
    return pack(cluster, cluster.largest_first, merit)


def as_they_come(merit: Merit, cluster: Cluster) -> list[int] | None:
    """As the scheduler of Kubernetes meets them, one pod after another."""
    return pack(cluster, range(len(cluster.workloads)), merit)


def randomised(cluster: Cluster) -> list[int] | None:
    """The best of first-fits and best-fits in orders near that of size, as many as eight samples of sixteen steps are."""
    rng, best = np.random.default_rng(0), None
    ranks = np.argsort(cluster.largest_first)
    for number in range(ORDERS):
        noise = rng.normal(size=len(ranks)) * len(ranks) * 0.15 * (number > 0)
        found = pack(cluster, np.argsort(ranks + noise).tolist(), first_fit if rng.random() < 0.5 else best_fit)
        if found is not None and (best is None or cost(cluster, found) < cost(cluster, best)):
            best = found
        if best is not None and cost(cluster, best) <= cluster.bound:
            break
    return best


RIVALS: Mapping[str, Callable[[Cluster], Solution]] = {
    "first-fit decreasing": partial(by, partial(in_order, first_fit)),
    "best-fit decreasing": partial(by, partial(in_order, best_fit)),
    "as MostAllocated": partial(by, partial(as_they_come, best_fit)),
    "as LeastAllocated": partial(by, partial(as_they_come, worst_fit)),
    "baseline: the best of the heuristics for the objective": partial(by, baseline),
    "128 randomised first-fits and best-fits": partial(by, randomised),
    "CP-SAT, 1 s": partial(by, lambda cluster: best_assignment(cluster, 1.0, baseline(cluster))[0]),
    "CP-SAT, 10 s": partial(by, lambda cluster: best_assignment(cluster, 10.0, baseline(cluster))[0]),
}
