"""From a halting head's logit to a probability that means what it says.

The head is trained to believe a right answer, on training's mix of steps; what callers see is the answers that did
not verify before, and their share of right ones differs at each step. So each refinement step has its own monotone
map, fitted on held-out instances (`evaluation.calibration`) and kept in the bundle.
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


@dataclass(frozen=True, slots=True)
class Confidence:
    """Calibrated probability that a step's answer verifies."""

    steps: tuple[StepMap, ...] = ()
    """One map for each refinement step; the last serves all later ones."""

    def __call__(self, logit: float, step: int) -> float:
        """logit: the head's, step: from 1. Without maps the head's own sigmoid, which nobody has checked."""
        if not self.steps:
            return float(1 / (1 + np.exp(-np.clip(logit, -60, 60))))
        return self.steps[min(step, len(self.steps)) - 1](logit)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Confidence":
        """Raises KeyError, TypeError or ValueError where the data is no calibration."""
        maps = []
        for item in data.get("steps", []):
            logits, probabilities = tuple(map(float, item["logits"])), tuple(map(float, item["probabilities"]))
            rising = all(a <= b for row in (logits, probabilities) for a, b in pairwise(row))
            if (
                not logits
                or len(logits) != len(probabilities)
                or not rising
                or not 0 <= min(probabilities) <= max(probabilities) <= 1
            ):
                raise ValueError("a calibration map needs as many rising probabilities in 0..1 as it has rising logits")
            maps.append(StepMap(logits, probabilities))
        return cls(tuple(maps))

    def to_dict(self) -> dict[str, Any]:
        return {"steps": [{"logits": item.logits, "probabilities": item.probabilities} for item in self.steps]}
