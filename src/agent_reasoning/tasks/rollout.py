"""rollout: in which order can these steps run? Every step gets the earliest wave in which everything it needs is done.

A topological sort solves this outright, in microseconds, so there is no baseline: whoever wants only the order should
sort. The task is here because it is the smallest real one on which the whole machine can be seen to work.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agent_reasoning.problem import Problem, ProblemSpec, RelationSpec, Verdict
from agent_reasoning.tasks import limited
from agent_reasoning.tasks.base import Choice, Labelled, Recipe, Solution, Task, TaskInfo
from agent_reasoning.tasks.dependencies import (
    DependencyContext,
    DependencyGraph,
    looks_like_dependencies,
    read_dependencies,
)
from agent_reasoning.tasks.naming import shorten
from agent_reasoning.tasks.rollout_verifier import verify
from agent_reasoning.tasks.schedule_world import random_limits

SPEC = ProblemSpec(
    # Whether the step needs anything at all; and whether there are limits.
    vocabulary=("free", "waiting", "free, limited", "waiting, limited"),
    # How many, as log(1 + n); the others are those of rollouts with limits.
    cell_features=("needs", "needed by", *limited.CELL_FEATURES),
    candidate_features=limited.CANDIDATE_FEATURES,
    relations=(RelationSpec("needs", shift=1), RelationSpec("needed by", shift=-1)),
    groups=("slot",),
    ties=("tie",),
)


class Rollout(Task[DependencyGraph]):
    """Cells are steps, candidates are waves (as many as there are steps)."""

    info = TaskInfo(
        name="rollout",
        task_type="planning",
        summary="Puts steps that depend on each other into waves; where there are limits, so that all is done soonest.",
        example_question="In which order can I roll these services out?",
        example_context={"steps": {"database": [], "cache": [], "api": ["database", "cache"], "web": ["api"]}},
        spec=SPEC,
        sizes=(16, 24, 32),
        size_unit="steps",
        training_sizes=(3, 32),
        words=("roll", "order", "deploy", "wave", "upgrade", "release", "first", "schedule", "start"),
        recipe=Recipe(
            noise=3.0, halting={"same_answer": 4, "no_improvement": 12, "head_start": 1}, weighs_evidence=True
        ),
    )
    Context = DependencyContext

    def matches(self, context: Mapping[str, Any]) -> bool:
        return "alerts" not in context and looks_like_dependencies(context)

    def read(self, context: Mapping[str, Any], question: str = "") -> DependencyGraph:
        return read_dependencies(context)

    def encode(self, instance: DependencyGraph) -> Problem:
        steps = len(instance.names)
        edges = np.array([(need, step) for step, needs in enumerate(instance.needs) for need in needs], np.int64)
        edges = edges.reshape(-1, 2)
        needs = np.bincount(edges[:, 1], minlength=steps)
        needed_by = np.bincount(edges[:, 0], minlength=steps)
        relations = {"needs": edges, "needed by": edges[:, ::-1]}
        if instance.limits is not None:
            return limited.encode(instance.limits, relations, needs.tolist(), needed_by.tolist())
        candidates = np.ones((steps, steps), bool)
        # What a step says of itself: it needs nothing, so wave 1; or it needs something, so not wave 1.
        candidates[needs == 0, 1:] = False
        candidates[needs > 0, 0] = False
        features = np.zeros((steps, len(SPEC.cell_features)), np.float32)
        features[:, :2] = np.log1p(np.stack([needs, needed_by], -1))
        return Problem(
            candidates=candidates,
            tokens=(needs > 0).astype(np.int64),
            cell_features=features,
            candidate_features=np.zeros((steps, steps, len(SPEC.candidate_features)), np.float32),
            relations=relations,
        )

    def decode(self, instance: DependencyGraph, choice: Choice) -> Solution:
        if instance.limits is not None:
            return limited.decode(instance.limits, instance.names, choice)
        waves: list[list[str]] = [[] for _ in range(int(choice.max()) + 1)]
        for name, wave in zip(instance.names, choice, strict=True):
            waves[int(wave)].append(name)
        return {"waves": waves, "critical_path": [instance.names[step] for step in instance.critical_path]}

    def choice_of(self, instance: DependencyGraph, solution: Solution) -> Choice:
        if instance.limits is not None:
            starts = [instance.limits.in_our_unit(solution["starts"][name]) for name in instance.names]
            choice = limited.choice_of_starts(instance.limits, starts)
            if self.decode(instance, choice)["starts"] != solution["starts"]:
                raise ValueError("no choice makes this schedule")
            return choice
        wave_of = {name: number for number, wave in enumerate(solution["waves"]) for name in wave}
        if set(wave_of) != set(instance.names) or sum(map(len, solution["waves"])) != len(instance.names):
            raise ValueError("the waves do not hold every step once")
        return np.array([wave_of[name] for name in instance.names], np.int64)

    def verify(self, instance: DependencyGraph, solution: Solution) -> Verdict:
        return verify(instance, solution)

    def describe(self, instance: DependencyGraph, solution: Solution) -> str:
        path = f"Critical path: {' → '.join(shorten(solution['critical_path']))}."
        if instance.limits is not None:
            return f"{limited.describe(instance.limits, instance.names, solution)}\n{path}"
        waves = [wave for wave in solution["waves"] if wave]
        count = (
            f"{len(instance.names)} step{'s'[: len(instance.names) > 1]} in {len(waves)} wave{'s'[: len(waves) > 1]}"
        )
        lines = [f"Wave {number}: {', '.join(wave) or '(empty)'}" for number, wave in enumerate(solution["waves"], 1)]
        return "\n".join([f"{count}; the steps of a wave can run at the same time.", *lines, path])

    def brief(self, instance: DependencyGraph, solution: Solution) -> str:
        return " | ".join(", ".join(shorten(wave)) or "–" for wave in solution["waves"])

    def baseline(self, instance: DependencyGraph) -> Solution | None:
        """With limits list scheduling by the critical path; without, none: a sort solves it outright."""
        if instance.limits is None:
            return None
        starts = instance.limits.by_critical_path()
        return limited.solution(instance.limits, instance.names, starts)

    def random_context(self, rng: np.random.Generator, size: int) -> dict[str, Any]:
        """Every second one with a limit."""
        graph = self.generate_free(rng, size).instance
        steps = {
            name: [graph.names[need] for need in needs] for name, needs in zip(graph.names, graph.needs, strict=True)
        }
        return {"steps": steps} | ({"max_parallel": int(rng.integers(2, 5))} if rng.random() < 0.5 else {})

    def generate(self, rng: np.random.Generator, size: int) -> Labelled[DependencyGraph]:
        """Two in three with limits."""
        free = self.generate_free(rng, size)
        if rng.random() < 1 / 3 or size < 3:
            return free
        limits, schedules = random_limits(rng, free.instance.needs)
        graph = DependencyGraph(free.instance.names, limits.needs, limits)
        best, *others = limited.best_choices(limits, schedules)
        return Labelled(graph, best, tuple(others), limits.in_callers_unit(limits.done(schedules[0])), kind="limited")

    def generate_free(self, rng: np.random.Generator, size: int) -> Labelled[DependencyGraph]:
        """Depths spread evenly over 2 to 12 waves (one graph in ten: any depth, up to a chain), sparse to dense.

        Steps are dealt to levels. Each gets one need from the level before it, which makes its level its wave, and
        more from any earlier level at a density drawn for the graph.
        """
        deepest = min(size, 12) if rng.random() < 0.9 else size
        depth = int(rng.integers(min(2, size), deepest + 1))
        level = np.concatenate([np.arange(depth), rng.integers(0, depth, size - depth)])
        rng.shuffle(level)
        density = rng.choice([0.0, 0.06, 0.2, 0.5, 1.0]) * rng.random()
        # Some steps are popular, as a collector or a database is: they draw most of the extra needs.
        popularity = rng.random(size) ** rng.choice([0.5, 2.0, 6.0])
        needs: list[tuple[int, ...]] = []
        for step in range(size):
            before = np.flatnonzero(level == level[step] - 1)
            chosen = {int(rng.choice(before))} if len(before) else set()
            earlier = np.flatnonzero(level < level[step])
            extra = rng.random(len(earlier)) < density * popularity[earlier]
            needs.append(tuple(sorted(chosen | {int(index) for index in earlier[extra]})))
        names = tuple(f"step-{number:02d}" for number in range(1, size + 1))
        return Labelled(DependencyGraph(names, tuple(needs)), level.astype(np.int64), kind="free")
