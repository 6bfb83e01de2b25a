"""Whether a rollout is what it says. Makes no schedule and shares nothing with what makes one but the instance."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, TypeGuard

from agent_reasoning.problem import Verdict
from agent_reasoning.tasks.base import Solution
from agent_reasoning.tasks.dependencies import DependencyGraph
from agent_reasoning.tasks.schedule import THOUSANDTHS, Limits, exactly

NEGLIGIBLE = 1e-6  # thousandths of the caller's unit


def verify(graph: DependencyGraph, solution: Solution) -> Verdict:
    """Any solution gets a verdict. A critical path may be left out; one that is given has to be right."""
    waves, path = solution.get("waves"), solution.get("critical_path", [])
    if not isinstance(waves, list) or not all(_are_names(wave) for wave in waves):
        return Verdict(False, ("The solution has no list of waves.",))
    if not _are_names(path):
        return Verdict(False, ("The critical path is no list of names.",))
    violations = [*_twice_or_never(graph, waves), *_no_chain(graph, path)]
    if graph.limits is None:
        violations += _not_earliest(graph, waves)
        if path and not violations and len(path) != len(waves):  # as many waves as the longest chain has steps
            violations.append(f"The critical path has {len(path)} steps; the longest chain has {len(waves)}.")
        return Verdict(not violations, tuple(violations))
    if violations:
        return Verdict(False, tuple(violations))
    return _within(graph, graph.limits, waves, path, solution)


def _are_names(values: Any) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _twice_or_never(graph: DependencyGraph, waves: list[list[str]]) -> Iterable[str]:
    """Every step stands in exactly one wave."""
    known, found = set(graph.names), dict[str, int]()
    for number, wave in enumerate(waves, 1):
        for name in wave:
            if name not in known:
                yield f"Wave {number} holds {name!r}, which is no step."
            elif name in found:
                yield f"{name} stands in wave {found[name]} and again in wave {number}."
            else:
                found[name] = number
    for name in graph.names:
        if name not in found:
            yield f"{name} stands in no wave."


def _not_earliest(graph: DependencyGraph, waves: list[list[str]]) -> Iterable[str]:
    """A step that needs nothing stands in the first wave, any other right after the latest of what it needs. By induction
    over the waves that is the earliest it can run."""
    found = {name: number for number, wave in reversed([*enumerate(waves, 1)]) for name in wave}
    for name, needs in zip(graph.names, graph.needs, strict=True):
        placed = {graph.names[need]: found.get(graph.names[need]) for need in needs}
        if name not in found or None in placed.values():
            continue
        latest = max(placed, key=lambda need: placed[need] or 0, default=None)
        earliest = (placed[latest] or 0) + 1 if latest is not None else 1
        if found[name] < earliest:
            yield f"{name} is in wave {found[name]}, but needs {latest}, which is in wave {earliest - 1}."
        elif found[name] > earliest:
            yield f"{name} is in wave {found[name]}, but could run in wave {earliest}."


def _no_chain(graph: DependencyGraph, path: list[str]) -> Iterable[str]:
    """Each step of the critical path needs the one before it."""
    number = {name: index for index, name in enumerate(graph.names)}
    if any(name not in number for name in path):
        yield "The critical path holds what is no step."
        return
    for before, after in pairwise(path):
        if number[before] not in graph.needs[number[after]]:
            yield f"The critical path goes from {before} to {after}, which does not need it."


def _within(
    graph: DependencyGraph, limits: Limits, waves: list[list[str]], path: list[str], solution: Solution
) -> Verdict:
    """Every step starts once, when all that it needs is done and fewer than the limit run; the waves, the total and the
    critical path are those of the starts; and it takes no longer than one step after the other."""
    names, starts = graph.names, solution.get("starts")
    if not isinstance(starts, dict):
        return Verdict(False, ("The solution has no `starts`.",))
    violations = [f"{name!r} starts and is no step." for name in starts if name not in set(names)]
    violations += [f"{name} does not start." for name in names if name not in starts]
    violations += [
        f"{name} starts at {start!r}, which is no time of three decimals from 0." for name, start in starts.items()
        if _thousandths(start) is None
    ]  # fmt: skip
    if violations:
        return Verdict(False, tuple(violations))
    lasting = {name: duration * limits.unit for name, duration in zip(names, limits.durations, strict=True)}
    begins = {name: _thousandths(starts[name]) or 0 for name in names}
    ends = {name: begins[name] + lasting[name] for name in names}
    for name, needs in zip(names, graph.needs, strict=True):
        for need in (names[need] for need in needs):
            if begins[name] < ends[need]:
                begin, done = exactly(begins[name]), exactly(ends[need])
                violations.append(f"{name} starts at {begin}, but needs {need}, which is done at {done}.")
    if path and not violations and sum(lasting[name] for name in path) < _longest_chain(graph, begins, lasting):
        violations.append("There is a longer chain than the critical path.")
    times = sorted(set(begins.values()))
    for time in times:  # most run where one begins
        running = sum(begins[name] <= time < ends[name] for name in names)
        if running > limits.at_once:
            violations.append(f"At {exactly(time)} run {running} steps; at most {limits.at_once} may.")
    total, one_by_one = max(ends.values()), sum(lasting.values())
    if _thousandths(solution.get("total")) != total:
        violations.append(f"All is done at {exactly(total)}, not at {solution.get('total')!r}.")
    if [sorted(wave) for wave in waves] != [sorted(name for name in names if begins[name] == time) for time in times]:
        violations.append("The waves are not the steps that start at the same time, in order.")
    if total > one_by_one:
        violations.append(f"It takes {exactly(total)}; one step after the other would take {exactly(one_by_one)}.")
    return Verdict(not violations, tuple(violations), total / THOUSANDTHS, bound=limits.in_callers_unit(limits.bound))


def _longest_chain(graph: DependencyGraph, begins: dict[str, int], lasting: dict[str, int]) -> int:
    """How long it takes; `begins`: in an order in which needs come first."""
    needs = dict(zip(graph.names, graph.needs, strict=True))
    found: dict[str, int] = {}
    for name in sorted(begins, key=begins.__getitem__):
        found[name] = lasting[name] + max((found[graph.names[need]] for need in needs[name]), default=0)
    return max(found.values())


def _thousandths(time: Any) -> int | None:
    """None for what is no time, or none of three decimals."""
    if isinstance(time, bool) or not isinstance(time, int | float) or not 0 <= time < float("inf"):
        return None
    whole = round(time * THOUSANDTHS)
    return whole if abs(time * THOUSANDTHS - whole) <= NEGLIGIBLE else None
