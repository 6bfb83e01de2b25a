"""From a halting head's logit to a probability that means what it says.

The head is trained to believe a right answer, on training's mix of steps; what callers see is the answers that did
not verify before, and their share of right ones differs at each step. So each refinement step has its own monotone
map, fitted on held-out instances (`evaluation.calibration`) and kept in the bundle. Where there is an objective, answers
whose own claims to it meet the bound have another one: if they are valid, nothing is better.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class StepMap:
    logits: tuple[float, ...]  # ascending
    probabilities: tuple[float, ...]  # ascending, of the same length

    def __call__(self, logit: float) -> float:
        return float(np.interp(logit, self.logits, self.probabilities))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "StepMap":
        """Raises KeyError, TypeError or ValueError where the data is no map."""
        logits, probabilities = tuple(map(float, data["logits"])), tuple(map(float, data["probabilities"]))
        rising = all(a <= b for row in (logits, probabilities) for a, b in pairwise(row))
        if (
            not logits
            or len(logits) != len(probabilities)
            or not rising
            or not 0 <= min(probabilities) <= max(probabilities) <= 1
        ):
            raise ValueError("a calibration map needs as many rising probabilities in 0..1 as it has rising logits")
        return cls(logits, probabilities)

    def to_dict(self) -> dict[str, Any]:
        return {"logits": self.logits, "probabilities": self.probabilities}


@dataclass(frozen=True, slots=True)
class Confidence:
    """Calibrated probability that a step's answer verifies; where there is an objective, that it is the best one."""

    steps: tuple[StepMap, ...] = ()
    """One map for each refinement step; the last serves all later ones."""
    at_bound: StepMap | None = None
    """For the answers of all steps whose objective meets the bound."""

    def __call__(self, logit: float, step: int, meets_bound: bool = False) -> float:
        """logit: the head's, step: from 1. Without maps the head's own sigmoid, which nobody has checked."""
        if meets_bound and self.at_bound is not None:
            return self.at_bound(logit)
        if not self.steps:
            return float(1 / (1 + np.exp(-np.clip(logit, -60, 60))))
        return self.steps[min(step, len(self.steps)) - 1](logit)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Confidence":
        """Raises KeyError, TypeError or ValueError where the data is no calibration."""
        at_bound = data.get("at_bound")
        return cls(
            tuple(map(StepMap.from_dict, data.get("steps", []))),
            None if at_bound is None else StepMap.from_dict(at_bound),
        )

    def to_dict(self) -> dict[str, Any]:
        at_bound = {} if self.at_bound is None else {"at_bound": self.at_bound.to_dict()}
        return {"steps": [item.to_dict() for item in self.steps], **at_bound}
