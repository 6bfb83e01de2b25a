"""From what is known of an answer to a probability that means what it says.

The head is trained to believe a right answer, on training's mix of steps; what callers see is the answers that did
not verify before, and their share of right ones differs at each step. So each refinement step has its own monotone
map, fitted on held-out instances (`evaluation.calibration`) and kept in the bundle. Where there is an objective, answers
whose own claims to it meet the bound have another one: if they are valid, nothing is better. For the others a bundle may
hold a weighing of all the evidence in place of the maps.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.engine.evidence import Evidence


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


@dataclass(frozen=True)
class Weighing:
    """The probability that an answer above the bound is the best: a layer of tanh over the signs of the evidence."""

    names: tuple[str, ...]
    """The signs' (`evidence.names`), the first I of them: signs that came later are not looked at."""
    lowest: tuple[float, ...]  # I; what is beyond the range it was fitted on counts as its end
    highest: tuple[float, ...]  # I
    hidden: tuple[tuple[float, ...], ...]  # for each of H units I weights of signs, scaled to -1..1, and a constant
    output: tuple[float, ...]  # H weights and a constant
    probability: StepMap
    """Of what comes out."""

    @cached_property
    def _arrays(self) -> tuple[NDArray[np.float64], ...]:
        return tuple(map(np.array, (self.lowest, self.highest, self.hidden, self.output)))

    def __call__(self, signs: NDArray[np.float64]) -> float:
        lowest, highest, hidden, output = self._arrays
        units = np.tanh(hidden[:, :-1] @ scaled(signs[: len(self.names)], lowest, highest) + hidden[:, -1])
        return self.probability(float(output[:-1] @ units + output[-1]))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Weighing":
        """Raises KeyError, TypeError or ValueError where the data is no weighing."""
        rows = [tuple(map(float, row)) for row in (data["lowest"], data["highest"], data["output"], *data["hidden"])]
        lowest, highest, output, *hidden = rows
        names = tuple(map(str, data["names"]))
        lengths = {len(names), len(lowest), len(highest), *(len(row) - 1 for row in hidden)}
        if len(lengths) > 1 or len(output) - 1 != len(hidden) or not all(np.isfinite(row).all() for row in rows):
            raise ValueError("a weighing needs finite numbers for each sign and each unit")
        return cls(names, lowest, highest, tuple(hidden), output, StepMap.from_dict(data["probability"]))

    def to_dict(self) -> dict[str, Any]:
        numbers = {name: getattr(self, name) for name in ("names", "lowest", "highest", "hidden", "output")}
        return {**numbers, "probability": self.probability.to_dict()}


def scaled(
    signs: NDArray[np.float64], lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[…, I] from the range to -1..1; 0 for a sign that is always the same."""
    middle, half = (lowest + highest) / 2, (highest - lowest) / 2
    found: NDArray[np.float64] = np.clip((signs - middle) / np.where(half > 0, half, np.inf), -1, 1)
    return found


@dataclass(frozen=True, slots=True)
class Confidence:
    """Calibrated probability that a step's answer verifies; where there is an objective, that it is the best one."""

    steps: tuple[StepMap, ...] = ()
    """One map for each refinement step; the last serves all later ones."""
    at_bound: StepMap | None = None
    """For the answers of all steps whose objective meets the bound."""
    above: Weighing | None = None
    """For the answers of all steps whose objective is above the bound."""

    def __call__(self, evidence: Evidence) -> float:
        """Without maps the head's own sigmoid, which nobody has checked."""
        if evidence.meets_bound and self.at_bound is not None:
            return self.at_bound(evidence.logit)
        if self.above is not None and (signs := evidence.signs()) is not None:
            return self.above(signs)
        if not self.steps:
            return float(1 / (1 + np.exp(-np.clip(evidence.logit, -60, 60))))
        return self.steps[min(evidence.step, len(self.steps)) - 1](evidence.logit)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Confidence":
        """Raises KeyError, TypeError or ValueError where the data is no calibration."""
        at_bound, above = data.get("at_bound"), data.get("above")
        return cls(
            tuple(map(StepMap.from_dict, data.get("steps", []))),
            None if at_bound is None else StepMap.from_dict(at_bound),
            None if above is None else Weighing.from_dict(above),
        )

    def to_dict(self) -> dict[str, Any]:
        parts = {"at_bound": self.at_bound, "above": self.above}
        return {
            "steps": [item.to_dict() for item in self.steps],
            **{name: part.to_dict() for name, part in parts.items() if part is not None},
        }
