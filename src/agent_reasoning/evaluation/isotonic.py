"""The monotone map from a number to a probability that fits best what came true."""

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.engine.confidence import StepMap


def fit_map(logits: NDArray[np.float64], right: NDArray[np.bool_]) -> StepMap:
    """Of a head's logits, or of other numbers that rise with the chance of being right."""
    from scipy.optimize import isotonic_regression  # needed for fitting only, so not by the service

    order = np.argsort(logits, kind="stable")
    fitted = isotonic_regression(right[order].astype(float)).x
    # A thousand right answers in a row do not make certainty: stay one imagined counter-example away from it.
    edge = 1 / (len(right) + 2)
    fitted = np.clip(fitted, edge, 1 - edge)
    x = logits[order]
    ends = np.flatnonzero(np.diff(fitted))
    kept = np.unique(np.concatenate([[0], ends, ends + 1, [len(x) - 1]]))  # where each flat piece starts and ends
    return StepMap(tuple(np.round(x[kept], 4).tolist()), tuple(np.round(fitted[kept], 5).tolist()))
