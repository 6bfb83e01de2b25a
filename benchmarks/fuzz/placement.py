"""Random small clusters with random, settled, best and tampered placements, many with their moves; the checker is the one of the
tests (loads summed anew after every move, every assignment tried), which shares nothing with the package."""

import copy

import numpy as np

from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.placement import Placement
from tests.tasks import placements as independent

TASK = Placement()
OBJECTIVES = ("consolidate", "spread", "fewest_moves")


def draw(rng):
    """Most have room for everything somehow: their nodes were filled before what is left over was added."""
    nodes, count, resources = (int(rng.integers(low, high)) for low, high in ((1, 5), (1, 7), (1, 4)))
    demand = rng.integers(0, rng.choice([3, 8, 30]), (count, resources))
    planted = rng.integers(0, nodes, count)
    capacity = np.zeros((nodes, resources), np.int64)
    np.add.at(capacity, planted, demand)
    capacity += rng.integers(0, 1 + rng.choice([1, 3, 8]), capacity.shape)
    if rng.random() < 0.3:
        capacity[:] = capacity.max(0)
    if rng.random() < 0.2:
        capacity[rng.integers(nodes)] = rng.integers(0, 4)
    allowed = rng.random((count, nodes)) < rng.choice([0.5, 0.8, 1.0, 1.0])
    allowed[np.arange(count), planted] = True
    current = np.where(rng.random(count) < 0.3, rng.integers(0, nodes, count), planted)
    current[rng.random(count) < rng.choice([0.0, 0.0, 0.5])] = NOWHERE
    drained = rng.integers(nodes)
    if rng.random() < 0.4:
        allowed[(allowed.sum(1) > 1), drained] = False
    groups = [rng.choice(count, rng.integers(2, count + 1), replace=False) for _ in range(rng.integers(3)) if count > 1]
    return Cluster(
        ("cpu", "memory", "gpu")[:resources], tuple(f"n{node}" for node in range(nodes)), tuple(map(tuple, capacity.tolist())),
        tuple(f"w{workload}" for workload in range(count)), tuple(map(tuple, demand.tolist())),
        tuple(tuple(np.flatnonzero(row).tolist()) for row in allowed), tuple(current.tolist()),
        tuple(tuple(sorted(group.tolist())) for group in groups if rng.random() < 0.5), OBJECTIVES[rng.integers(3)],
    )  # fmt: skip


def tampered(rng, cluster, solution):
    """Something else in one of its fields."""
    changed = copy.deepcopy(solution)
    nodes, workloads = [*cluster.nodes, "nowhere"], [*cluster.workloads, "nobody"]
    kind = int(rng.integers(7))
    if kind == 0 or "moves" not in changed:
        changed["assignment"][str(rng.choice(workloads))] = str(rng.choice(nodes))
    elif kind == 1 and changed["moves"]:
        move = changed["moves"][int(rng.integers(len(changed["moves"])))]
        move[str(rng.choice(["from", "to"]))] = str(rng.choice(nodes))
    elif kind == 2 and changed["moves"]:
        changed["moves"].insert(int(rng.integers(len(changed["moves"]))), changed["moves"].pop())
    elif kind == 3 and changed["moves"]:
        gone = changed["moves"].pop(int(rng.integers(len(changed["moves"]))))
        if rng.random() < 0.5:
            changed["blocked"].append(gone["workload"])
    elif kind == 4:
        changed["needs_temporary_move"] = not changed["needs_temporary_move"]
    elif kind == 5:
        changed["freed"] = [name for name in cluster.nodes if rng.random() < 0.5]
    else:  # by way of somewhere else
        workload = str(rng.choice(cluster.workloads))
        stops = [str(node) for node in rng.choice(nodes[:-1], 2)]
        changed["moves"] += [{"workload": workload, "from": stops[0], "to": stops[1]}] * 2
    return changed


def answered(rng):
    cluster = draw(rng)
    kind = int(rng.integers(3))
    at = [int(rng.integers(len(cluster.nodes))) for _ in cluster.workloads]
    if kind == 0:  # what a network might choose
        solution = TASK.decode(cluster, np.array([rng.choice(allowed) for allowed in cluster.allowed]))
    else:
        if kind == 1:
            at = independent.best_places(cluster) or at
        solution = {"assignment": {name: cluster.nodes[node] for name, node in zip(cluster.workloads, at, strict=True)}}
    if rng.random() < 0.7:
        solution = TASK.complete(cluster, solution)
    return cluster, tampered(rng, cluster, solution) if rng.random() < 0.4 else solution


def verify(cluster, solution):
    return TASK.verify(cluster, solution)


def is_right(cluster, solution):
    number = {name: node for node, name in enumerate(cluster.nodes)}
    assignment = solution["assignment"]
    if assignment.keys() != set(cluster.workloads) or not set(assignment.values()) <= number.keys():
        return False
    at = [number[assignment[name]] for name in cluster.workloads]
    trivial = independent.as_it_is(cluster)
    if not independent.fits(cluster, at) or (trivial is not None and independent.cost(cluster, at) > trivial):
        return False
    return "moves" not in solution or independent.moves_are_right(cluster, at, solution)


def best(cluster):
    return independent.best(cluster)
