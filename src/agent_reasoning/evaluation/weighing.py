"""Fitting the belief in answers above the bound: several small networks over the signs of the evidence, averaged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.engine.confidence import StepMap, Weighing, scaled

NETWORKS, UNITS, FOLDS = 5, 5, 5  # one alone would depend on chance
DECAY, ITERATIONS = 0.001, 200  # chosen on held-out problems
ENOUGH_PROBLEMS = 100  # with fewer nothing can be learned of problems
OUTLIERS = 0.01  # at either end of a sign's range
POINTS = 65  # of the curve from logits to probabilities

Table = NDArray[np.float64]
Network = tuple[Table, Table]  # as in Weighing: hidden [H, I + 1], output [H + 1]


def fit_weighing(
    names: Sequence[str], signs: Table, right: NDArray[np.bool_], problems: NDArray[np.int64]
) -> Weighing | None:
    """signs: [N, I], right: [N], problems: [N] which problem an answer is of: those of one are alike, so they are left out
    together. None where there are too few."""
    if len(np.unique(problems)) < ENOUGH_PROBLEMS or right.all() or not right.any():
        return None
    lowest, highest = np.quantile(signs, (OUTLIERS, 1 - OUTLIERS), axis=0)
    x, y = _with_one(scaled(signs, lowest, highest)), right.astype(float)
    fold = np.unique(problems, return_inverse=True)[1] % FOLDS
    # What they say of problems that they were fitted on is too good to be true: the map is fitted on what they would say
    # of others.
    unseen = [_logits(_fit_several(x[fold != number], y[fold != number]), x) for number in range(FOLDS)]
    networks = _fit_several(x, y)
    output = np.concatenate([last[:-1] for _, last in networks]) / NETWORKS
    bias = np.mean([last[-1] for _, last in networks])
    return Weighing(
        tuple(names),
        _rounded(lowest),
        _rounded(highest),
        tuple(_rounded(unit) for hidden, _ in networks for unit in hidden),
        _rounded([*output, bias]),
        _fit_curve(np.choose(fold, unseen), right),
    )


def _fit_curve(logits: Table, right: NDArray[np.bool_]) -> StepMap:
    """A logistic curve (Platt, 1999). A monotone map of any form takes the steps in what a few hundred problems came to, whose
    answers are right or wrong together, for the truth: of problems it was not fitted on it was worse."""
    from scipy.optimize import minimize

    def surprise(curve: Table) -> float:
        said = curve[0] * logits + curve[1]
        return float((np.logaddexp(0, said) - right * said).mean())

    slope, middle = minimize(surprise, np.array([1.0, 0.0])).x
    ends = np.linspace(logits.min(), logits.max(), POINTS)
    return StepMap(_rounded(ends), _rounded(1 / (1 + np.exp(-max(0.0, slope) * ends - middle))))


def _fit_several(x: Table, y: Table) -> list[Network]:
    return [_fit(x, y, seed) for seed in range(NETWORKS)]


def _fit(x: Table, y: Table, seed: int) -> Network:
    from scipy.optimize import minimize  # needed for fitting only, so not by the service

    inputs = x.shape[1]
    start = np.random.default_rng(seed).normal(0, inputs**-0.5, UNITS * inputs + UNITS + 1)

    def surprise(numbers: Table) -> tuple[float, Table]:
        """Cross-entropy and decay, and how they change with the numbers."""
        hidden, output = numbers[: UNITS * inputs].reshape(UNITS, inputs), numbers[UNITS * inputs :]
        units = np.tanh(x @ hidden.T)
        logits = units @ output[:-1] + output[-1]
        error = (1 / (1 + np.exp(-logits)) - y) / len(y)
        back = np.outer(error, output[:-1]) * (1 - units**2)
        slopes = np.concatenate([(back.T @ x).ravel(), units.T @ error, [error.sum()]])
        loss = (np.logaddexp(0, logits) - y * logits).mean() + DECAY * (numbers**2).sum()
        return float(loss), slopes + 2 * DECAY * numbers

    found = minimize(surprise, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS}).x
    return found[: UNITS * inputs].reshape(UNITS, inputs), found[UNITS * inputs :]


def _logits(networks: Sequence[Network], x: Table) -> Table:
    found: Table = np.mean([_with_one(np.tanh(x @ hidden.T)) @ output for hidden, output in networks], axis=0)
    return found


def _with_one(x: Table) -> Table:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)


def _rounded(numbers: Sequence[float] | Table) -> tuple[float, ...]:
    return tuple(round(float(number), 4) for number in numbers)
