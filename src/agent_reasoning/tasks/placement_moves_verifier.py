"""Whether moves lead to an assignment, one by one. Shares nothing with `moves`, which makes them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from agent_reasoning.tasks.base import Solution
from agent_reasoning.tasks.cluster import NOWHERE, Cluster

MOST_STATES = 4_000
"""Sets of moves made that are looked at before it is believed that no order exists; `moves` stops at fewer."""


def check_moves(cluster: Cluster, at: Sequence[int], solution: Solution) -> Iterator[str]:
    """What is wrong with `moves`, `blocked` and `needs_temporary_move`. at: [L] where the moves are to end."""
    moves, blocked = solution["moves"], solution.get("blocked", [])
    if not isinstance(moves, list) or not isinstance(blocked, list):
        yield "The moves are no list."
        return
    number = {name: workload for workload, name in enumerate(cluster.workloads)}
    cast = _Occupied(cluster)
    for place, move in enumerate(moves, 1):
        fields: Any = move if isinstance(move, dict) else {}
        workload, node = _looked_up(number, fields.get("workload")), _looked_up(cluster.node_number, fields.get("to"))
        if workload is None or node is None:
            yield f"Move {place} names no workload or no node."
            return
        name = cluster.workloads[workload]
        was = None if cast.at[workload] == NOWHERE else cluster.nodes[cast.at[workload]]
        if fields.get("from") != was or cast.at[workload] == node:
            yield f"Move {place}: {name} is on {was} by then."
        if not cluster.may_run[workload, node]:
            yield f"Move {place}: {name} may not run on {cluster.nodes[node]}."
        cast.move(workload, node)
        for violation in cast.wrong_on(node):
            yield f"Move {place}: {violation}"
    waiting = {_looked_up(number, name) for name in blocked}
    if None in waiting:
        yield "Something is blocked that is no workload."
    for workload, (where, shall) in enumerate(zip(cast.at, at, strict=True)):
        if (where == shall) == (workload in waiting):
            yield f"{cluster.workloads[workload]} ends elsewhere than the moves say."
    if solution.get("needs_temporary_move") and not (waiting and _there_is_no_order(cluster, at)):
        yield "It is not shown that no order does without a temporary move."


def _looked_up(number: dict[str, int], name: Any) -> int | None:
    return number.get(name) if isinstance(name, str) else None


class _Occupied:
    """Nodes while workloads move between them, from where they run now."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.at = list(cluster.current)
        self.left = [list(capacity) for capacity in cluster.capacity]
        self.of_group: Counter[tuple[int, int]] = Counter()  # (node, group) -> its members there
        self.crowded = [0] * len(cluster.nodes)
        """How often two that are kept apart are on a node."""
        for workload, node in enumerate(cluster.current):
            if node != NOWHERE:
                self._count(workload, node, 1)

    def move(self, workload: int, node: int) -> None:
        """To NOWHERE it is taken away."""
        if self.at[workload] != NOWHERE:
            self._count(workload, self.at[workload], -1)
        if node != NOWHERE:
            self._count(workload, node, 1)
        self.at[workload] = node

    def is_right(self, node: int) -> bool:
        return not self.crowded[node] and min(self.left[node], default=0) >= 0

    def wrong_on(self, node: int) -> Iterator[str]:
        if self.is_right(node):
            return
        name, resources = self.cluster.nodes[node], self.cluster.resources
        for resource, has, left in zip(resources, self.cluster.capacity[node], self.left[node], strict=True):
            if left < 0:
                yield f"{name} has {has} of {resource}, and {has - left} are wanted there."
        for (where, group), count in self.of_group.items():
            if where == node and count > 1:
                here = [self.cluster.workloads[one] for one in self.cluster.apart[group] if self.at[one] == node]
                yield f"{' and '.join(here[:2])} share {name}, and are to be kept apart."

    def _count(self, workload: int, node: int, sign: int) -> None:
        left = self.left[node]
        for resource, wants in enumerate(self.cluster.demand[workload]):
            left[resource] -= sign * wants
        for group in self.cluster.kept_apart[workload]:
            count = self.of_group[node, group]
            self.of_group[node, group] = count + sign
            self.crowded[node] += count if sign > 0 else 1 - count


def _there_is_no_order(cluster: Cluster, at: Sequence[int]) -> bool:
    """Breadth-first over the sets of moves that can have been made: none of few is all of them."""
    pending = [workload for workload, (now, shall) in enumerate(zip(cluster.current, at, strict=True)) if now != shall]
    everything, start = (1 << len(pending)) - 1, 0
    seen, layer, cast = {start}, [start], _Occupied(cluster)
    while layer:
        after: list[int] = []
        for made in layer:
            for place, workload in enumerate(pending):
                cast.move(workload, at[workload] if made >> place & 1 else cluster.current[workload])
            for place, workload in enumerate(pending):
                more = made | 1 << place
                if more in seen:
                    continue
                cast.move(workload, at[workload])
                if cast.is_right(at[workload]):
                    seen.add(more)
                    after.append(more)
                cast.move(workload, cluster.current[workload])
        if everything in seen or len(seen) > MOST_STATES:
            return False
        layer = after
    return True
