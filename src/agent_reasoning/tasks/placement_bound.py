"""What no assignment can do better than."""

from typing import TYPE_CHECKING

from agent_reasoning.tasks import placement_prices as prices
from agent_reasoning.tasks import placement_totals as totals

if TYPE_CHECKING:
    from agent_reasoning.tasks.cluster import Cluster

MOST_PRICED = 2**16
"""Pairs of a workload and a node. Beyond, the workloads are taken all together: here prices take tenths of a second."""


def least(cluster: "Cluster") -> float:
    """Of the cluster's objective, over all assignments that are valid; where there is none, of any at most."""
    if not cluster.workloads:
        return 0.0
    priced = len(cluster.workloads) * len(cluster.nodes) <= MOST_PRICED
    if cluster.objective == "consolidate":
        least = max(totals.fewest_nodes(cluster), prices.fewest_nodes(cluster, one_by_one=priced))
        return min(least, float(len(cluster.nodes)))
    if cluster.objective == "spread":
        least = totals.least_percent(cluster)
        return max(least, prices.least_percent(cluster, int(least))) if priced else least
    least = max(totals.fewest_moves(cluster), prices.fewest_moves(cluster) if priced else 0.0)
    return min(least, float(sum(node >= 0 for node in cluster.current)))


def percent(wants: int, has: int) -> int:
    """Whole percent, rounded up; 101 of what there is none of."""
    if wants == 0:
        return 0
    return -(-wants * 100 // has) if has else 101
