"""Bounds on the objective of a placement, of each resource by itself: from what is wanted in all, and from what is too large to
share a node. In a second for thousands of nodes and workloads."""

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from agent_reasoning.tasks.cluster import Cluster

Ints = NDArray[np.int64]

MOST_SUBSETS = 5_000  # of what is on one node that are tried
NODES_SEARCHED = 20  # for the fewest that have to leave; of others it is found for each resource by itself
CHUNK = 2**22  # numbers at a time


def fewest_nodes(cluster: "Cluster") -> float:
    """Enough of the largest nodes for each resource's total; for the workloads too large to share a node (half of every
    node and more), as many; a node for each of those kept apart."""
    most = max([1, *map(len, cluster.apart)])
    for sizes, wants in zip(cluster.capacities.T, cluster.demands.T, strict=True):
        sizes, wants = np.sort(sizes)[::-1], np.sort(wants)
        if wants.any():
            most = max(most, 1 + int(np.searchsorted(np.cumsum(sizes), wants.sum())))
            if sizes[0] > 0:
                most = max(most, _dual(int(sizes[0]), wants))
    return float(most)


def _dual(size: int, wants: Ints) -> int:
    """Martello and Toth's L2, with every node as large as the largest: for each threshold, items above size - threshold
    count whole, those from the threshold to it by what they want, smaller ones not at all. wants: ascending."""
    below = np.concatenate([[0], np.cumsum(wants)])
    half = np.searchsorted(wants, size // 2, side="right")
    thresholds = np.unique(np.concatenate([[0], wants[:half]]))
    first = np.searchsorted(wants, thresholds)
    huge = np.maximum(np.searchsorted(wants, size - thresholds, side="right"), half)
    large = huge - half
    spare = large * size - (below[huge] - below[half])
    over = below[half] - below[first] - spare
    return int((len(wants) - huge + large + np.maximum(0, -(-over // size))).max())


def least_percent(cluster: "Cluster") -> float:
    """Whole percent, rounded up: of each resource's total; of each workload where it fits best; and of the two least
    of the largest, one more than there are nodes, which must share."""
    capacities, demands = cluster.capacities, cluster.demands
    most = 0
    for sizes, wants in zip(capacities.T, demands.T, strict=True):
        if wants.any():
            most = max(most, int(_percent(wants.sum(), sizes.sum())))
            largest, able = np.sort(wants)[::-1], np.count_nonzero(sizes)
            if len(wants) > able > 0:
                most = max(most, int(_percent(largest[able - 1] + largest[able], sizes.max())))
    kinds, kind = np.unique(capacities, axis=0, return_inverse=True)
    order = np.argsort(kind.ravel(), kind="stable")
    starts = np.searchsorted(kind.ravel()[order], np.arange(len(kinds)))
    able_there = np.logical_or.reduceat(cluster.may_run[:, order], starts, axis=1)
    step = max(1, CHUNK // kinds.size)
    for first in range(0, len(demands), step):
        share = _percent(demands[first : first + step, None], kinds).max(-1)
        possible = np.where(able_there[first : first + step], share, np.iinfo(np.int64).max)
        most = max(most, int(possible.min(1).max()))
    return float(most)


def _percent(wants: Ints, has: Ints) -> Ints:
    """Whole percent, rounded up; 101 of what there is none of."""
    percent = -(-wants * 100 // np.maximum(has, 1))
    return np.where(wants == 0, 0, np.where(has == 0, 101, percent))


def fewest_moves(cluster: "Cluster") -> float:
    """From each node those that may not stay, and of the others the fewest whose going leaves nothing overdrawn, and of
    those kept apart all but one."""
    current = np.array(cluster.current, np.int64)
    runs = current >= 0
    stays = runs & cluster.may_run[np.arange(len(current)), current]
    load = np.zeros_like(cluster.capacities)
    np.add.at(load, current[stays], cluster.demands[stays])
    leaving = np.zeros(len(cluster.nodes), np.int64)
    over = load - cluster.capacities
    for searched, node in enumerate(np.flatnonzero((over > 0).any(1))):
        here = cluster.demands[stays & (current == node)]
        leaving[node] = _fewest_gone(here, over[node], MOST_SUBSETS if searched < NODES_SEARCHED else 0)
    group, workload = cluster.memberships[stays[cluster.memberships[:, 1]]].T
    together, count = np.unique(group * len(cluster.nodes) + current[workload], return_counts=True)
    np.maximum.at(leaving, together % len(cluster.nodes), count - 1)
    return float(leaving.sum() + np.count_nonzero(runs & ~stays))


def _fewest_gone(wants: Ints, over: Ints, subsets: int) -> int:
    """How many have to go, at least, until what is over is gone, of all resources at once. wants: [n, R]; over: [R]; subsets:
    how many are tried; each resource by itself needs none."""
    fewest = 1
    for resource in np.flatnonzero(over > 0):
        gone = np.cumsum(np.sort(wants[:, resource])[::-1])
        fewest = max(fewest, 1 + int(np.searchsorted(gone, over[resource])))
    while (subsets := subsets - comb(len(wants), fewest)) >= 0:
        tried = np.array([*combinations(range(len(wants)), fewest)])
        if (wants[tried].sum(1) >= over).all(1).any():
            break
        fewest += 1
    return fewest
