"""A placement that is too large to be looked at whole: a few nodes at a time, with what runs on them, are a small placement of
their own. What one of these comes to, all others left as they are, is valid and no worse."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.problem import Bools, Ints
from agent_reasoning.tasks.base import Choice
from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.packing import as_it_is, cost
from agent_reasoning.tasks.refit import Refit
from agent_reasoning.tasks.wide_packing import packed

NODES, PAIRS = 8, 512  # of a neighbourhood, at most: about what the model is trained on
TRIES = 16  # at a neighbourhood in which something can get better
EMPTY_FIRST = 4.0  # how much rather emptier nodes are looked at, where the fewest nodes count
PATIENCE = 40.0  # times that each node is looked at without a gain before the search ends


class PlacementParts:
    """A large cluster as `tasks.base.Parts` has it."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster, self._seed = cluster, seed
        self._placed = packed(cluster)
        self._search: Neighbourhoods | None = None

    @property
    def begins(self) -> bool:
        """Whether there is a valid start."""
        return NOWHERE not in self._placed or self._cluster.as_it_is is not None

    def start(self) -> Choice:
        """As it is, or as the heuristic places them, whichever is better. Who fits nowhere is put on a node that it may run
        on: that is not valid, and says so."""
        placed = self._placed
        found = [at for at in (as_it_is(self._cluster), placed) if at is not None and NOWHERE not in at]
        if found:
            best = min(found, key=lambda at: cost(self._cluster, at))
            self._search = Neighbourhoods(self._cluster, best, self._seed)
            return self.choice  # so that what comes of the parts, and nothing else, makes it better
        return np.array(
            [at if at != NOWHERE else nodes[0] for at, nodes in zip(placed, self._cluster.allowed, strict=True)]
        )

    @property
    def at(self) -> Choice:
        """Where everything is now, as parts are drawn from it."""
        return self._begun.at

    @property
    def choice(self) -> Choice:
        """With everybody back where it runs who could as well be there."""
        return self._begun.with_fewest_moves()

    @property
    def exhausted(self) -> bool:
        return self._begun.exhausted

    @property
    def looked_at(self) -> int:
        """How many parts have come back."""
        return self._begun.looked_at

    def next(self) -> "Part | None":
        return self._begun.next()

    def problem(self, part: "Part") -> tuple[Cluster, Refit]:
        return part.cluster, Refit(part.cluster, start=part.at)

    def take(self, part: "Part", found: Choice | None) -> bool:
        return self._begun.take(part, found)

    @property
    def _begun(self) -> "Neighbourhoods":
        assert self._search is not None, "a search of parts begins with a valid start"
        return self._search


@dataclass(frozen=True, slots=True)
class Part:
    """A neighbourhood: a cluster of its own, in which everything runs where it is placed now."""

    cluster: Cluster
    nodes: tuple[int, ...]  # of the whole cluster
    workloads: tuple[int, ...]
    at: Ints  # [workloads] where they are, by their place in `nodes`


