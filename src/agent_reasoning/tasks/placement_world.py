"""Random clusters with three resources, and good assignments of them, proven to be the best as far as that is quick."""

from dataclasses import replace
from typing import Any

import numpy as np

from agent_reasoning.tasks.cluster import NOWHERE, Cluster, Objective
from agent_reasoning.tasks.packing import baseline, best_fit, cost, first_fit, pack
from agent_reasoning.tasks.placement_solver import best_assignment

RESOURCES = ("cpu", "memory", "gpu")
# (millicores, MiB, thousandths of a GPU)
TYPES = (
    (8_000, 32_768, 0),
    (16_000, 65_536, 0),
    (32_000, 131_072, 0),
    (16_000, 131_072, 2_000),
    (48_000, 262_144, 4_000),
)
GRAIN = (50, 64, 50)
TRIES = 8

Drawn = tuple[Cluster, list[int], bool]
EFFORT = 0.03


def node_count(workloads: int) -> int:
    """8 for 16, 12 for 32, and so on along the two lines through these."""
    return max(2, round(workloads / 2) if workloads <= 16 else round(8 + (workloads - 16) / 4))


def random_cluster(rng: np.random.Generator, workloads: int, objective: Objective, effort: float = EFFORT) -> Drawn:
    """A cluster, the best assignment that was found, and whether it is proven to be the best. Half of them are drawn again, for
    a while, until neither first-fit nor best-fit decreasing reaches it."""
    hard = rng.random() < 0.5
    easy: Drawn | None = None
    while True:
        for _ in range(TRIES):
            drawn = drawn_cluster(rng, workloads, objective)
            if drawn is None:
                continue
            cluster, planted = drawn
            start = _better(cluster, planted, baseline(cluster))
            reached = start is not None and cost(cluster, start) <= cluster.bound
            if hard and easy is not None and reached and baseline_reaches(cluster, cluster.bound):
                continue  # it would be drawn again whatever the best is
            best, proven = (start, True) if reached else best_assignment(cluster, effort, start)
            if best is None:
                best, proven = start, False
            if best is None:
                continue
            if not hard or not baseline_reaches(cluster, cost(cluster, best)):
                return cluster, best, proven
            easy = easy or (cluster, best, proven)
        if easy is not None:
            return easy


def random_context(rng: np.random.Generator, workloads: int) -> dict[str, Any]:
    """Equal nodes and what fits on them, since it was cut from them; every second one runs somewhere already."""
    nodes = node_count(workloads)
    cpu, memory, _ = TYPES[int(rng.integers(3))]
    node_of = np.concatenate([np.arange(nodes), rng.integers(0, nodes, max(0, workloads - nodes))])[:workloads]
    shares = np.zeros((workloads, 2))
    for node in range(nodes):
        here = np.flatnonzero(node_of == node)
        for resource in range(2):
            shares[here, resource] = rng.dirichlet(np.ones(len(here))) * rng.uniform(0.5, 0.9)
    running = rng.random() < 0.5
    return {
        "nodes": [{"name": f"node-{node}", "cpu": f"{cpu}m", "memory": f"{memory}Mi"} for node in range(nodes)],
        "workloads": [
            {
                "name": f"app-{number}",
                "cpu": f"{max(1, int(cpu * share[0]))}m",
                "memory": f"{max(1, int(memory * share[1]))}Mi",
                **({"node": f"node-{node}"} if running else {}),
            }
            for number, (share, node) in enumerate(zip(shares, node_of.tolist(), strict=True))
        ],
    }


def baseline_reaches(cluster: Cluster, objective: float) -> bool:
    tried = (pack(cluster, cluster.largest_first, merit) for merit in (first_fit, best_fit))
    return any(cost(cluster, one) <= objective for one in (*tried, baseline(cluster)) if one is not None)


def _better(cluster: Cluster, *found: list[int] | None) -> list[int] | None:
    return min((one for one in found if one is not None), key=lambda one: cost(cluster, one), default=None)


