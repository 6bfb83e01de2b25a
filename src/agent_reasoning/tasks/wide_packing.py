"""The classical heuristics of `packing` for clusters of thousands of nodes: one workload after another, all nodes at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.problem import Bools, Ints
from agent_reasoning.tasks.cluster import NOWHERE, Cluster, Objective

Reals = NDArray[np.float64]


class WideFilling:
    """A cluster being filled; see `cluster.Filling`."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        shape = len(cluster.nodes), len(cluster.resources)
        self.capacity = np.array(cluster.capacity, float).reshape(shape)
        self.demand = np.array(cluster.demand, float).reshape(-1, shape[1])
        self.left = self.capacity.copy()
        self.per_capacity = np.where(self.capacity > 0, 1 / np.maximum(self.capacity, 1e-9), 0.0)
        self.used: Bools = np.zeros(shape[0], bool)
        self.taken: dict[int, Bools] = {}  # by group of `apart`: the nodes that its members are on
        self.at: Ints = np.full(len(cluster.workloads), NOWHERE)

    def room(self, workload: int) -> Bools:
        """[V] where it may go and fits."""
        fits: Bools = self.cluster.may_run[workload] & (self.left >= self.demand[workload]).all(1)
        for group in self.cluster.kept_apart[workload]:
            if group in self.taken:
                fits &= ~self.taken[group]
        return fits

    def put(self, workload: int, node: int) -> None:
        self.left[node] -= self.demand[workload]
        self.used[node] = True
        self.at[workload] = node
        for group in self.cluster.kept_apart[workload]:
            self.taken.setdefault(group, np.zeros(len(self.used), bool))[node] = True

    def best_fit(self, workload: int) -> Reals:
        """[V] the least is the best: nodes in use first, of these the one with the least left."""
        merit: Reals = (self.left * self.per_capacity).sum(1) + self.capacity.shape[1] * ~self.used
        return merit

    def least_used(self, workload: int) -> Reals:
        """[V] how full each would be."""
        after = self.capacity - self.left + self.demand[workload]
        merit: Reals = (after * self.per_capacity).max(1, initial=0.0)
        return merit


def packed(cluster: Cluster) -> list[int]:
    """[L] as the heuristic for the objective places them, the largest first, who may stay before the others where moves count;
    by best fit where that finds room for more. NOWHERE for who finds none."""
    found = _packed(cluster, cluster.objective)
    if NOWHERE in found and cluster.objective != "consolidate":
        found = min(found, _packed(cluster, "consolidate"), key=lambda at: at.count(NOWHERE))
    return found


def _packed(cluster: Cluster, objective: Objective) -> list[int]:
    filling = WideFilling(cluster)
    order: Sequence[int] = cluster.largest_first
    if objective == "fewest_moves":
        order = [workload for workload in order if not _stayed(filling, workload)]
    merit = filling.least_used if objective == "spread" else filling.best_fit
    for workload in order:
        fits = filling.room(workload)
        if fits.any():
            filling.put(workload, int(np.where(fits, merit(workload), np.inf).argmin()))
    return [int(node) for node in filling.at]


def _stayed(filling: WideFilling, workload: int) -> bool:
    node = filling.cluster.current[workload]
    stays = node != NOWHERE and bool(filling.room(workload)[node])
    if stays:
        filling.put(workload, node)
    return stays