class Neighbourhoods:
    """The whole cluster and where everything is now. Parts that are out are disjoint, so that they may come back in any order
    and be better all the same."""

    def __init__(self, cluster: Cluster, at: Sequence[int], seed: int) -> None:
        self._cluster, self._rng = cluster, np.random.default_rng([seed, len(cluster.workloads)])
        self._capacity = np.array(cluster.capacity, float)
        self._demand = np.array(cluster.demand, float)
        self._current = np.array(cluster.current)
        self.at: Ints = np.array(at)
        self._on: list[set[int]] = [set() for _ in cluster.nodes]
        for workload, node in enumerate(self.at.tolist()):
            self._on[node].add(workload)
        self._load = np.zeros_like(self._capacity)
        np.add.at(self._load, self.at, self._demand)
        self._per_capacity = np.where(self._capacity > 0, 1 / np.maximum(self._capacity, 1e-9), 0.0)
        self._busy: Bools = np.zeros(len(cluster.nodes), bool)
        self._fruitless = 0  # neighbourhoods since the last gain
        self.looked_at = 0  # those that have come back
        self._is_best = cost(cluster, self.at.tolist()) <= cluster.bound

    @property
    def exhausted(self) -> bool:
        """Nothing can be better; or each node has been looked at for some times, and nothing was gained."""
        return self._is_best or self._fruitless * NODES > PATIENCE * max(NODES, int(self._in_use.sum()))

    def next(self) -> Part | None:
        """A neighbourhood in which, for all that its bound says, something can get better; None where none was found among those
        that are not out."""
        for _ in range(TRIES):
            nodes = self._draw()
            if len(nodes) < 2:
                self._fruitless += not self._busy.any()  # nobody is waited for who could change that
                return None
            part = self._part(nodes)
            if part.cluster.workloads and cost(part.cluster, part.at.tolist()) > part.cluster.bound:
                self._busy[list(part.nodes)] = True
                return part
            self._fruitless += 1
        return None

    def take(self, part: Part, found: Ints | None) -> bool:
        """What a neighbourhood has come to, a valid placement of it; None where nothing was found. True where the objective of
        the neighbourhood became less."""
        self._busy[list(part.nodes)] = False
        self.looked_at += 1
        better = found is not None and cost(part.cluster, found.tolist()) < cost(part.cluster, part.at.tolist())
        if found is not None and (better or self._evens_out(part, found)):
            for workload, place in zip(part.workloads, found.tolist(), strict=True):
                was, node = int(self.at[workload]), part.nodes[place]
                self._on[was].discard(workload)
                self._on[node].add(workload)
                self._load[was] -= self._demand[workload]
                self._load[node] += self._demand[workload]
                self.at[workload] = node
        self._fruitless = 0 if better else self._fruitless + 1
        self._is_best = self._is_best or (better and cost(self._cluster, self.at.tolist()) <= self._cluster.bound)
        return better

    def with_fewest_moves(self) -> Choice:
        """[L] as it stands, and of equals one that moves fewer."""
        if self._cluster.objective == "fewest_moves":  # nobody is moved back there but by the model
            return self.at.copy()
        capacity, load, at = self._capacity, self._load.copy(), self.at.copy()
        count, level = np.bincount(at, minlength=len(load)), 1.0
        if self._cluster.objective == "spread":
            level = cost(self._cluster, at.tolist()) / 100
        together = {(group, int(at[each])) for each in range(len(at)) for group in self._cluster.kept_apart[each]}
        for workload in np.flatnonzero((self._current != NOWHERE) & (at != self._current)).tolist():
            home, groups = int(self._current[workload]), self._cluster.kept_apart[workload]
            fits = (load[home] + self._demand[workload] <= capacity[home] * level).all()
            opens = self._cluster.objective == "consolidate" and not count[home]
            if not fits or opens or not self._cluster.may_run[workload, home]:
                continue
            if any((group, home) in together for group in groups):
                continue
            together.difference_update((group, int(at[workload])) for group in groups)
            together.update((group, home) for group in groups)
            for node, sign in ((int(at[workload]), -1), (home, 1)):
                load[node] += sign * self._demand[workload]
                count[node] += sign
            at[workload] = home
        return at

    @property
    def _in_use(self) -> Bools:
        """[V] by whatever, also by what asks for nothing."""
        return np.array([bool(here) for here in self._on])

    def _full(self) -> NDArray[np.float64]:
        """[V] how full each node is of what it has least of."""
        full: NDArray[np.float64] = (self._load * self._per_capacity).max(1, initial=0.0)
        return full

    def _draw(self) -> list[int]:
        """Nodes that are not out: one where something is to be gained, and others that could help."""
        full = self._full()
        free = ~self._busy
        used = free & self._in_use
        if self._cluster.objective == "consolidate":
            first = np.where(used, self._rng.gumbel(size=len(full)) - EMPTY_FIRST * full, -np.inf)
            others = free.copy()  # nodes that are not in use, too: one large one may take the place of several
        elif self._cluster.objective == "spread":
            first = np.where(used, full, -np.inf)
            others = free & (full < full.max())
        else:
            moved = np.flatnonzero((self.at != self._current) & (self._current != NOWHERE))
            moved = moved[free[self.at[moved]]]
            if not len(moved):
                return []
            workload = int(self._rng.choice(moved))
            first = np.full(len(full), -np.inf)
            first[self.at[workload]] = 1.0
            others = free.copy()
        start = int(first.argmax())
        if first[start] == -np.inf:
            return []
        chosen = [start]
        if self._cluster.objective == "fewest_moves":
            home = int(self._current[workload])
            chosen += [home] if free[home] and home != start else []
        others[chosen] = False
        order = self._rng.permutation(np.flatnonzero(others))
        count = sum(len(self._on[node]) for node in chosen)
        for node in order.tolist():
            if len(chosen) == NODES:
                break
            if (len(chosen) + 1) * (count + len(self._on[node])) <= PAIRS:
                chosen.append(node)
                count += len(self._on[node])
        return chosen

    def _part(self, nodes: Sequence[int]) -> Part:
        cluster, place = self._cluster, {node: number for number, node in enumerate(nodes)}
        workloads = sorted(workload for node in nodes for workload in self._on[node])
        number = {workload: each for each, workload in enumerate(workloads)}
        counts_moves = cluster.objective == "fewest_moves"
        here = [tuple(sorted(number[each] for each in group if each in number)) for group in self._touching(workloads)]
        part = replace(
            cluster,
            nodes=tuple(cluster.nodes[node] for node in nodes),
            capacity=tuple(cluster.capacity[node] for node in nodes),
            workloads=tuple(cluster.workloads[workload] for workload in workloads),
            demand=tuple(cluster.demand[workload] for workload in workloads),
            allowed=tuple(self._allowed(workload, place) for workload in workloads),
            current=tuple(
                place.get(cluster.current[workload], NOWHERE) if counts_moves else NOWHERE for workload in workloads
            ),
            apart=tuple(group for group in here if len(group) > 1),
        )
        return Part(part, tuple(nodes), tuple(workloads), np.array([place[int(self.at[each])] for each in workloads]))

    def _allowed(self, workload: int, place: dict[int, int]) -> tuple[int, ...]:
        allowed = self._cluster.may_run[workload]
        return tuple(sorted(number for node, number in place.items() if allowed[node]))

    def _touching(self, workloads: Iterable[int]) -> list[tuple[int, ...]]:
        groups = {group for workload in workloads for group in self._cluster.kept_apart[workload]}
        return [self._cluster.apart[group] for group in sorted(groups)]

    def _evens_out(self, part: Part, found: Ints) -> bool:
        """Whether equals are worth taking: fuller full nodes and emptier empty ones make the next to be released."""
        worse = cost(part.cluster, found.tolist()) > cost(part.cluster, part.at.tolist())
        if worse or self._cluster.objective != "consolidate":
            return False
        return _squares(part.cluster, found) > _squares(part.cluster, part.at)


def _loads(cluster: Cluster, at: Ints) -> NDArray[np.float64]:
    """[V, R] as shares of the capacities."""
    capacity = np.array(cluster.capacity, float)
    load = np.zeros_like(capacity)
    np.add.at(load, at, np.array(cluster.demand, float))
    return np.where(capacity > 0, load / np.maximum(capacity, 1e-9), 0.0)


def _squares(cluster: Cluster, at: Ints) -> float:
    return float((_loads(cluster, at).max(1, initial=0.0) ** 2).sum())
