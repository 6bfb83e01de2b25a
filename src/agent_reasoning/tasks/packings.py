"""What nodes can hold: the sets of workloads that fit on one together, as far as these are few."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Packings:
    """N sets of B workloads, K kinds of nodes, R resources."""

    workloads: NDArray[np.int64]
    """[B] those that were looked at, by number."""
    members: NDArray[np.bool_]
    """[N, B]; the first is empty."""
    load: NDArray[np.int64]
    """[N, R]"""
    fits: NDArray[np.bool_]
    """[N, K]"""


def packings(
    demand: NDArray[np.int64],
    capacity: NDArray[np.int64],
    may_run: NDArray[np.bool_],
    groups: NDArray[np.bool_],
    order: NDArray[np.int64],
    most: int,
) -> Packings:
    """All sets of the first workloads of `order`, of as many of these as make at most `most` sets.

    demand: [L, R]; capacity: [K, R]; may_run: [L, K]; order: [O] numbers; groups: [O, G] of which no two may
    share a node.
    """
    members = np.zeros((1, len(order)), np.bool_)
    load = np.zeros((1, demand.shape[1]), np.int64)
    fits = np.ones((1, len(capacity)), np.bool_)
    met = np.zeros((1, groups.shape[1]), np.bool_)
    taken = 0
    for place, workload in enumerate(order):
        with_it = load + demand[workload]
        fit = fits & may_run[workload] & (with_it[:, None] <= capacity).all(-1)
        fit &= ~(met & groups[place]).any(1)[:, None]
        some = np.flatnonzero(fit.any(1))
        if len(members) + len(some) > most:
            break
        joined = members[some]
        joined[:, place] = True
        members = np.concatenate([members, joined])
        load = np.concatenate([load, with_it[some]])
        fits = np.concatenate([fits, fit[some]])
        met = np.concatenate([met, met[some] | groups[place]])
        taken += 1
    return Packings(order[:taken], members[:, :taken], load, fits)