def drawn_cluster(
    rng: np.random.Generator, count: int, objective: Objective
) -> tuple[Cluster, list[int] | None] | None:
    """A cluster of so many workloads, and an assignment that is valid but for moves (None there)."""
    nodes = node_count(count)
    kinds = rng.choice(len(TYPES), 1 if rng.random() < 0.6 else int(rng.integers(2, 4)), replace=False)
    capacity = np.array([TYPES[kind] for kind in np.sort(rng.choice(kinds, nodes))])
    fill = rng.uniform(0.75, 0.95)
    in_use = nodes if rng.random() < 0.3 else min(nodes, int(np.ceil(fill * nodes / rng.uniform(0.93, 1.0))))
    used = rng.choice(nodes, in_use, replace=False)
    at = np.concatenate([used, rng.choice(used, count - in_use)]) if count >= in_use else rng.choice(used, count)
    tightest = int(rng.integers(2)) if capacity[:, 2].sum() == 0 or rng.random() < 0.7 else 2
    demand = np.zeros((count, 3), np.int64)
    whole = capacity.sum(0)
    for resource in range(3):
        share = rng.dirichlet(np.full(count, 1.0)) * 0
        level = fill if resource == tightest else fill * rng.uniform(0.4, 1.0)
        spread = rng.choice([0.6, 1.0, 2.0, 5.0])
        for node in used:
            here = np.flatnonzero(at == node)
            wanted = here if resource < 2 else here[rng.random(len(here)) < 0.6]
            if not len(wanted):
                continue
            full = (
                min(1.0, level * whole[resource] / capacity[used, resource].sum())
                if capacity[used, resource].sum()
                else 0
            )
            full = min(1.0, full * rng.uniform(0.95, 1.05))
            share = rng.dirichlet(np.full(len(wanted), spread)) * full * capacity[node, resource]
            demand[wanted, resource] = (share // GRAIN[resource] * GRAIN[resource]).astype(np.int64)
    demand[:, :2] = np.maximum(demand[:, :2], 0)
    allowed = np.ones((count, nodes), bool)
    if rng.random() < 0.3:
        for workload in np.flatnonzero(rng.random(count) < rng.uniform(0.1, 0.5)):
            allowed[workload] = rng.random(nodes) < rng.uniform(0.3, 0.8)
            allowed[workload, at[workload]] = True
    apart = []
    if rng.random() < 0.3:
        free = list(rng.permutation(count))
        for _ in range(int(rng.integers(1, 4))):
            group: list[int] = []
            for workload in list(free):
                if len(group) < rng.integers(2, 5) and at[workload] not in at[group]:
                    group.append(int(workload))
                    free.remove(workload)
            if len(group) > 1:
                apart.append(tuple(sorted(group)))
    current = (NOWHERE,) * count
    cluster = Cluster(
        RESOURCES, tuple(f"node-{n}" for n in range(nodes)), tuple(map(tuple, capacity.tolist())),
        tuple(f"app-{n}" for n in range(count)), tuple(map(tuple, demand.tolist())),
        tuple(tuple(np.flatnonzero(row).tolist()) for row in allowed), current, tuple(apart), objective,
    )  # fmt: skip
    running = pack(cluster, rng.permutation(count).tolist(), first_fit if rng.random() < 0.5 else best_fit)
    if objective != "fewest_moves":
        if running is not None and rng.random() < 0.5:
            cluster = replace(cluster, current=tuple(running))
        return cluster, at.tolist()
    running = running or at.tolist()
    drained = set(rng.choice(nodes, max(1, int(nodes * (1 - fill) * rng.uniform(0.3, 1.0))), replace=False).tolist())
    left = tuple(tuple(node for node in row if node not in drained) for row in cluster.allowed)
    return (replace(cluster, allowed=left, current=tuple(running)), None) if all(left) else None
