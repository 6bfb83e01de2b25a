"""Placements drawn from what a network says: many at once, on arrays.

A draw takes the network's logits, disturbs them, and places one workload after another where it is wished for most and has
room. Of an answer that is held, and said to the network, this makes others like it; one that is no worse is held next. Nothing
here looks for an answer otherwise: with a network that has learnt nothing it places at random.

C clusters of L workloads, V nodes, R resources and at most G sets kept apart; N draws.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.problem import Bools, Ints
from agent_reasoning.tasks.cluster import NOWHERE, Cluster, Objective

Reals = NDArray[np.float64]

DRAWS = 32  # of one opinion of the network
OBJECTIVES: tuple[Objective, ...] = ("consolidate", "spread", "fewest_moves")
CONSOLIDATE, SPREAD, FEWEST_MOVES = range(3)
UNPLACED = 1000.0  # what a workload that is nowhere adds to the objective: more than any answer costs
TEMPERATURES = np.array([0.3, 0.6, 1.0, 1.7])  # of the noise on the logits: each for a quarter of the draws
DISORDERS = np.array([0.1, 0.4, 0.8])  # standard deviations of the noise on the logarithm of sizes, by which they come
CLOSES = 0.8  # of the draws of `consolidate`, those that leave a node empty which is in use
CLOSING = 4.0  # how much rather one on which the network wishes little
FIRST = 0.5  # of the draws, those in which who has found no room so far comes before all others
RETURNS = 0.6  # of the draws of `fewest_moves`, those in which one that has moved stays where it was
LOWERS = 0.7  # of the draws of `spread`, those that may come to a percent less and no more; the others to as much
FIRST_LEVELS = np.array([0.8, 0.85, 0.9, 0.95, 1.0])  # of the capacities, while `spread` holds nothing
SLACK = np.array([-1.0, 0.5, -0.3])  # by objective, what room left over counts where a wish cannot be had
OPEN = 100.0  # what a node in use counts there, for `consolidate`
NEVER = -1e9
ROUNDING = 1e-7


class Crowd:
    """Clusters of one size, as arrays."""

    def __init__(self, clusters: Sequence[Cluster]) -> None:
        first = clusters[0]
        count, self.cells, self.width = len(clusters), len(first.workloads), len(first.nodes)
        resources = len(first.resources)
        self.capacity: Final[Reals] = np.array([each.capacity for each in clusters], float)
        self.capacity.shape = count, self.width, resources
        self.demand: Final[Reals] = np.array([each.demand for each in clusters], float)
        self.demand.shape = count, self.cells, resources
        self.allowed: Final[Bools] = np.zeros((count, self.cells, self.width), bool)
        self.sets = max(len(each.apart) for each in clusters)
        self.apart: Final[Bools] = np.zeros((count, self.cells, self.sets), bool)
        for number, cluster in enumerate(clusters):
            for workload, nodes in enumerate(cluster.allowed):
                self.allowed[number, workload, list(nodes)] = True
            for group, members in enumerate(cluster.apart):
                self.apart[number, list(members), group] = True
        self.current: Final[Ints] = np.array([each.current for each in clusters])
        self.objective: Final[Ints] = np.array([OBJECTIVES.index(each.objective) for each in clusters])
        self.per_capacity: Final[Reals] = np.where(self.capacity > 0, 1 / np.maximum(self.capacity, 1e-9), 0.0)
        whole = np.maximum(self.capacity.sum(1, keepdims=True), 1e-9)
        self.size: Final[Reals] = (self.demand / whole).max(2)
        """[C, L] the largest share of the whole cluster's capacity"""

    def costs(self, of: Ints, at: Ints) -> tuple[Reals, Reals]:
        """For assignments `at` [N, L] of the clusters `of` [N]: the objective, [N]; and what tells equals apart, in 0 to 1: for
        `consolidate` how full the emptiest node in use is, for `spread` how full all are."""
        on = np.zeros((len(of), self.cells, self.width))
        row, workload = np.nonzero(at >= 0)
        on[row, workload, at[row, workload]] = 1
        fullest = (np.swapaxes(on, 1, 2) @ self.demand[of] * self.per_capacity[of]).max(2)
        used = on.any(1)
        moved = ((at != self.current[of]) & (self.current[of] != NOWHERE) & (at >= 0)).sum(1)
        percent = np.ceil(fullest.max(1) * 100 - ROUNDING)
        kinds = [self.objective[of] == kind for kind in (CONSOLIDATE, SPREAD)]
        objective = np.select(kinds, [used.sum(1).astype(float), percent], moved.astype(float))
        least = np.select(kinds, [np.where(used, fullest, 1.0).min(1), (np.minimum(fullest, 1) ** 6).mean(1)], 0.0)
        return objective + UNPLACED * (at < 0).sum(1), least

    def takes(self, at: Ints, workload: int, node: int) -> bool:
        """Of the first cluster, whether the node bears all that `at` [L] puts on it, and this workload may be there."""
        here = at == node
        if not self.allowed[0, workload, node] or (self.demand[0, here].sum(0) > self.capacity[0, node]).any():
            return False
        return not (self.apart[0, here] & self.apart[0, workload]).sum(0).max(initial=0) > 1

    def place(
        self,
        of: Ints,
        wishes: Reals,
        order: Reals,
        closed: Bools,
        level: Reals,
        slack: Reals,
        *,
        wish_only: bool = False,
    ) -> Ints:
        """[N, L] where each workload goes, NOWHERE where it finds no room (`wish_only`: where it is wished for most). The largest
        of `order` [N, L] come first. `wishes` [N, L, V]; `closed` [N, V] take nobody; `level` [N]: how much of their capacities
        nodes may fill; `slack` [N]: what room that is left counts for who cannot have the first wish."""
        rows = np.arange(len(of))
        ranked = np.argsort(-order, 1)
        left = np.floor(self.capacity[of] * level[:, None, None] + ROUNDING)
        left[closed] = -1
        demand, allowed = self.demand[of[:, None], ranked], self.allowed[of[:, None], ranked]
        apart, wishes = self.apart[of[:, None], ranked], wishes[rows[:, None], ranked]
        per_capacity, packs = self.per_capacity[of], (self.objective[of] == CONSOLIDATE)[:, None]
        at, used = np.full((len(of), self.cells), NOWHERE), np.zeros((len(of), self.width), bool)
        taken = np.zeros((len(of), self.width, self.sets), bool)
        for number in range(self.cells):
            after = left - demand[:, number, None]
            fits = allowed[:, number] & (after >= 0).all(2)
            if self.sets:
                fits &= ~(taken & apart[:, number, None]).any(2)
            wish = wishes[:, number]
            node = wish.argmax(1)
            if not wish_only:
                second = wish + OPEN * (used & packs) + slack[:, None] * (after * per_capacity).sum(2)
                node = np.where(fits[rows, node], node, np.where(fits, second, NEVER).argmax(1))
            put = np.flatnonzero(fits[rows, node])
            there = node[put]
            left[put, there] = after[put, there]
            used[put, there] = True
            at[put, ranked[put, number]] = there
            taken[put, there] |= apart[put, number]
        return at

    def first(self, of: Ints) -> Ints:
        """[N, L] what is held before the first step: who runs somewhere and may stay there, the largest first, where moves
        count; nothing otherwise."""
        at = np.full((len(of), self.cells), NOWHERE)
        rows = np.flatnonzero(self.objective[of] == FEWEST_MOVES)
        if len(rows):
            of = of[rows]
            stays = np.arange(self.width) == self.current[of][..., None]
            none, all_of_it = np.zeros((len(rows), self.width), bool), np.ones(len(rows))
            runs = np.where((self.current[of] != NOWHERE), np.log(self.size[of] + 1e-3), -np.inf)
            found = self.place(of, stays.astype(float), runs, none, all_of_it, 0 * all_of_it, wish_only=True)
            at[rows] = np.where(found == self.current[of], found, NOWHERE)
        return at

    def draw(self, rng: np.random.Generator, of: Ints, held: Ints, objective: Reals, logits: Reals, draws: int) -> Ints:
        """[N, draws, L] assignments like those that are held, `held` [N, L], which come to `objective` [N]; from what the network
        says of them, `logits` [N, L, V]."""
        count = len(of) * draws
        clusters, at, reached = np.repeat(of, draws), np.repeat(held, draws, 0), np.repeat(objective, draws)
        said = np.repeat(logits, draws, 0)
        warmth = np.resize(TEMPERATURES, count)[:, None, None]
        wishes = np.where(self.allowed[clusters], said + warmth * rng.gumbel(size=said.shape), NEVER)
        disorder = rng.choice(DISORDERS, (count, 1))
        order = np.log(self.size[clusters] + 1e-3) + disorder * rng.normal(size=(count, self.cells))
        kind, complete = self.objective[clusters], (at != NOWHERE).all(1)
        some = (at != NOWHERE).any(1, keepdims=True) & (rng.random((count, 1)) < FIRST)
        order = np.where(some & (at == NOWHERE), np.inf, order)
        closed = np.zeros((count, self.width), bool)
        closing = np.flatnonzero((kind == CONSOLIDATE) & complete & (rng.random(count) < CLOSES))
        if len(closing):
            closed[closing, self._to_close(rng, clusters[closing], at[closing], said[closing])] = True
        returning = np.flatnonzero((kind == FEWEST_MOVES) & complete & (rng.random(count) < RETURNS))
        if len(returning):
            self._send_home(rng, clusters[returning], at[returning], returning, wishes, order)
        level = np.ones(count)
        lower = (reached - (rng.random(count) < LOWERS)) / 100
        level = np.where((kind == SPREAD) & complete, np.minimum(1.0, lower), level)
        nothing_yet = (kind == SPREAD) & (at == NOWHERE).all(1)
        level = np.where(nothing_yet, rng.choice(FIRST_LEVELS, count), level)
        found = self.place(clusters, wishes, order, closed, level, SLACK[kind])
        drawn: Ints = found.reshape(len(of), draws, self.cells)
        return drawn

    def _send_home(self, rng: np.random.Generator, of: Ints, at: Ints, rows: Ints, wishes: Reals, order: Reals) -> None:
        """In these rows, one that has moved and may stay comes first, and wishes for nothing but to stay."""
        home = self.current[of]
        stays = self.allowed[of[:, None], np.arange(self.cells), home] & (home != NOWHERE) & (at != home)
        chosen = np.where(stays, rng.random(stays.shape), -1.0).argmax(1)
        some = stays.any(1)
        rows, chosen = rows[some], chosen[some]
        wishes[rows, chosen, home[some, chosen]] = -NEVER
        order[rows, chosen] = np.inf

    def _to_close(self, rng: np.random.Generator, of: Ints, at: Ints, logits: Reals) -> Ints:
        """[N] a node in use for each draw, rather one where the network wishes little."""
        weights = np.exp(logits - logits.max(2, keepdims=True))
        wished = np.einsum("nlv,nl->nv", weights / weights.sum(2, keepdims=True), self.size[of] * self.width)
        used = (at[:, :, None] == np.arange(self.width)).any(1)
        closed: Ints = np.where(used, rng.gumbel(size=wished.shape) - CLOSING * wished, -np.inf).argmax(1)
        return closed

    def choose(
        self, rng: np.random.Generator, of: Ints, held: Ints, objective: Reals, drawn: Ints
    ) -> tuple[Ints, Reals]:
        """What is held next, [N, L], and its objective [N]: the best of what was drawn, if that is no worse. Of equals another
        answer rather than the same: to stand still finds nothing."""
        rows, draws = drawn.shape[:2]
        costs = self.costs(np.repeat(of, draws), drawn.reshape(rows * draws, -1))
        reached, least = (each.reshape(rows, draws) for each in costs)
        same = (drawn == held[:, None]).all(2)
        best = (10 * reached + least + 0.2 * rng.random(reached.shape) + 5 * same).argmin(1)
        here = np.arange(rows)
        taken = reached[here, best] <= objective
        return np.where(taken[:, None], drawn[here, best], held), np.where(taken, reached[here, best], objective)


