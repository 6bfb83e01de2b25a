"""From where workloads run to where they shall: one move at a time, no node ever overdrawn by one."""

from collections.abc import Sequence
from dataclasses import dataclass

from agent_reasoning.tasks.cluster import NOWHERE, Cluster, Filling

MOST_SEARCHED = 64  # moves among which another order is searched for
MOST_STATES = 2_000  # that the search looks at


@dataclass(frozen=True, slots=True)
class Plan:
    moves: tuple[int, ...]
    """Workloads, in the order in which they go (or start)."""
    blocked: tuple[int, ...] = ()
    """Those that no order was found for: each needs room that another of them holds."""
    exhausted: bool = False
    """With blocked ones: every order was tried, so that there is none without a temporary move."""


def plan(cluster: Cluster, assignment: Sequence[int]) -> Plan:
    """Whoever has room goes, the largest first, until nobody is left; where some are stuck, a search over the orders."""
    pending = [workload for workload in cluster.largest_first if assignment[workload] != cluster.current[workload]]
    filling = _Moving(cluster)
    moves, waiting, stuck = list[int](), pending, False
    while waiting and not stuck:
        before, waiting = waiting, []
        for workload in before:
            if filling.may_come(workload, assignment[workload]):
                filling.move(workload, assignment[workload])
                moves.append(workload)
            else:
                waiting.append(workload)
        stuck = len(waiting) == len(before)
    if not waiting:
        return Plan(tuple(moves))
    if len(pending) > MOST_SEARCHED:
        return Plan(tuple(moves), tuple(waiting))
    found, exhausted = _search(cluster, assignment, pending)
    if found is not None:
        return Plan(tuple(found))
    return Plan(tuple(moves), tuple(waiting), exhausted)


def _search(cluster: Cluster, assignment: Sequence[int], pending: Sequence[int]) -> tuple[list[int] | None, bool]:
    """Depth-first over the sets of moves that have been made: an order, or none; and whether all were looked at."""
    filling, made = _Moving(cluster), dict[int, None]()
    seen: set[frozenset[int]] = set()

    def possible() -> list[int]:
        return [
            workload
            for workload in pending
            if workload not in made and filling.may_come(workload, assignment[workload])
        ]

    open_moves = [possible()]  # for each depth what has not been tried there
    while open_moves and len(made) < len(pending):
        if len(seen) >= MOST_STATES:
            return None, False
        if not open_moves[-1]:
            open_moves.pop()
            if made:
                filling.move_back(made.popitem()[0])
            continue
        workload = open_moves[-1].pop(0)
        filling.move(workload, assignment[workload])
        made[workload] = None
        if (state := frozenset(made)) in seen:
            filling.move_back(made.popitem()[0])
        else:
            seen.add(state)
            open_moves.append(possible())
    return ([*made], True) if len(made) == len(pending) else (None, True)


class _Moving(Filling):
    """Begins with what runs, also where that overdraws a node or puts two together that are to be kept apart."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.pairs = [0] * len(cluster.nodes)
        """On each node, of members of groups to be kept apart those beyond the first."""
        for workload, node in enumerate(cluster.current):
            if node != NOWHERE:
                self.put(workload, node)

    def put(self, workload: int, node: int) -> None:
        super().put(workload, node)
        self.pairs[node] += sum(self.taken[group, node] > 1 for group in self.cluster.kept_apart[workload])

    def take(self, workload: int) -> None:
        node = self.at[workload]
        self.pairs[node] -= sum(self.taken[group, node] > 1 for group in self.cluster.kept_apart[workload])
        super().take(workload)

    def may_come(self, workload: int, node: int) -> bool:
        """Whether the node would be as it should with this one, too: nobody comes to where two are that are to be kept apart."""
        return not self.pairs[node] and self.fits(workload, node)

    def move(self, workload: int, node: int) -> None:
        if self.at[workload] != NOWHERE:
            self.take(workload)
        self.put(workload, node)

    def move_back(self, workload: int) -> None:
        self.take(workload)
        if self.cluster.current[workload] != NOWHERE:
            self.put(workload, self.cluster.current[workload])
