"""A cluster and what is to run on it, in whole numbers: the instance of the placement task."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.tasks.placement_bound import least

Objective = Literal["consolidate", "spread", "fewest_moves"]
NOWHERE = -1


@dataclass(frozen=True)
class Cluster:
    """V nodes, L workloads (one for each replica), R resources. Amounts are whole numbers of each resource's least unit."""

    resources: tuple[str, ...]
    nodes: tuple[str, ...]
    capacity: tuple[tuple[int, ...], ...]
    """[V][R] what a node has for these workloads."""
    workloads: tuple[str, ...]
    demand: tuple[tuple[int, ...], ...]
    """[L][R]"""
    allowed: tuple[tuple[int, ...], ...]
    """[L] the nodes that selectors, taints, cordons and drains leave a workload, ascending. Capacities aside."""
    current: tuple[int, ...]
    """[L] where it runs; NOWHERE if it does not."""
    apart: tuple[tuple[int, ...], ...] = ()
    """Groups of workloads of which no two may share a node."""
    objective: Objective = "consolidate"
    remarks: tuple[str, ...] = ()
    """Sentences: how the context was taken."""
    not_understood: tuple[str, ...] = ()
    """What it asks for, and no answer here keeps to."""

    @cached_property
    def bound(self) -> float:
        """No valid assignment has an objective below this."""
        return least(self)

    @cached_property
    def as_it_is(self) -> float | None:
        """What the objective comes to if everything stays where it runs; None where that is not valid."""
        from agent_reasoning.tasks.placement_verifier import as_it_is  # which needs this module

        return as_it_is(self)

    @cached_property
    def node_number(self) -> dict[str, int]:
        return {name: node for node, name in enumerate(self.nodes)}

    @cached_property
    def capacities(self) -> NDArray[np.int64]:
        """[V, R] `capacity`"""
        return np.array(self.capacity, np.int64).reshape(len(self.nodes), len(self.resources))

    @cached_property
    def demands(self) -> NDArray[np.int64]:
        """[L, R] `demand`"""
        return np.array(self.demand, np.int64).reshape(len(self.workloads), len(self.resources))

    @cached_property
    def may_run(self) -> NDArray[np.bool_]:
        """[L, V] `allowed`"""
        found = np.zeros((len(self.workloads), len(self.nodes)), np.bool_)
        known: dict[int, int] = {}  # by identity: to compare thousands of nodes takes as long as to write them
        for workload, nodes in enumerate(self.allowed):
            alike = known.setdefault(id(nodes), workload)
            if alike == workload:
                found[workload, list(nodes)] = True
            else:
                found[workload] = found[alike]
        return found

    @cached_property
    def memberships(self) -> NDArray[np.int64]:
        """[M, 2] (group of `apart`, workload)"""
        pairs = [(number, workload) for number, group in enumerate(self.apart) for workload in group]
        return np.array(pairs, np.int64).reshape(-1, 2)

    @cached_property
    def share(self) -> NDArray[np.float64]:
        """[L, V, R] a workload's demand as a share of a node's capacity; infinite where that is zero and it wants some."""
        demand = np.array(self.demand, float).reshape(len(self.workloads), 1, len(self.resources))
        capacity = np.array(self.capacity, float).reshape(1, len(self.nodes), len(self.resources))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(demand > 0, demand / capacity, 0.0)

    @cached_property
    def largest_first(self) -> tuple[int, ...]:
        """The workloads by their largest share of the whole cluster's capacity."""
        whole = np.maximum(np.array(self.capacity, float).sum(0), 1e-9)
        share = (np.array(self.demand, float).reshape(-1, len(self.resources)) / whole).max(1, initial=0.0)
        return tuple(int(index) for index in np.argsort(-share, kind="stable"))

    @cached_property
    def kept_apart(self) -> tuple[tuple[int, ...], ...]:
        """[L] the groups that a workload is in, by number."""
        found: list[list[int]] = [[] for _ in self.workloads]
        for number, group in enumerate(self.apart):
            for workload in group:
                found[workload].append(number)
        return tuple(map(tuple, found))

    @cached_property
    def interchangeable(self) -> tuple[tuple[int, ...], ...]:
        """Sets of nodes that no workload could tell apart: swap two, and an assignment is as good."""
        users: dict[int, set[int]] = {}
        for workload, nodes in enumerate(self.allowed):
            for node in nodes:
                users.setdefault(node, set()).add(workload)
        lodgers: dict[int, set[int]] = {}
        for workload, node in enumerate(self.current):
            if node != NOWHERE and self.objective == "fewest_moves":
                lodgers.setdefault(node, set()).add(workload)
        alike: dict[object, list[int]] = {}
        for node, capacity in enumerate(self.capacity):
            key = (capacity, frozenset(users.get(node, ())), node if node in lodgers else None)
            alike.setdefault(key, []).append(node)
        return tuple(tuple(nodes) for nodes in alike.values() if len(nodes) > 1)


class Filling:
    """A cluster being filled: what is left on each node, and who is there."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.left = [list(capacity) for capacity in cluster.capacity]
        self.count = [0] * len(cluster.nodes)
        self.taken: Counter[tuple[int, int]] = Counter()  # (group of `apart`, node) -> its members there
        self.at = [NOWHERE] * len(cluster.workloads)

    def fits(self, workload: int, node: int) -> bool:
        """Whether there is room, and nobody there to be kept apart from; whether it may go there at all is `allowed`."""
        for wants, has in zip(self.cluster.demand[workload], self.left[node], strict=True):
            if wants > has:
                return False
        return not any(self.taken[group, node] for group in self.cluster.kept_apart[workload])

    def put(self, workload: int, node: int) -> None:
        left = self.left[node]
        for resource, wants in enumerate(self.cluster.demand[workload]):
            left[resource] -= wants
        self.count[node] += 1
        self.taken.update((group, node) for group in self.cluster.kept_apart[workload])
        self.at[workload] = node

    def take(self, workload: int) -> None:
        node = self.at[workload]
        left = self.left[node]
        for resource, wants in enumerate(self.cluster.demand[workload]):
            left[resource] += wants
        self.count[node] -= 1
        self.taken.subtract((group, node) for group in self.cluster.kept_apart[workload])
        self.at[workload] = NOWHERE

    def slack(self, node: int) -> float:
        """What is left, as a share of the capacity, over all resources."""
        return sum(
            left / has for left, has in zip(self.left[node], self.cluster.capacity[node], strict=True) if has > 0
        )

    def used(self, node: int) -> float:
        """The utilisation of the resource that is used most."""
        return max(
            (1 - left / has for left, has in zip(self.left[node], self.cluster.capacity[node], strict=True) if has > 0),
            default=0.0,
        )