class Refit:
    """A cluster's search, as the engine drives it; see `tasks.base.Search`."""

    def __init__(self, cluster: Cluster, draws: int = DRAWS, start: Ints | None = None) -> None:
        self._crowd, self._draws, self._start = Crowd([cluster]), draws, start

    def first(self) -> Ints:
        return self._crowd.first(ONE)[0] if self._start is None else self._start

    def next(self, held: Ints, logits: NDArray[np.float32], rng: np.random.Generator) -> Ints:
        objective, _ = self._crowd.costs(ONE, held[None])
        drawn = self._crowd.draw(rng, ONE, held[None], objective, logits[None].astype(float), self._draws)
        taken, reached = self._crowd.choose(rng, ONE, held[None], objective, drawn)
        return self._back_home(taken[0], float(reached[0]))

    def _back_home(self, at: Ints, objective: float) -> Ints:
        """Of equals, the one that moves fewer: who could as well be where it runs is put back there."""
        current = self._crowd.current[0]
        for workload in np.flatnonzero((current != NOWHERE) & (at != current) & (at != NOWHERE)).tolist():
            home, there = int(current[workload]), at.copy()
            there[workload] = home
            if self._crowd.takes(there, workload, home) and self._crowd.costs(ONE, there[None])[0][0] <= objective:
                at = there
        return at


ONE = np.zeros(1, np.int64)
