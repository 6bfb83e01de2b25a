"""rollout: in which order can these steps run? Every step gets the earliest wave in which everything it needs is done.

A topological sort solves this outright, in microseconds, so there is no baseline: whoever wants only the order should
sort. The task is here because it is the smallest real one on which the whole machine can be seen to work.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agent_reasoning.problem import Problem, ProblemSpec, RelationSpec, Verdict
from agent_reasoning.tasks.base import Choice, Labelled, Recipe, Solution, Task, TaskInfo
from agent_reasoning.tasks.dependencies import (
    DependencyContext,
    DependencyGraph,
    looks_like_dependencies,
    read_dependencies,
    shorten,
)

SPEC = ProblemSpec(
    vocabulary=("free", "waiting"),  # whether the step needs anything at all
    cell_features=("needs", "needed by"),  # how many, as log(1 + n)
    relations=(RelationSpec("needs", shift=1), RelationSpec("needed by", shift=-1)),
)


class Rollout(Task[DependencyGraph]):
    """Cells are steps, candidates are waves (as many as there are steps)."""

    info = TaskInfo(
        name="rollout",
        task_type="planning",
        summary="Puts steps that depend on each other into waves: each step as early as it can run.",
        example_question="In which order can I roll these services out?",
        example_context={"steps": {"database": [], "cache": [], "api": ["database", "cache"], "web": ["api"]}},
        spec=SPEC,
        sizes=(16, 24, 32),
        size_unit="steps",
        training_sizes=(2, 32),
        words=("roll", "order", "deploy", "wave", "upgrade", "release", "first", "schedule", "start"),
        recipe=Recipe(noise=0.5, halting={"same_answer": 8, "head_start": 2}),
    )
    Context = DependencyContext

    def matches(self, context: Mapping[str, Any]) -> bool:
        return "alerts" not in context and looks_like_dependencies(context)

    def read(self, context: Mapping[str, Any]) -> DependencyGraph:
        return read_dependencies(context)

    def encode(self, instance: DependencyGraph) -> Problem:
        steps = len(instance.names)
        edges = np.array([(need, step) for step, needs in enumerate(instance.needs) for need in needs], np.int64)
        edges = edges.reshape(-1, 2)
        needs = np.bincount(edges[:, 1], minlength=steps)
        needed_by = np.bincount(edges[:, 0], minlength=steps)
        candidates = np.ones((steps, steps), bool)
        # What a step says of itself: it needs nothing, so wave 1; or it needs something, so not wave 1.
        candidates[needs == 0, 1:] = False
        candidates[needs > 0, 0] = False
        return Problem(
            candidates=candidates,
            tokens=(needs > 0).astype(np.int64),
            cell_features=np.log1p(np.stack([needs, needed_by], -1)).astype(np.float32),
            relations={"needs": edges, "needed by": edges[:, ::-1]},
        )

    def decode(self, instance: DependencyGraph, choice: Choice) -> Solution:
        waves: list[list[str]] = [[] for _ in range(int(choice.max()) + 1)]
        for name, wave in zip(instance.names, choice, strict=True):
            waves[int(wave)].append(name)
        return {"waves": waves}

    def choice_of(self, instance: DependencyGraph, solution: Solution) -> Choice:
        wave_of = {name: number for number, wave in enumerate(solution["waves"]) for name in wave}
        if set(wave_of) != set(instance.names) or sum(map(len, solution["waves"])) != len(instance.names):
            raise ValueError("the waves do not hold every step once")
        return np.array([wave_of[name] for name in instance.names], np.int64)

    def verify(self, instance: DependencyGraph, solution: Solution) -> Verdict:
        """Valid if and only if every step stands in exactly one wave: the first, if it needs nothing; else the one
        right after the latest of what it needs. By induction over the waves that is the earliest it can run."""
        waves = solution.get("waves")
        if not isinstance(waves, list) or not all(isinstance(wave, list) for wave in waves):
            return Verdict(False, ("The solution has no list of waves.",))
        found: dict[str, int] = {}
        violations = []
        known = set(instance.names)
        for number, wave in enumerate(waves, 1):
            for name in wave:
                if not isinstance(name, str) or name not in known:
                    violations.append(f"Wave {number} holds {name!r}, which is no step.")
                elif name in found:
                    violations.append(f"{name} stands in wave {found[name]} and again in wave {number}.")
                else:
                    found[name] = number
        violations += [f"{name} stands in no wave." for name in instance.names if name not in found]
        for name, needs in zip(instance.names, instance.needs, strict=True):
            placed = {instance.names[need]: found.get(instance.names[need]) for need in needs}
            if name not in found or None in placed.values():
                continue
            latest = max(placed, key=lambda need: placed[need] or 0, default=None)
            earliest = (placed[latest] or 0) + 1 if latest is not None else 1
            if found[name] < earliest:
                violations.append(
                    f"{name} is in wave {found[name]}, but needs {latest}, which is in wave {placed[latest or '']}."
                )
            elif found[name] > earliest:
                violations.append(f"{name} is in wave {found[name]}, but could run in wave {earliest}.")
        return Verdict(not violations, tuple(violations))

    def describe(self, instance: DependencyGraph, solution: Solution) -> str:
        waves = [wave for wave in solution["waves"] if wave]
        count = (
            f"{len(instance.names)} step{'s'[: len(instance.names) > 1]} in {len(waves)} wave{'s'[: len(waves) > 1]}"
        )
        lines = [f"Wave {number}: {', '.join(wave) or '(empty)'}" for number, wave in enumerate(solution["waves"], 1)]
        return "\n".join([f"{count}; the steps of a wave can run at the same time.", *lines])

    def brief(self, instance: DependencyGraph, solution: Solution) -> str:
        return " | ".join(", ".join(shorten(wave)) or "–" for wave in solution["waves"])

    def baseline(self, instance: DependencyGraph) -> None:
        return None

    def generate(self, rng: np.random.Generator, size: int) -> Labelled[DependencyGraph]:
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
        return Labelled(DependencyGraph(names, tuple(needs)), level.astype(np.int64))
