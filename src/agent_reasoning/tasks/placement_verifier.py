"""Whether a placement is what it says. Shares nothing with what makes one but the instance and its bound."""

from collections.abc import Iterable, Sequence
from typing import Any

from agent_reasoning.problem import Verdict
from agent_reasoning.tasks.base import Solution
from agent_reasoning.tasks.cluster import NOWHERE, Cluster


def verify(cluster: Cluster, solution: Solution) -> Verdict:
    """Every workload is on one node, which it may run on and which has room for all that are there; nobody shares a node with
    whom it is kept apart from; and no more nodes are in use, nor more moves made, than there are. Any solution gets a
    verdict. Moves may be left out; those that are given have to lead there one by one without overdrawing a node."""
    assignment = solution.get("assignment")
    if not isinstance(assignment, dict):
        return Verdict(False, ("The solution has no `assignment`.",))
    number = {name: node for node, name in enumerate(cluster.nodes)}
    violations = [f"{name!r} is placed and is no workload." for name in assignment.keys() - set(cluster.workloads)]
    for name in cluster.workloads:
        where = assignment.get(name)
        if name not in assignment:
            violations.append(f"{name} is nowhere.")
        elif not isinstance(where, str) or where not in number:
            violations.append(f"{name} is on {where!r}, which is no node.")
    if violations:
        return Verdict(False, tuple(sorted(violations)))
    at = [number[assignment[name]] for name in cluster.workloads]
    violations += _forbidden(cluster, at)
    violations += _overdrawn(cluster, at)
    if "moves" in solution:
        violations += _moves(cluster, at, solution, number)
    if violations:
        return Verdict(False, tuple(violations))
    objective = _objective(cluster, at)
    if _is_valid(cluster, cluster.current) and (now := _objective(cluster, cluster.current)) < objective:
        return Verdict(False, (f"It comes to {objective:g}; as everything is now it is {now:g}.",))
    return Verdict(True, (), objective, cluster.bound)


def _is_valid(cluster: Cluster, at: Sequence[int]) -> bool:
    return NOWHERE not in at and not [*_forbidden(cluster, at), *_overdrawn(cluster, at)]


def _forbidden(cluster: Cluster, at: Sequence[int]) -> Iterable[str]:
    for workload, node in enumerate(at):
        if node not in cluster.allowed[workload]:
            yield f"{cluster.workloads[workload]} may not run on {cluster.nodes[node]}."


def _overdrawn(cluster: Cluster, at: Sequence[int], only: int | None = None) -> Iterable[str]:
    """`only`: the one node to look at."""
    load: dict[int, list[int]] = {}
    for workload, node in enumerate(at):
        if node != NOWHERE and only in (None, node):
            of = load.setdefault(node, [0] * len(cluster.resources))
            for resource, wants in enumerate(cluster.demand[workload]):
                of[resource] += wants
    for node, of in sorted(load.items()):
        for name, used, has in zip(cluster.resources, of, cluster.capacity[node], strict=True):
            if used > has:
                yield f"{cluster.nodes[node]} has {has} of {name}, and {used} are wanted there."
    for group in cluster.apart:
        first: dict[int, int] = {}
        for workload in group:
            node = at[workload]
            other = first.setdefault(node, workload)
            if other != workload and node != NOWHERE and only in (None, node):
                names = cluster.workloads[other], cluster.workloads[workload]
                yield f"{names[0]} and {names[1]} share {cluster.nodes[node]}, and are to be kept apart."


def _moves(cluster: Cluster, at: Sequence[int], solution: Solution, number: dict[str, int]) -> Iterable[str]:
    moves, blocked = solution["moves"], solution.get("blocked", [])
    if not isinstance(moves, list) or not isinstance(blocked, list):
        yield "The moves are no list."
        return
    workload_of = {name: workload for workload, name in enumerate(cluster.workloads)}
    now = list(cluster.current)
    for place, move in enumerate(moves, 1):
        fields: Any = move if isinstance(move, dict) else {}
        workload, node = workload_of.get(fields.get("workload")), number.get(fields.get("to"))
        if workload is None or node is None:
            yield f"Move {place} names no workload or no node."
            return
        was = None if now[workload] == NOWHERE else cluster.nodes[now[workload]]
        if fields.get("from") != was or now[workload] == node:
            yield f"Move {place}: {cluster.workloads[workload]} is on {was} by then."
        now[workload] = node
        for violation in _overdrawn(cluster, now, node):
            yield f"Move {place}: {violation}"
    waiting = {workload_of.get(name) for name in blocked}
    for workload, (where, shall) in enumerate(zip(now, at, strict=True)):
        if (where == shall) == (workload in waiting):
            yield f"{cluster.workloads[workload]} ends elsewhere than the moves say."


def _objective(cluster: Cluster, at: Sequence[int]) -> float:
    if cluster.objective == "consolidate":
        return float(len(set(at)))
    if cluster.objective == "fewest_moves":
        return float(sum(was not in (NOWHERE, node) for was, node in zip(cluster.current, at, strict=True)))
    load = {(node, resource): 0 for node in at for resource in range(len(cluster.resources))}
    for workload, node in enumerate(at):
        for resource, wants in enumerate(cluster.demand[workload]):
            load[node, resource] += wants
    return float(
        max(
            (-(-used * 100 // cluster.capacity[node][resource]) for (node, resource), used in load.items() if used),
            default=0,
        )
    )
