"""Algorithms for root-cause that are in use, or a small program away."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from agent_reasoning.tasks import Solution
from agent_reasoning.tasks.outage import Outage
from agent_reasoning.tasks.root_cause import RootCause
from agent_reasoning.tasks.root_cause_solver import least_cost

TASK = RootCause()


def naming(outage: Outage, faults: Iterable[int]) -> Solution:
    chosen = set(faults)
    return TASK.decode(outage, np.array([int(suspect in chosen) for suspect in outage.suspects]))


def common_ancestor(outage: Outage) -> Solution:
    """The service that explains the most alerts; of several the nearest to them, which makes the fewest others fail."""

    def merit(suspect: int) -> tuple[int, int]:
        fails = outage.fails[suspect]
        return (fails & outage.alerts).bit_count(), -fails.bit_count()

    return naming(outage, [max(outage.suspects, key=merit)])


def random_walk(outage: Outage, restart: float = 0.15) -> Solution:
    """The service where a walk from the alerts along what they need is found most often (personalised PageRank, as
    MonitorRank and MicroRCA rank services)."""
    suspects = {suspect: number for number, suspect in enumerate(outage.suspects)}
    count = len(suspects)
    alerting = np.array([outage.alerts >> suspect & 1 for suspect in suspects], float)
    start = alerting / alerting.sum()
    step = np.zeros((count, count))
    for suspect, number in suspects.items():
        needs = [suspects[need] for need in outage.needs[suspect]]
        # It goes where there are alerts rather than where there are none, and stays where nothing is needed.
        weights = np.array([0.2 + alerting[need] for need in needs])
        if needs:
            step[number, needs] = weights / weights.sum()
        else:
            step[number, number] = 1.0
    at = start
    for _ in range(100):
        at = restart * start + (1 - restart) * at @ step
    return naming(outage, [outage.suspects[int(at.argmax())]])


def best_single(outage: Outage) -> Solution:
    return naming(outage, [min(outage.suspects, key=lambda suspect: outage.cost_of([suspect]))])


def best_pair(outage: Outage) -> Solution:
    pairs = [(one, other) for one in outage.suspects for other in outage.suspects if one <= other]
    return naming(outage, min([(), *map(set, pairs)], key=outage.cost_of))


def exact(outage: Outage) -> Solution:
    return naming(outage, least_cost(outage, 1)[1][0])


RIVALS: Mapping[str, Callable[[Outage], Solution]] = {
    "nearest common ancestor": common_ancestor,
    "random-walk ranking": random_walk,
    "best single fault": best_single,
    "best single or pair": best_pair,
    "baseline: that, then its neighbours": TASK.baseline,
    "exact search": exact,
}
