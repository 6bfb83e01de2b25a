"""The best assignment by CP-SAT: for labels, evaluations and tests, never for answers."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.cp_sat import new_model, solve


def best_assignment(
    cluster: Cluster, effort: float = 10.0, hint: Sequence[int] | None = None, seed: int = 0
) -> tuple[list[int] | None, bool]:
    """[L] where each goes, None where nothing was found; and whether that is proven: the best, or that there is none.
    `effort`: see `cp_sat.solve`."""
    if not all(cluster.allowed):
        return None, True
    model = new_model()
    on = [{node: model.new_bool_var("") for node in nodes} for nodes in cluster.allowed]
    for of in on:
        model.add_exactly_one(of.values())
    guests: list[list[int]] = [[] for _ in cluster.nodes]
    for workload, of in enumerate(on):
        for node in of:
            guests[node].append(workload)
    for group in cluster.apart:
        for node in range(len(cluster.nodes)):
            sharing = [on[workload][node] for workload in group if node in on[workload]]
            if len(sharing) > 1:
                model.add_at_most_one(sharing)
    objective = _add_objective(model, cluster, on, guests)
    if hint is not None:
        for workload, of in enumerate(on):
            for node, var in of.items():
                model.add_hint(var, hint[workload] == node)
    model.minimize(objective)
    solver, proven = solve(model, effort, seed)
    if solver is None:
        return None, proven
    return [next(node for node, var in of.items() if solver.boolean_value(var)) for of in on], proven


def _add_objective(model: Any, cluster: Cluster, on: Any, guests: list[list[int]]) -> Any:  # ortools' types are its own
    """Capacities go with it: a node that is not used has none."""
    percent = model.new_int_var(0, 100, "") if cluster.objective == "spread" else None
    used = [model.new_bool_var("") for _ in cluster.nodes] if cluster.objective == "consolidate" else None
    for node, capacity in enumerate(cluster.capacity):
        for resource, has in enumerate(capacity):
            load = sum(cluster.demand[workload][resource] * on[workload][node] for workload in guests[node])
            if isinstance(load, int):
                continue
            if used is not None:
                model.add(load <= has * used[node])
            elif percent is not None:
                model.add(load * 100 <= has * percent)
            else:
                model.add(load <= has)
        if used is not None:
            for workload in guests[node]:
                model.add_implication(on[workload][node], used[node])
    if used is not None:
        for alike in cluster.interchangeable:
            for one, other in pairwise(alike):
                model.add_implication(used[other], used[one])
        return sum(used)
    if percent is not None:
        return percent
    return sum(1 - (of.get(was, 0)) for of, was in zip(on, cluster.current, strict=True) if was != NOWHERE)
