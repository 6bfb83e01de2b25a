"""Random small rollouts, most with limits, with random and tampered schedules; the checker is the one of the tests (a
timeline in quarters, every order), which shares nothing with the package."""

import copy
from itertools import pairwise

import numpy as np

from agent_reasoning.tasks.dependencies import read_dependencies
from agent_reasoning.tasks.rollout import Rollout
from tests.tasks import rollouts as independent

TASK = Rollout()


def draw(rng):
    size = int(rng.integers(1, 6))
    density = rng.random() * 0.6
    order = [f"s{number}" for number in rng.permutation(size)]
    steps = {name: [other for other in order[:place] if rng.random() < density] for place, name in enumerate(order)}
    context = {"steps": dict(sorted(steps.items()))}
    if rng.random() < 0.8:
        context["max_parallel"] = int(rng.integers(1, 4))
    if rng.random() < 0.5:
        context["durations"] = {name: int(rng.integers(1, 9)) / 4 for name in order if rng.random() < 0.7}
    graph = read_dependencies(context)
    durations = [context.get("durations", {}).get(name, 1.0) for name in graph.names]
    return graph, durations, context.get("max_parallel", size)


def tampered(rng, solution):
    """Something else in one of its fields."""
    changed = copy.deepcopy(solution)
    names = [name for wave in solution["waves"] for name in wave]
    kind = rng.integers(5)
    if kind == 0 and "starts" in changed:  # a schedule of other starts that hangs together
        changed["starts"] = {
            name: max(0.0, start + int(rng.integers(-2, 3)) / 4) for name, start in changed["starts"].items()
        }
        times = sorted(set(changed["starts"].values()))
        changed["waves"] = [[name for name in names if changed["starts"][name] == time] for time in times]
        if rng.random() < 0.5:
            changed["total"] += int(rng.integers(-2, 3)) / 4
    elif kind == 1:
        changed["critical_path"] = [str(name) for name in rng.permutation(names)[: rng.integers(1, len(names) + 1)]]
    elif kind == 2:
        changed["waves"][int(rng.integers(len(changed["waves"])))].append(str(rng.choice([*names, "nobody"])))
    elif kind == 3:
        changed["waves"].pop(int(rng.integers(len(changed["waves"]))))
    elif "total" in changed:
        changed["total"] += int(rng.integers(-2, 3)) / 4
    return changed


def answered(rng):
    instance = draw(rng)
    graph = instance[0]
    problem = TASK.encode(graph)
    choice = np.array([rng.choice(np.flatnonzero(row)) for row in problem.candidates])
    if rng.random() < 0.5 and graph.limits is None:  # at random it would hardly ever be right
        choice = np.array(independent.depths(graph.needs)) - 1
    solution = TASK.decode(graph, choice)
    return instance, tampered(rng, solution) if rng.random() < 0.5 else solution


def verify(instance, solution):
    return TASK.verify(instance[0], solution)


def is_right(instance, solution):
    graph, durations, at_once = instance
    names = sorted(name for wave in solution["waves"] for name in wave)
    path = solution["critical_path"]
    number = {name: index for index, name in enumerate(graph.names)}
    if names != sorted(graph.names) or any(name not in number for name in path):
        return False
    linked = all(number[one] in graph.needs[number[other]] for one, other in pairwise(path))
    length = sum(durations[number[name]] for name in path)
    if not linked or length != max(independent.depths(graph.needs, durations)):
        return False
    if graph.limits is None:
        # As early as it can: as many waves before it as its longest chain has steps.
        depth = {name: wave for wave, found in enumerate(solution["waves"], 1) for name in found}
        return [depth[name] for name in graph.names] == independent.depths(graph.needs)
    starts = solution["starts"]
    times = sorted(set(starts.values()))
    return (
        independent.is_right(graph, durations, at_once, starts)
        and solution["total"] == independent.total(graph, durations, starts) <= sum(durations)
        and [sorted(wave) for wave in solution["waves"]]
        == [sorted(name for name in starts if starts[name] == time) for time in times]
    )


def best(instance):
    graph, durations, at_once = instance
    return None if graph.limits is None else independent.soonest(graph.needs, durations, at_once)
