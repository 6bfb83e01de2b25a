"""Bounds on the objective of a placement from what nodes can hold (`packings`), by prices for the workloads (`covering`).

Workloads that would make too many sets are taken as a fluid that fills what the others leave, whatever its selectors; or,
where moves are counted, as what stays unless there is no room.
"""

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.tasks.covering import NEGLIGIBLE, Covering, least_cost
from agent_reasoning.tasks.packings import Packings, packings

if TYPE_CHECKING:
    from agent_reasoning.tasks.cluster import Cluster

Ints = NDArray[np.int64]

MOST_SETS = 600
MOST_PAIRS = 2**15
"""Of a set and a kind of node."""
DEAREST = 50.0
"""Nodes, or moves, that leaving out a workload costs."""
WHOLE = 100  # percent


def fewest_nodes(cluster: "Cluster", *, one_by_one: bool = True) -> float:
    """In use. one_by_one: False takes all workloads as a fluid, whatever their selectors."""
    capacity, may_run, count = _kinds(cluster, cluster.capacities, by_selectors=one_by_one)
    sets = _packings(cluster, capacity, may_run, _largest_first(cluster)[: None if one_by_one else 0])
    cost = np.where(sets.fits, 1.0, np.inf)
    return float(ceil(least_cost(_covering(cluster, sets, capacity, cost, count, DEAREST)) - NEGLIGIBLE))


def least_percent(cluster: "Cluster", least: int) -> float:
    """Of the fullest node: the first at which what nodes hold, of that much of their capacities, may be enough. least: a
    percent that it is known not to be below."""
    low, step = least - 1, 1  # low is too little
    while low + step < WHOLE and not _is_enough(cluster, low + step):
        low, step = low + step, 2 * step
    high = min(low + step, WHOLE)
    while high - low > 1:
        middle = (low + high) // 2
        if _is_enough(cluster, middle):
            high = middle
        else:
            low = middle
    return float(high)


def _is_enough(cluster: "Cluster", percent: int) -> bool:
    """As far as prices tell. False is certain."""
    capacity, may_run, count = _kinds(cluster, cluster.capacities * percent // WHOLE)
    sets = _packings(cluster, capacity, may_run, _largest_first(cluster))
    cost = np.where(sets.fits, 0.0, np.inf)
    return least_cost(_covering(cluster, sets, capacity, cost, count, 1.0), enough=1.0) <= NEGLIGIBLE


def fewest_moves(cluster: "Cluster") -> float:
    capacity, demand, may_run = cluster.capacities, cluster.demands, cluster.may_run
    current = np.array(cluster.current, np.int64)
    workload = np.arange(len(current))
    runs = current >= 0
    stays = runs & may_run[workload, current]
    order = _largest_first(cluster)
    order = order[np.argsort(stays[order], kind="stable")]  # who has to find a place anew comes first
    sets = _packings(cluster, capacity, may_run, order)
    at_home = np.zeros((len(sets.workloads), len(capacity)))
    known = stays[sets.workloads]
    at_home[np.flatnonzero(known), current[sets.workloads[known]]] = 1.0
    stays[sets.workloads] = False  # from here on: those that are in no set
    displaced = np.zeros(sets.fits.shape)
    for node in np.unique(current[stays]):
        here = demand[stays & (current == node)]
        over = sets.load + here.sum(0) - capacity[node]
        for resource in range(demand.shape[1]):
            gone = np.concatenate([[0], np.cumsum(np.sort(here[:, resource])[::-1])])
            displaced[:, node] = np.maximum(displaced[:, node], np.searchsorted(gone, over[:, resource]))
    # Of a node that nothing is said of, all that are in sets are moved, and those whom nothing can make room for.
    nothing = at_home.sum(0) + displaced[0]
    cost = np.where(sets.fits, displaced - displaced[0] - sets.members @ at_home, np.inf)
    covering = Covering(
        covers=sets.members.astype(float),
        more=np.zeros((len(capacity), len(sets.workloads))),
        cost=cost,
        needed=np.ones(len(sets.workloads)),
        count=np.ones(len(capacity)),
        dearest=DEAREST,
    )
    forced = np.count_nonzero(runs & ~may_run[workload, current])
    return float(forced + max(0, ceil(nothing.sum() + least_cost(covering) - NEGLIGIBLE)))


def _packings(cluster: "Cluster", capacity: Ints, may_run: NDArray[np.bool_], order: Ints) -> Packings:
    most = max(1, min(MOST_SETS, MOST_PAIRS // len(capacity)))
    order = order[:most]  # each of them makes a set at least, or fits nowhere
    groups = np.zeros((len(order), len(cluster.apart)), np.bool_)
    for place, workload in enumerate(order):
        groups[place, list(cluster.kept_apart[workload])] = True
    return packings(cluster.demands, capacity, may_run, groups[:, groups.sum(0) > 1], order, most)


def _covering(
    cluster: "Cluster", sets: Packings, capacity: Ints, cost: NDArray[np.float64], count: Ints, dearest: float
) -> Covering:
    """Things to cover: the workloads of the sets, and of each resource what the others want."""
    others = np.ones(len(cluster.workloads), np.bool_)
    others[sets.workloads] = False
    whole = np.maximum(capacity.max(0), 1).astype(float)
    left = np.zeros((len(capacity), len(sets.workloads)))
    return Covering(
        covers=np.hstack([sets.members, -sets.load / whole]),
        more=np.hstack([left, capacity / whole]),
        cost=cost,
        needed=np.concatenate([np.ones(len(sets.workloads)), cluster.demands[others].sum(0) / whole]),
        count=count.astype(float),
        dearest=dearest,
    )


def _kinds(cluster: "Cluster", capacity: Ints, *, by_selectors: bool = True) -> tuple[Ints, NDArray[np.bool_], Ints]:
    """[K, R] capacities, [L, K] who may run there, [K] how many of these nodes there are."""
    rows = np.hstack([capacity, np.packbits(cluster.may_run, axis=0).T]) if by_selectors else capacity
    number: dict[bytes, list[int]] = {}
    for node, row in enumerate(rows):
        number.setdefault(row.tobytes(), []).append(node)
    first = [nodes[0] for nodes in number.values()]
    return capacity[first], cluster.may_run[:, first], np.array([len(nodes) for nodes in number.values()])


def _largest_first(cluster: "Cluster") -> Ints:
    share = (cluster.demands / np.maximum(cluster.capacities.max(0), 1)).max(1)
    return np.argsort(-share, kind="stable")
