"""How much it costs at least to cover everything with sets: prices of what is to be covered, by the simplex method.

Any prices give a bound that holds (see `Covering.bound`), so that nothing rests on how they were found: that is a search for
good ones. It is a linear relaxation's dual; no answer can be read off it.
"""

from dataclasses import dataclass
from math import ceil, inf, isfinite

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_PIVOTS = 400
LOOK_EVERY = 4  # pivots
NEGLIGIBLE = 1e-6
"""Far above the rounding of sums of some hundred numbers about 1, far below what a whole number is missed by."""
SMALLEST_PIVOT = 1e-8
HIGHEST = 1e5  # price that a bound is made of
TIE_BREAK = 1e-5
"""By how much what is to be covered is made to differ, so that the simplex method does not turn in circles."""


@dataclass(frozen=True, slots=True)
class Covering:
    """N sets, K kinds of them, I things to cover."""

    covers: Floats
    """[N, I] how much of each thing a set covers, whatever its kind."""
    more: Floats
    """[K, I] how much a set of this kind covers beside."""
    cost: Floats
    """[N, K] infinite where there is no such set."""
    needed: Floats
    """[I] not negative."""
    count: Floats
    """[K] how many sets of a kind there may be."""
    dearest: float
    """What an uncovered unit costs while prices are looked for."""

    def bound(self, prices: Floats) -> float:
        """What all sets together cost at least: the needed at their prices, less what the sets of each kind could earn at most
        by them (Lagrange's bound). prices: [I], not negative."""
        earned = (self.cost - (self.covers @ prices)[:, None]).min(0) - self.more @ prices
        return float(prices @ self.needed + np.minimum(earned, 0.0) @ self.count)


def least_cost(covering: Covering, enough: float = inf) -> float:
    """A bound as good as the linear relaxation's or nearly, in whole numbers at most: sooner if it reaches `enough`, or if the
    next whole number is out of reach."""
    things, kinds = len(covering.needed), len(covering.count)
    rows = things + kinds
    # Rows: each thing is covered, or left at the dearest price; of each kind there are no more than there may be.
    right = np.concatenate([covering.needed, covering.count])
    right = right + TIE_BREAK * (1 + np.arange(rows) * 0.618 % 1)
    inverse, at = np.eye(rows), right.copy()
    costs = np.concatenate([np.full(things, covering.dearest), np.zeros(kinds)])
    best = -inf
    for pivot in range(MOST_PIVOTS):
        dual = costs @ inverse
        prices, rents = dual[:things], dual[things:]
        reduced = covering.cost - (covering.covers @ prices)[:, None] - (covering.more @ prices + rents)
        place = int(reduced.argmin())
        entering = reduced.flat[place]
        if pivot % LOOK_EVERY == 0 or entering > -NEGLIGIBLE:
            # Where prices are huge, rounding would be more than NEGLIGIBLE.
            best = max(best, covering.bound(np.clip(prices, 0.0, HIGHEST)))
            relaxed = float(costs @ at)
            if not isfinite(relaxed) or ceil(best - NEGLIGIBLE) >= min(ceil(relaxed - NEGLIGIBLE), enough):
                break
        column = np.zeros(rows)
        loose = np.concatenate([prices, -rents])  # a thing that is covered more than needed; a set that is not used
        if loose.min() < entering:
            which = int(loose.argmin())
            entering, cost = loose[which], 0.0
            column[which] = -1.0 if which < things else 1.0
        else:
            number, kind = divmod(place, kinds)
            cost = float(covering.cost[number, kind])
            column[:things] = covering.covers[number] + covering.more[kind]
            column[things + kind] = 1.0
        if entering > -NEGLIGIBLE:
            break
        direction = inverse @ column
        usable = direction > SMALLEST_PIVOT
        if not usable.any():
            break
        ratio = np.full(rows, inf)
        np.divide(at, direction, out=ratio, where=usable)
        leaving = int(ratio.argmin())
        step = ratio[leaving]
        at -= step * direction
        at[leaving] = step
        inverse[leaving] /= direction[leaving]
        direction[leaving] = 0.0
        inverse -= direction[:, None] * inverse[leaving]
        costs[leaving] = cost
    return best
