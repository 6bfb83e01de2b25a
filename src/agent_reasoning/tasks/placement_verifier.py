"""Whether a placement is what it says. Shares nothing with what makes one but the instance and its bound."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.problem import Verdict
from agent_reasoning.tasks.base import Solution
from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.placement_moves_verifier import check_moves

Places = NDArray[np.int64]  # [L] the node of each workload


def verify(cluster: Cluster, solution: Solution) -> Verdict:
    """Every workload is on one node, which it may run on and which has room for all that are there; nobody shares a node with
    whom it is kept apart from; and no more nodes are in use, nor more moves made, than there are. Any solution gets a
    verdict. Moves may be left out; those that are given have to lead there one by one without overdrawing a node, and what
    is said beside them has to be so."""
    assignment = solution.get("assignment")
    if not isinstance(assignment, dict):
        return Verdict(False, ("The solution has no `assignment`.",))
    at = _places(cluster, assignment)
    if at is None:
        return Verdict(False, tuple(sorted(_misplaced(cluster, assignment))))
    load = _load(cluster, at)
    violations = [*_broken(cluster, at, load)]
    if "moves" in solution:
        violations += check_moves(cluster, at.tolist(), solution)
        violations += _misstated(cluster, at, load, solution)
    if violations:
        return Verdict(False, tuple(violations))
    objective = _objective(cluster, at, load)
    now = cluster.as_it_is
    if now is not None and now < objective:
        return Verdict(False, (f"It comes to {objective:g}; as everything is now it is {now:g}.",))
    return Verdict(True, (), objective, cluster.bound)


def as_it_is(cluster: Cluster) -> float | None:
    """The objective if everything stays; None where that is not valid. It depends on the instance alone: `Cluster` keeps it."""
    if NOWHERE in cluster.current:
        return None
    at = np.array(cluster.current, np.int64)
    load = _load(cluster, at)
    return None if any(_broken(cluster, at, load)) else _objective(cluster, at, load)


def _places(cluster: Cluster, assignment: dict[Any, Any]) -> Places | None:
    """None where a workload is missing or on no node, or something is placed that is no workload."""
    try:
        places = [*map(cluster.node_number.__getitem__, map(assignment.__getitem__, cluster.workloads))]
    except (KeyError, TypeError):  # TypeError: what is not hashable names no node
        return None
    return np.array(places, np.int64) if len(assignment) == len(places) else None


def _misplaced(cluster: Cluster, assignment: dict[Any, Any]) -> Iterator[str]:
    for name in assignment.keys() - set(cluster.workloads):
        yield f"{name!r} is placed and is no workload."
    for name in cluster.workloads:
        where = assignment.get(name)
        if name not in assignment:
            yield f"{name} is nowhere."
        elif not isinstance(where, str) or where not in cluster.node_number:
            yield f"{name} is on {where!r}, which is no node."


def _load(cluster: Cluster, at: Places) -> NDArray[np.int64]:
    """[V, R] what is wanted of each node."""
    resources = len(cluster.resources)
    load = np.zeros(len(cluster.nodes) * resources, np.int64)
    np.add.at(load, (at[:, None] * resources + np.arange(resources)).ravel(), cluster.demands.ravel())
    return load.reshape(-1, resources)


def _broken(cluster: Cluster, at: Places, load: NDArray[np.int64]) -> Iterator[str]:
    """Which rules of the instance an assignment breaks."""
    for workload in np.flatnonzero(~cluster.may_run[np.arange(len(at)), at]):
        yield f"{cluster.workloads[workload]} may not run on {cluster.nodes[at[workload]]}."
    overdrawn = load > cluster.capacities
    if overdrawn.any():
        for node, resource in np.argwhere(overdrawn):
            has, used = cluster.capacity[node][resource], load[node, resource]
            yield f"{cluster.nodes[node]} has {has} of {cluster.resources[resource]}, and {used} are wanted there."
    if cluster.apart:
        yield from _together(cluster, at)


def _together(cluster: Cluster, at: Places) -> Iterator[str]:
    group, workload = cluster.memberships.T
    place = group * len(cluster.nodes) + at[workload]
    order = np.argsort(place, kind="stable")
    same = np.flatnonzero(place[order[1:]] == place[order[:-1]])
    for one, other in zip(workload[order[same]], workload[order[same + 1]], strict=True):
        names = cluster.workloads[one], cluster.workloads[other]
        yield f"{names[0]} and {names[1]} share {cluster.nodes[at[one]]}, and are to be kept apart."


def _objective(cluster: Cluster, at: Places, load: NDArray[np.int64]) -> float:
    """Of an assignment that is valid."""
    if cluster.objective == "consolidate":
        return float(len(set(at.tolist())))
    if cluster.objective == "fewest_moves":
        current = np.array(cluster.current, np.int64)
        return float(np.count_nonzero((current != at) & (current != NOWHERE)))
    wanted = load > 0  # so that there is some of it
    percent = -(-load[wanted] * 100 // cluster.capacities[wanted])
    return float(percent.max(initial=0))


def _misstated(cluster: Cluster, at: Places, load: NDArray[np.int64], solution: Solution) -> Iterable[str]:
    """What a solution with moves says of nodes and of how full they are, where it says so."""
    current = np.array(cluster.current, np.int64)
    running = np.flatnonzero(current != NOWHERE)
    before = np.zeros_like(load)
    for resource in range(len(cluster.resources)):
        np.add.at(before[:, resource], current[running], cluster.demands[running, resource])
    were, are = set(current[running].tolist()), set(at.tolist())
    facts = {
        "nodes_in_use": len(are),
        "freed": [cluster.nodes[node] for node in sorted(were - are)],
        "unused": [name for node, name in enumerate(cluster.nodes) if node not in were | are],
        "utilisation": {
            "before": _utilisation(cluster, before, sorted(were)), "after": _utilisation(cluster, load, sorted(are)),
        },
    }  # fmt: skip
    for field, fact in facts.items():
        if field in solution and solution[field] != fact:
            yield f"`{field}` is not what the assignment comes to."


def _utilisation(cluster: Cluster, load: NDArray[np.int64], used: list[int]) -> dict[str, dict[str, float]]:
    found = {}
    for resource, name in enumerate(cluster.resources):
        wanted, has = load[used, resource], cluster.capacities[used, resource]
        able = has > 0
        found[name] = {
            "of_nodes_in_use": round(int(wanted.sum()) / whole * 100, 1) if (whole := int(has.sum())) else 0.0,
            "of_fullest_node": round(float(np.max(wanted[able] / has[able] * 100, initial=0.0)), 1),
        }
    return found
