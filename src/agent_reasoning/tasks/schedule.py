"""Rollouts with limits: at most so many steps at a time, each of which takes its time.

A step may start when all that it needs is done and fewer than so many others run. To be done soonest is NP-hard
(P|prec|Cmax). Indices are those of the steps. Times are whole numbers, from 0: of the longest time that all durations are
multiples of, so that no sum is ever rounded.
"""

import bisect
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import gcd

import numpy as np

THOUSANDTHS = 1000  # callers' durations are read to three decimals


def exactly(thousandths: int) -> str:
    whole, part = divmod(thousandths, THOUSANDTHS)
    return f"{whole}.{part:03}".rstrip("0").rstrip(".") if part else str(whole)


@dataclass(frozen=True)
class Limits:
    """What a schedule must keep to. `needs[i]`: what step i needs first."""

    needs: tuple[tuple[int, ...], ...]
    durations: tuple[int, ...]
    """In multiples of `unit`."""
    at_once: int
    """How many steps may run at the same time."""
    unit: int = THOUSANDTHS
    """One of our times in thousandths of the caller's."""

    @classmethod
    def of(cls, needs: tuple[tuple[int, ...], ...], durations: Sequence[float], at_once: int) -> "Limits":
        """From durations in the caller's unit. Raises ValueError for the first one that has more than three decimals."""
        thousandths = [round(duration * THOUSANDTHS) for duration in durations]
        for duration, whole in zip(durations, thousandths, strict=True):
            if duration != whole / THOUSANDTHS:
                raise ValueError(f"{duration!r}")
        unit = gcd(*thousandths)
        return cls(needs, tuple(whole // unit for whole in thousandths), at_once, unit)

    def in_callers_unit(self, time: int) -> float:
        return time * self.unit / THOUSANDTHS

    def in_words(self, time: int) -> str:
        """In the caller's unit, exactly."""
        return exactly(time * self.unit)

    def in_our_unit(self, time: float) -> int:
        return round(time * THOUSANDTHS / self.unit)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The steps, each after all that it needs."""
        left = [len(needs) for needs in self.needs]
        found = [step for step, count in enumerate(left) if not count]
        for step in found:
            for following in self.needed_by[step]:
                left[following] -= 1
                if not left[following]:
                    found.append(following)
        return tuple(found)

    @cached_property
    def needed_by(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.needs]
        for step, needs in enumerate(self.needs):
            for need in needs:
                found[need].append(step)
        return tuple(map(tuple, found))

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """For each step how long the longest chain before it takes."""
        return self._longest(self.order, self.needs)

    @cached_property
    def tails(self) -> tuple[int, ...]:
        """For each step how long the longest chain after it takes."""
        return self._longest(self.order[::-1], self.needed_by)

    def _longest(self, order: Iterable[int], before: Sequence[Sequence[int]]) -> tuple[int, ...]:
        found = [0] * len(before)
        for step in order:
            found[step] = max((found[other] + self.durations[other] for other in before[step]), default=0)
        return tuple(found)

    @cached_property
    def critical_path(self) -> tuple[int, ...]:
        """A longest chain; no schedule is shorter than it."""
        step = min(
            range(len(self.needs)), key=lambda step: (self.heads[step] > 0, -self.tails[step] - self.durations[step])
        )
        path = [step]
        while self.needed_by[path[-1]]:
            path.append(max(self.needed_by[path[-1]], key=lambda other: self.tails[other] + self.durations[other]))
        return tuple(path)

    @cached_property
    def bound(self) -> int:
        """No schedule is done sooner. Where all later steps need all earlier ones, as between waves, the parts add up."""
        return sum(part.bound_of_part for part in self.parts)

    @cached_property
    def parts(self) -> tuple["Limits", ...]:
        """The steps cut wherever each of those after needs, in the end, each of those before."""
        ancestors = [0] * len(self.needs)
        for step in self.order:
            for need in self.needs[step]:
                ancestors[step] |= ancestors[need] | 1 << need
        order = sorted(self.order, key=lambda step: ancestors[step].bit_count())
        needed_by_all = [-1] * (len(order) + 1)  # for each place in the order: what all steps from there on need
        for place in range(len(order) - 1, -1, -1):
            needed_by_all[place] = needed_by_all[place + 1] & ancestors[order[place]]
        cuts, before = [0], 0
        for place, step in enumerate(order[:-1], 1):
            before |= 1 << step
            if before & needed_by_all[place] == before:
                cuts.append(place)
        if len(cuts) == 1:
            return (self,)
        return tuple(self._part(sorted(order[one:other])) for one, other in pairwise([*cuts, len(order)]))

    def _part(self, steps: list[int]) -> "Limits":
        number = {step: place for place, step in enumerate(steps)}
        needs = tuple(tuple(number[need] for need in self.needs[step] if need in number) for step in steps)
        return Limits(needs, tuple(self.durations[step] for step in steps), self.at_once, self.unit)

    @cached_property
    def bound_of_part(self) -> int:
        """For each chain before and after: between the two, the steps with at least such chains fill `at_once` lanes
        (Fernández and Bussell, 1973). With no chains that is the total over `at_once`; with one step the critical path.
        """
        durations, heads, tails = map(np.array, (self.durations, self.heads, self.tails))
        after, before = np.unique(heads), np.unique(tails)
        # As floats, whose products of matrices are fast; these sums are far below where a float skips whole numbers.
        inside = (heads >= after[:, None]).astype(float), (tails >= before[:, None]).astype(float)
        work = ((inside[0] * durations) @ inside[1].T).astype(np.int64)
        filled = np.where(work > 0, after[:, None] + before - (-work // self.at_once), 0)
        last = self.critical_path[-1]
        return max(int(filled.max()), self.heads[last] + self.durations[last])

    def done(self, starts: Sequence[int]) -> int:
        return max(start + duration for start, duration in zip(starts, self.durations, strict=True))

    def schedule(self, priority: Sequence[float]) -> list[int]:
        """When each step starts: one after the other, the lowest priority number first among those whose needs have
        been dealt with, each as early as it can (the serial schedule generation scheme; in the order of the starts of a
        best schedule it finds one that is as good)."""
        left = [len(needs) for needs in self.needs]
        ready = [(priority[step], step) for step, count in enumerate(left) if not count]
        heapq.heapify(ready)
        starts = [0] * len(self.needs)
        points, running = [0], [0]  # from each point in time on so many run
        while ready:
            _, step = heapq.heappop(ready)
            duration = self.durations[step]
            earliest = max((starts[need] + self.durations[need] for need in self.needs[step]), default=0)
            starts[step] = self._place(points, running, earliest, duration)
            for following in self.needed_by[step]:
                left[following] -= 1
                if not left[following]:
                    heapq.heappush(ready, (priority[following], following))
        return starts

    def _place(self, points: list[int], running: list[int], earliest: int, duration: int) -> int:
        """The first time from `earliest` on at which there is room for so long; takes it."""
        number = bisect.bisect_right(points, earliest) - 1
        start = earliest
        while number < len(points) and points[number] < start + duration:
            number += 1
            if running[number - 1] >= self.at_once:
                start = points[number]  # nothing runs beyond the last point, so there is a next one
        for edge in (start, start + duration):
            place = bisect.bisect_left(points, edge)
            if place == len(points) or points[place] > edge:
                points.insert(place, edge)
                running.insert(place, running[place - 1])
        for number in range(bisect.bisect_left(points, start), bisect.bisect_left(points, start + duration)):
            running[number] += 1
        return start

    def by_critical_path(self) -> list[int]:
        """List scheduling, the longest chain first: the classical heuristic."""
        return self.schedule([-(self.durations[step] + self.tails[step]) for step in range(len(self.needs))])
