"""What no assignment can do better than."""

from itertools import accumulate
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_reasoning.tasks.cluster import Cluster


def least(cluster: "Cluster") -> float:
    """Of the cluster's objective, over all assignments that are valid."""
    if not cluster.workloads:
        return 0.0
    return {"consolidate": _nodes, "spread": _percent, "fewest_moves": _moves}[cluster.objective](cluster)


def _nodes(cluster: "Cluster") -> float:
    """Enough of the largest nodes for each resource's total; for the workloads too large to share a node (half of every
    node and more), as many; a node for each of those kept apart."""
    most = max([1, *map(len, cluster.apart)])
    for resource in range(len(cluster.resources)):
        sizes = sorted((capacity[resource] for capacity in cluster.capacity), reverse=True)
        wants = sorted((demand[resource] for demand in cluster.demand), reverse=True)
        most = max(most, _enough(sizes, sum(wants)))
        if sizes and sizes[0] > 0:
            most = max(most, _dual(sizes[0], wants))
    return float(most)


def _enough(sizes: list[int], total: int) -> int:
    if total == 0:
        return 0
    return next((count for count, has in enumerate(accumulate(sizes), 1) if has >= total), len(sizes) + 1)


def _dual(size: int, wants: list[int]) -> int:
    """Martello and Toth's L2, with every node as large as the largest: for each threshold, items above size - threshold
    count whole, those from the threshold to it by what they want, smaller ones not at all."""
    best = 0
    for threshold in {want for want in wants if 0 < want <= size // 2} | {0}:
        huge = sum(want > size - threshold for want in wants)
        large = [want for want in wants if size / 2 < want <= size - threshold]
        small = sum(want for want in wants if threshold <= want <= size / 2)
        spare = len(large) * size - sum(large)
        best = max(best, huge + len(large) + max(0, ceil((small - spare) / size)))
    return best


def _percent(cluster: "Cluster") -> float:
    """Whole percent, rounded up: of each resource's total; of each workload where it fits best; and of the two least
    of the largest, one more than there are nodes, which must share."""
    most = 0
    for resource in range(len(cluster.resources)):
        sizes = [capacity[resource] for capacity in cluster.capacity]
        wants = sorted((demand[resource] for demand in cluster.demand), reverse=True)
        if not any(wants):
            continue
        most = max(most, percent(sum(wants), sum(sizes)))
        able = sum(size > 0 for size in sizes)
        if len(wants) > able > 0:
            most = max(most, percent(wants[able - 1] + wants[able], max(sizes)))
    for demand, nodes in zip(cluster.demand, cluster.allowed, strict=True):
        best = min(
            (
                max((percent(wants, has) for wants, has in zip(demand, cluster.capacity[node], strict=True)), default=0)
                for node in nodes
            ),
            default=0,
        )
        most = max(most, best)
    return float(most)


def percent(wants: int, has: int) -> int:
    """Whole percent, rounded up; 101 of what there is none of."""
    if wants == 0:
        return 0
    return -(-wants * 100 // has) if has else 101


def _moves(cluster: "Cluster") -> float:
    """From each node those that may not stay, and of the others the fewest whose going leaves no resource overdrawn, and of
    those kept apart all but one."""
    least = 0
    for node, capacity in enumerate(cluster.capacity):
        here = [workload for workload, at in enumerate(cluster.current) if at == node]
        staying = [workload for workload in here if node in cluster.allowed[workload]]
        overdrawn = 0
        for resource, has in enumerate(capacity):
            wants = sorted((cluster.demand[workload][resource] for workload in staying), reverse=True)
            over = sum(wants) - has
            if over > 0:
                overdrawn = max(
                    overdrawn, next(count for count, gone in enumerate(accumulate(wants), 1) if gone >= over)
                )
        crowded = max((sum(workload in staying for workload in group) - 1 for group in cluster.apart), default=0)
        least += len(here) - len(staying) + max(overdrawn, crowded, 0)
    return float(least)
