"""What there is to judge an answer by before the verifier says whether it is valid.

The halting head alone cannot tell whether an answer above the bound is the best all the same: that is a matter of the
problem (does its bound tend to be reached?), of how far above it the answer claims to be, and of how long the search has found
nothing better. None of it needs to know the task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.problem import TOKENS, Problem, ProblemSpec, Verdict

SURE = 15.0  # beyond it a logit says nothing more
OF_THE_SEARCH = (
    "logit", "logit²", "log step", "logit × log step", "log steps without a better one", "log gap", "log gap a cell", "gap",
)  # fmt: skip
OF_THE_PROBLEM = ("log cells", "log candidates", "share allowed, mean", "share allowed, deviation")
OF_EACH_FEATURE = ("mean", "deviation", "least", "most")


class Earlier(Protocol):
    @property
    def verdict(self) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """An answer as it is known when it is believed or not: of its verdict what it claims to reach, and no more."""

    logit: float
    step: int  # from 1
    objective: float | None = None
    bound: float | None = None
    problem: Problem | None = None
    earlier: Sequence[Earlier] = ()
    """The steps of its trajectory before, with what the verifier said of them."""

    @property
    def meets_bound(self) -> bool:
        return self.objective is not None and self.bound is not None and self.objective <= self.bound

    def signs(self) -> NDArray[np.float64] | None:
        """One number for each of `names`; None where there is no objective, or no bound, to compare."""
        if self.objective is None or self.bound is None or self.problem is None:
            return None
        logit, step = float(np.clip(self.logit, -SURE, SURE)), np.log(self.step)
        gap = (self.objective - self.bound) / max(abs(self.bound), 1e-9)
        of_the_search = (
            logit, logit**2, step, logit * step, np.log1p(self._without_a_better_one()), np.log(gap + 1e-3),
            np.log(gap * self.problem.size[0] + 1e-2), gap,
        )  # fmt: skip
        return np.concatenate([of_the_search, self.problem.summary])

    def _without_a_better_one(self) -> int:
        """For how many steps the least valid objective, this answer's included, has been the least."""
        found = [each.verdict.objective if each.verdict.valid else None for each in self.earlier]
        known = [np.inf if objective is None else objective for objective in found] + [self.objective or 0.0]
        return len(known) - 1 - int(np.argmin(known))


def names(spec: ProblemSpec) -> tuple[str, ...]:
    """Of the signs, in order."""
    features = (f"{feature}, {which}" for which in OF_EACH_FEATURE for feature in spec.cell_features)
    tokens = (f"share of token {number}" for number in range(TOKENS))
    return (*OF_THE_SEARCH, *OF_THE_PROBLEM, *features, *tokens)
