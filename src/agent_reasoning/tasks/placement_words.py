"""A placement as callers get it, and in words."""

from collections.abc import Sequence
from typing import Any

from agent_reasoning.tasks.base import Solution
from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.moves import plan
from agent_reasoning.tasks.naming import shorten


def assigned(cluster: Cluster, assignment: Sequence[int]) -> Solution:
    nodes = [cluster.nodes[node] for node in assignment]
    return {"objective": cluster.objective, "assignment": dict(zip(cluster.workloads, nodes, strict=True))}


def with_moves(cluster: Cluster, assignment: Sequence[int]) -> Solution:
    """Beside the assignment: the moves that lead there, which nodes it frees, and how full they are."""
    steps = plan(cluster, assignment)
    moves = [
        {
            "workload": cluster.workloads[workload],
            "from": None if cluster.current[workload] == NOWHERE else cluster.nodes[cluster.current[workload]],
            "to": cluster.nodes[assignment[workload]],
        }
        for workload in steps.moves
    ]
    before, after = set(cluster.current) - {NOWHERE}, set(assignment)
    return {
        **assigned(cluster, assignment),
        "moves": moves,
        "blocked": [cluster.workloads[workload] for workload in steps.blocked],
        "needs_temporary_move": steps.exhausted,
        "nodes_in_use": len(after),
        "freed": [cluster.nodes[node] for node in sorted(before - after)],
        "unused": [name for node, name in enumerate(cluster.nodes) if node not in before | after],
        "utilisation": {"before": utilisation(cluster, cluster.current), "after": utilisation(cluster, assignment)},
        "not_understood": list(cluster.not_understood),
    }


def utilisation(cluster: Cluster, assignment: Sequence[int]) -> dict[str, Any]:
    """Percent, to a tenth, of each resource: over all nodes that are in use, and of the fullest of them."""
    found = {}
    for resource, name in enumerate(cluster.resources):
        load: dict[int, int] = {}
        for workload, node in enumerate(assignment):
            if node != NOWHERE:
                load[node] = load.get(node, 0) + cluster.demand[workload][resource]
        whole = sum(cluster.capacity[node][resource] for node in load)
        each = [used / has * 100 for node, used in load.items() if (has := cluster.capacity[node][resource]) > 0]
        found[name] = {
            "of_nodes_in_use": round(sum(load.values()) / whole * 100, 1) if whole else 0.0,
            "of_fullest_node": round(max(each, default=0.0), 1),
        }
    return found


def in_words(cluster: Cluster, solution: Solution, bound: float) -> str:
    count, nodes = len(cluster.workloads), len(cluster.nodes)
    in_use = len(set(solution["assignment"].values()))
    if not count:
        return "\n".join([f"There is nothing to place: all {nodes} nodes can be released.", *_notes(cluster)])
    lines = [f"{count} workload{'s'[: count > 1]} on {in_use} of {nodes} nodes."]
    if cluster.objective == "consolidate":
        lines.append(f"No fewer than {bound:g} can do.")
    elif cluster.objective == "spread":
        full = max(of["of_fullest_node"] for of in solution["utilisation"]["after"].values())
        lines.append(f"The fullest node is {full:g} % full; in whole percent, rounded up, nothing is below {bound:g}.")
    else:
        lines.append(f"No fewer than {bound:g} of those that run have to move.")
    for title, names in (("Freed", solution["freed"]), ("Not in use", solution["unused"])):
        if names:
            lines.append(f"{title}: {', '.join(shorten(names))}.")
    if changes := _changes(solution["utilisation"]):
        lines.append(f"Asked for of the nodes in use: {', '.join(changes)}.")
    moves = [f"{move['workload']}: {move['from'] or 'new'} → {move['to']}" for move in solution["moves"]]
    if moves:
        how_many = "1 move" if len(moves) == 1 else f"{len(moves)} moves, in this order"
        lines.append(f"{how_many}: {'; '.join(shorten(moves))}.")
    elif not solution["blocked"]:
        lines.append("Nothing has to move.")
    if solution["blocked"]:
        why = "no order does without a temporary move" if solution["needs_temporary_move"] else "no order was found"
        lines.append(f"Blocked by each other, {why}: {', '.join(shorten(solution['blocked']))}.")
    return "\n".join([*lines, *_notes(cluster)])


def _changes(utilisation: dict[str, Any]) -> list[str]:
    """Of each resource that anybody asks for."""
    found = []
    for name, after in utilisation["after"].items():
        now, then = (of["of_nodes_in_use"] for of in (utilisation["before"][name], after))
        if now or then:
            found.append(f"{name} {f'{now:g} → ' if now else ''}{then:g} %")
    return found


def _notes(cluster: Cluster) -> list[str]:
    notes = list(cluster.remarks)
    if cluster.not_understood:
        notes.append(f"Not understood, and not kept to: {'; '.join(shorten(list(cluster.not_understood)))}.")
    return notes
