"""Rollouts with limits as problems and answers: which slot of time a step starts in, and schedules made of that.

A choice is an order of preference: steps are placed one after the other, the earliest slot first and in a slot the longest
chain, each as early as its needs and the limit allow. So every choice makes a schedule that keeps the limits; how soon
it is done is the choice's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from agent_reasoning.problem import Problem
from agent_reasoning.tasks.base import Choice, Solution
from agent_reasoning.tasks.schedule import THOUSANDTHS, Limits

MOST_SLOTS = 24
NEGLIGIBLE = 1e-9  # where a time lies on the edge of a slot
CELL_FEATURES = ("head", "tail", "duration", "limit", "tie")
CANDIDATE_FEATURES = ("time", "after the earliest", "before the latest")


def slot_length(limits: Limits) -> tuple[int, float]:
    """How many slots there are, and how long each is: what list scheduling takes, so that nothing better needs more."""
    whole = limits.done(limits.by_critical_path())
    slots = min(MOST_SLOTS, len(limits.needs))
    if set(limits.durations) == {limits.durations[0]}:
        slots = min(slots, round(whole / limits.durations[0]))
    return slots, whole / slots


def encode(limits: Limits, relations: Mapping[str, Any], needs: Sequence[int], needed_by: Sequence[int]) -> Problem:
    slots, length = slot_length(limits)
    whole = slots * length
    heads, tails, durations = map(np.array, (limits.heads, limits.tails, limits.durations))
    # A slot is [start, start + length): which slots each step may start in, if nothing takes longer than `whole`.
    earliest = np.floor(heads / length + NEGLIGIBLE).astype(np.int64)
    latest = np.maximum(earliest, np.floor((whole - tails - durations) / length + NEGLIGIBLE).astype(np.int64))
    slot = np.arange(slots)
    allowed = (slot >= earliest[:, None]) & (slot <= latest[:, None])
    starts = (slot * length)[None, :]
    features = np.stack(
        np.broadcast_arrays(starts / whole, starts - heads[:, None], (whole - tails - durations)[:, None] - starts), -1
    )
    features[..., 1:] /= whole
    cells = [
        np.log1p(needs), np.log1p(needed_by), heads / whole, tails / whole, durations / durations.mean() / 4,
        np.full(len(heads), 1 / limits.at_once), np.zeros(len(heads)),
    ]  # fmt: skip
    members = [np.stack([cell, np.full(len(cell), number)], -1) for number, column in enumerate(allowed.T)
               if len(cell := np.flatnonzero(column))]  # fmt: skip
    return Problem(
        candidates=allowed,
        tokens=2 + (np.array(needs) > 0).astype(np.int64),
        cell_features=np.stack(cells, -1).astype(np.float32),
        candidate_features=features.astype(np.float32),
        relations=dict(relations),
        groups={"slot": tuple(members)},
    )


def choice_of_starts(limits: Limits, starts: Sequence[int]) -> Choice:
    _, length = slot_length(limits)
    return np.floor(np.array(starts) / length + NEGLIGIBLE).astype(np.int64)


def best_choices(limits: Limits, schedules: Sequence[Sequence[int]]) -> list[Choice]:
    """The choices for these schedules that lead to the best ones: slots are coarser than starts."""
    choices = [choice_of_starts(limits, starts) for starts in schedules]
    done = [limits.done(limits.schedule(priorities(limits, choice))) for choice in choices]
    unique = {choice.tobytes(): choice for choice, at in zip(choices, done, strict=True) if at == min(done)}
    return list(unique.values())


def decode(limits: Limits, names: Sequence[str], choice: Choice) -> Solution:
    return solution(limits, names, limits.schedule(priorities(limits, choice)))


def priorities(limits: Limits, choice: Choice) -> list[float]:
    chains = np.add(limits.durations, limits.tails)
    within: list[float] = (choice - chains / (chains.max() * 2)).tolist()
    return within


def solution(limits: Limits, names: Sequence[str], starts: Sequence[int]) -> Solution:
    at: dict[int, list[str]] = {time: [] for time in sorted(set(starts))}
    for name, start in zip(names, starts, strict=True):
        at[start].append(name)
    return {
        "waves": list(at.values()),
        "starts": {name: limits.in_callers_unit(start) for name, start in zip(names, starts, strict=True)},
        "total": limits.in_callers_unit(limits.done(starts)),
        "critical_path": [names[step] for step in limits.critical_path],
    }


def describe(limits: Limits, names: Sequence[str], solution: Solution) -> str:
    even = {duration * limits.unit for duration in limits.durations} == {THOUSANDTHS}
    one, several = ("wave", "waves") if even else ("unit of time", "units of time")
    starts = {name: limits.in_our_unit(start) for name, start in solution["starts"].items()}
    total = limits.in_words(limits.in_our_unit(solution["total"]))
    most = f", at most {limits.at_once} at a time" if limits.at_once < len(names) else ""
    lines = [f"{len(names)} step{'s'[: len(names) > 1]}{most}: done after {total} {one if total == '1' else several}."]
    for number, wave in enumerate(solution["waves"], 1):
        when = f"Wave {number}" if even else f"At {limits.in_words(starts[wave[0]])}"
        lines.append(f"{when}: {', '.join(wave)}")
    lines.append(f"Nothing can be done sooner than {limits.in_words(limits.bound)}.")
    return "\n".join(lines)
