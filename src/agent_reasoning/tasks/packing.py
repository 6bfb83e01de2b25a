"""Placing one workload after another: the classical heuristics, and how a network's choices become an assignment."""

from collections.abc import Callable, Sequence

from agent_reasoning.tasks.cluster import NOWHERE, Cluster, Filling
from agent_reasoning.tasks.placement_bound import percent

Merit = Callable[[Filling, int, int], object]  # of (filling, workload, node): the least is taken


def first_fit(filling: Filling, workload: int, node: int) -> object:
    return filling.count[node] == 0, node


def best_fit(filling: Filling, workload: int, node: int) -> object:
    return filling.count[node] == 0, filling.slack(node)


def worst_fit(filling: Filling, workload: int, node: int) -> object:
    """As Kubernetes' LeastAllocated."""
    return -filling.slack(node)


def least_used(filling: Filling, workload: int, node: int) -> object:
    share = filling.cluster.share[workload, node]
    capacity = filling.cluster.capacity[node]
    left = filling.left[node]
    return max((1 - left[r] / capacity[r] + share[r] for r in range(len(capacity)) if capacity[r] > 0), default=0.0)


def stay(filling: Filling, workload: int, node: int) -> object:
    return node != filling.cluster.current[workload], filling.slack(node)


BEST: dict[str, Merit] = {"consolidate": best_fit, "spread": least_used, "fewest_moves": stay}


def pack(cluster: Cluster, order: Sequence[int], merit: Merit) -> list[int] | None:
    """[L] where each goes, in this order, each to the best node that has room; None where one finds none."""
    filling = Filling(cluster)
    for workload in order:
        node = best_node(filling, workload, merit)
        if node == NOWHERE:
            return None
        filling.put(workload, node)
    return filling.at


def best_node(filling: Filling, workload: int, merit: Merit) -> int:
    fitting = [node for node in filling.cluster.allowed[workload] if filling.fits(workload, node)]
    return min(fitting, key=lambda node: merit(filling, workload, node), default=NOWHERE)  # type: ignore[arg-type,return-value]


def settle(cluster: Cluster, choice: Sequence[int]) -> list[int]:
    """[L] where each goes if chosen nodes take whom they have room for, the largest first, and the rest go to the best
    node that has room, in the heuristics' sense of the objective. Who fits nowhere stays where it was put: that answer is
    not valid, and says so."""
    filling, homeless = _as_wanted(cluster, choice)
    merit = BEST[cluster.objective]
    for workload in homeless:
        node = best_node(filling, workload, merit)
        filling.put(workload, node if node != NOWHERE else int(choice[workload]))
    return filling.at


def _as_wanted(cluster: Cluster, wanted: Sequence[int]) -> tuple[Filling, list[int]]:
    """Those, the largest first, for whom there is room where they are wanted and may go; and the others."""
    filling, homeless = Filling(cluster), []
    for workload in cluster.largest_first:
        node = int(wanted[workload])
        if node != NOWHERE and cluster.may_run[workload, node] and filling.fits(workload, node):
            filling.put(workload, node)
        else:
            homeless.append(workload)
    return filling, homeless


def baseline(cluster: Cluster) -> list[int] | None:
    """The best of the classical heuristics for the objective, and of leaving all as it is; None where that places not
    everything."""
    return min(
        filter(None, (_heuristics(cluster), as_it_is(cluster))), key=lambda found: cost(cluster, found), default=None
    )


def as_it_is(cluster: Cluster) -> list[int] | None:
    """Where everything runs, if that is valid."""
    filling = Filling(cluster)
    for workload, node in enumerate(cluster.current):
        if node == NOWHERE or not cluster.may_run[workload, node] or not filling.fits(workload, node):
            return None
        filling.put(workload, node)
    return filling.at


def _heuristics(cluster: Cluster) -> list[int] | None:
    order = cluster.largest_first
    if cluster.objective == "fewest_moves":
        return _few_moves(cluster)
    merits = {"consolidate": (first_fit, best_fit), "spread": (least_used, worst_fit)}[cluster.objective]
    found = [assignment for merit in merits if (assignment := pack(cluster, order, merit))]
    if not found:
        found = [assignment for merit in (best_fit, first_fit) if (assignment := pack(cluster, order, merit))]
    return min(found, key=lambda assignment: cost(cluster, assignment), default=None)


def _few_moves(cluster: Cluster) -> list[int] | None:
    """Who may stay stays, the largest first; the others go where they fit best."""
    filling, homeless = _as_wanted(cluster, cluster.current)
    for workload in homeless:
        node = best_node(filling, workload, best_fit)
        if node == NOWHERE:
            return pack(cluster, cluster.largest_first, stay) or pack(cluster, cluster.largest_first, best_fit)
        filling.put(workload, node)
    return filling.at


def cost(cluster: Cluster, assignment: Sequence[int]) -> float:
    """The objective, of an assignment that is valid."""
    if cluster.objective == "consolidate":
        return float(len(set(assignment)))
    if cluster.objective == "fewest_moves":
        moved = zip(assignment, cluster.current, strict=True)
        return float(sum(at != was for at, was in moved if was != NOWHERE))
    load = [[0] * len(cluster.resources) for _ in cluster.nodes]
    for workload, node in enumerate(assignment):
        for resource, wants in enumerate(cluster.demand[workload]):
            load[node][resource] += wants
    return float(
        max(
            (percent(used, has) for of, capacity in zip(load, cluster.capacity, strict=True)
             for used, has in zip(of, capacity, strict=True)),
            default=0,
        )
    )  # fmt: skip
