"""placement: where should the workloads run? Cells are workloads, candidates are nodes.

A choice is settled (`packing.settle`) before it is judged: chosen nodes take whom they have room for, the others go where
they fit.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.shapes import looks_like_placement
from agent_reasoning.problem import Problem, ProblemSpec, Verdict
from agent_reasoning.tasks.base import Choice, Labelled, Recipe, Solution, Task, TaskInfo
from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.neighbourhoods import PlacementParts
from agent_reasoning.tasks.packing import baseline, settle
from agent_reasoning.tasks.placement_context import PlacementContext
from agent_reasoning.tasks.placement_input import read_cluster
from agent_reasoning.tasks.placement_verifier import verify
from agent_reasoning.tasks.placement_words import assigned, in_words, with_moves
from agent_reasoning.tasks.placement_world import RESOURCES, random_cluster, random_context
from agent_reasoning.tasks.refit import OBJECTIVES, Refit

SHARES = tuple(f"share of {name}" for name in RESOURCES)
MOST = 4.0  # nodes that a share is cut off at: it does not fit anyway
SPEC = ProblemSpec(
    vocabulary=tuple(f"{objective}, {state}" for objective in OBJECTIVES for state in ("new", "running")),
    cell_features=(*(f"{name} of a mean node" for name in RESOURCES), "fill", "bound", "nodes", "tie"),
    candidate_features=(
        *SHARES, "one", "current", *(f"{name} to the largest node's" for name in RESOURCES), "tie of the node",
    ),
    groups=("node", "apart"),
    sums=(*SHARES, "one"),
    ties=("tie", "tie of the node"),
    holds=True,
)  # fmt: skip
MOST_PAIRS = 2**24
LOOKED_AT_WHOLE = 2**12
"""Pairs of a workload and a node, at most: beyond, parts of the cluster are improved (`neighbourhoods`)."""
MOST_LOOKED_AT_WHOLE = 2**15  # where there is no other way
ONE = 0.25  # what a workload counts in the sums, beside its shares


class Placement(Task[Cluster]):
    info = TaskInfo(
        name="placement",
        task_type="optimization",
        summary="Places workloads on nodes: on the fewest, spread evenly, or with the fewest moves.",
        example_question="On how few nodes can these workloads run?",
        example_context={
            "nodes": [
                {"name": "a", "cpu": 4, "memory": "8Gi"}, {"name": "b", "cpu": 4, "memory": "8Gi"},
                {"name": "c", "cpu": 4, "memory": "8Gi"},
            ],
            "workloads": [
                {"name": "db", "cpu": 2, "memory": "4Gi", "node": "a"},
                {"name": "web", "cpu": "500m", "memory": "512Mi", "replicas": 3},
            ],
        },
        spec=SPEC,
        sizes=(16, 32),
        size_unit="workloads",
        training_sizes=(8, 36),
        words=("place", "node", "consolidat", "spread", "move", "drain", "schedul", "bin", "pack", "capacity", "optimi"),
        recipe=Recipe(
            method="refits", H_cycles=1, L_cycles=3, batch_size=12, weight_decay=0.05, max_steps=24, noise=0.0,
            halting={"no_improvement": 12, "head_start": 1}, weighs_evidence=True,
        ),
    )  # fmt: skip

    Context = PlacementContext

    def matches(self, context: Mapping[str, Any]) -> bool:
        return looks_like_placement(context)

    def read(self, context: Mapping[str, Any], question: str = "") -> Cluster:
        found = read_cluster(context, question)
        cluster = replace(found.cluster, remarks=found.remarks, not_understood=found.not_understood)
        pairs = len(cluster.workloads) * len(cluster.nodes)
        if pairs > MOST_PAIRS:
            raise InvalidContext(
                f"{len(cluster.workloads)} workloads on {len(cluster.nodes)} nodes are {pairs} pairs; at most {MOST_PAIRS} are "
                "answered. Ask for a part of the cluster."
            )
        return cluster

    def encode(self, instance: Cluster) -> Problem:
        if not instance.workloads:  # an answer has to be picked for something
            return Problem(
                np.ones((1, 1), bool), np.zeros(1, np.int64), np.zeros((1, len(SPEC.cell_features)), np.float32),
                np.zeros((1, 1, len(SPEC.candidate_features)), np.float32),
            )  # fmt: skip
        count, nodes = len(instance.workloads), len(instance.nodes)
        capacity = np.array(instance.capacity, float).reshape(nodes, -1)
        demand = np.array(instance.demand, float).reshape(count, -1)
        share = np.minimum(instance.share, MOST)
        candidates = np.zeros((count, nodes), bool)
        for workload, allowed in enumerate(instance.allowed):
            candidates[workload, list(allowed)] = True
        fits = candidates & (share <= 1).all(-1)
        candidates = np.where(fits.any(1, keepdims=True), fits, candidates)
        current = np.array(instance.current)
        whole = np.maximum(capacity.sum(0), 1e-9)
        largest = np.maximum(capacity.max(0), 1e-9)
        features = np.zeros((count, nodes, len(SPEC.candidate_features)), np.float32)
        features[..., :3] = share
        features[..., 3] = ONE
        features[..., 4] = current[:, None] == np.arange(nodes)
        features[..., 5:8] = capacity / largest
        cells = np.zeros((count, len(SPEC.cell_features)), np.float32)
        cells[:, :3] = np.minimum(demand / (whole / nodes), MOST)
        cells[:, 3] = (demand.sum(0) / whole).max()
        cells[:, 4] = {"consolidate": 1 / nodes, "spread": 0.01, "fewest_moves": 1 / count}[
            instance.objective
        ] * instance.bound
        cells[:, 5] = np.log1p(nodes) / 4
        on_node = [np.stack([cell, np.full(len(cell), node)], -1) for node in range(nodes)
                   if len(cell := np.flatnonzero(candidates[:, node]))]  # fmt: skip
        apart = [
            np.array([(workload, node) for workload in group if candidates[workload, node]])
            for group in instance.apart for node in range(nodes)
            if candidates[list(group), node].sum() > 1
        ]  # fmt: skip
        return Problem(
            candidates=candidates,
            tokens=2 * OBJECTIVES.index(instance.objective) + (current != NOWHERE).astype(np.int64),
            cell_features=cells,
            candidate_features=features,
            groups={"node": tuple(on_node), "apart": tuple(apart)},
        )

    def search(self, instance: Cluster) -> Refit | None:
        return Refit(instance) if instance.workloads else None

    def parts(self, instance: Cluster, seed: int) -> PlacementParts | None:
        pairs = len(instance.workloads) * len(instance.nodes)
        if pairs <= LOOKED_AT_WHOLE:
            return None
        parts = PlacementParts(instance, seed)
        # Where the heuristic finds no room for all, parts of what it leaves would not help: all of it has to be looked at.
        return parts if parts.begins or pairs > MOST_LOOKED_AT_WHOLE else None

    def decode(self, instance: Cluster, choice: Choice) -> Solution:
        return assigned(instance, settle(instance, choice.tolist()) if instance.workloads else [])

    def complete(self, instance: Cluster, solution: Solution) -> Solution:
        return with_moves(instance, self.choice_of(instance, solution).tolist())

    def choice_of(self, instance: Cluster, solution: Solution) -> Choice:
        """Any assignment to nodes is a choice; one that is not valid is settled, and comes back as another."""
        number = {name: node for node, name in enumerate(instance.nodes)}
        try:
            return np.array([number[solution["assignment"][name]] for name in instance.workloads], np.int64)
        except KeyError as error:
            raise ValueError(f"{error} is no workload or no node") from None

    def verify(self, instance: Cluster, solution: Solution) -> Verdict:
        return verify(instance, solution)

    def describe(self, instance: Cluster, solution: Solution) -> str:
        return in_words(instance, solution, instance.bound)

    def brief(self, instance: Cluster, solution: Solution) -> str:
        at = self.choice_of(instance, solution).tolist()
        return f"{len(set(at))} of {len(instance.nodes)} nodes in use"

    def baseline(self, instance: Cluster) -> Solution | None:
        found = baseline(instance)
        return None if found is None else assigned(instance, found)

    def random_context(self, rng: np.random.Generator, size: int) -> dict[str, Any]:
        return random_context(rng, size)

    def generate(self, rng: np.random.Generator, size: int) -> Labelled[Cluster]:
        objective = OBJECTIVES[int(rng.choice(3, p=[0.5, 0.2, 0.3]))]
        cluster, best, _ = random_cluster(rng, size, objective)
        return Labelled(cluster, np.array(best), alike=cluster.interchangeable, kind=objective)
