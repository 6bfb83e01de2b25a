"""Is a step's confidence what it says: the probability that this answer verifies, or where there is an objective, that
it is the best one? Fitting the map, and measuring it.

Both look at what callers see: a trajectory ends when its answer is proven, so step k holds only the instances for which
none had been before. An answer that cannot be what is looked for, by what came before it, gets confidence 0 from the
engine; such answers are measured, and left out of the fit.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.engine.confidence import Confidence, Weighing
from agent_reasoning.engine.evidence import Evidence
from agent_reasoning.evaluation.isotonic import fit_map
from agent_reasoning.evaluation.trajectories import Trajectory
from agent_reasoning.evaluation.weighing import fit_weighing

ENOUGH_INSTANCES, ENOUGH_FAILURES = 300, 30  # below either a step is fitted and measured together with all later ones
BINS = 10
DRAWS = 200  # of what could have come true


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the confidence at one refinement step is; the last line may stand for all later steps."""

    step: str
    answers: int
    failures: int
    auroc: float | None
    """Chance that a right answer got more confidence than a wrong one; None where either kind is missing."""
    calibration_error: float
    """Expected calibration error over ten bins of equal count."""
    by_chance: float
    """What that would be on average, were every belief perfect: so many problems show no less."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def fit(trajectories: Sequence[Trajectory], max_steps: int, signs: Sequence[str] = ()) -> Confidence:
    """A monotone map for each step (isotonic regression), as far as there are instances to fit it on, of the answers
    whose objective is above the bound; and one of all that meet it. With the names of the signs a weighing of them takes
    the place of the former, where there is an objective."""
    at_bound = _answers(trajectories, 1, max_steps, AT_BOUND)
    above = _fit_above(trajectories, signs) if signs else None
    left = [item for item in trajectories if above is None or item.evidence[0].objective is None]
    return Confidence(
        tuple(fit_map(step.logits, step.right) for step in _by_step(left, max_steps, of=ABOVE)),
        fit_map(at_bound.logits, at_bound.right) if len(at_bound.right) else None,
        above,
    )


def _fit_above(trajectories: Sequence[Trajectory], names: Sequence[str]) -> Weighing | None:
    picked = [
        (found, right, number)
        for number, item in enumerate(trajectories)
        for evidence, right, hopeless in zip(item.evidence, item.best, item.hopeless, strict=True)
        if not hopeless and not evidence.meets_bound and (found := evidence.signs()) is not None
    ]
    if not picked:
        return None
    signs, right, problems = zip(*picked, strict=True)
    return fit_weighing(names, np.stack(signs), np.array(right, bool), np.array(problems))


def measure(trajectories: Sequence[Trajectory], confidence: Confidence, max_steps: int) -> list[Quality]:
    """All answers together, then step by step, as far as there is enough of each."""
    lines = []
    by_step = _by_step(trajectories, max_steps, of=ALL)
    for found in (_answers(trajectories, 1, max_steps, ALL), *(by_step if len(by_step) > 1 else [])):
        said = np.where(found.hopeless, 0.0, list(map(confidence, found.evidence)))
        right = found.right
        name = str(found.first) if found.first == found.last else f"{found.first}–{found.last}"
        lines.append(
            Quality(
                name, len(right), int((~right).sum()), auroc(said, right), calibration_error(said, right),
                error_by_chance(said, found.problems),
            )
        )  # fmt: skip
    return lines


def auroc(said: NDArray[np.float64], right: NDArray[np.bool_]) -> float | None:
    """By ranks (Mann-Whitney), ties counted half."""
    if right.all() or not right.any():
        return None
    _, place, counts = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive, negative = int(right.sum()), int((~right).sum())
    return float((ranks[right].sum() - positive * (positive + 1) / 2) / (positive * negative))


def calibration_error(said: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Mean distance between what was said and what came, over bins of equal count, weighted by count."""
    order = np.argsort(said, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    return float(sum(len(part) * abs(said[part].mean() - right[part].mean()) for part in bins) / max(1, len(said)))


def error_by_chance(said: NDArray[np.float64], problems: NDArray[np.int64]) -> float:
    """The mean calibration error of beliefs that are the truth, by drawing what comes true: for each problem once, since its
    answers are mostly right or wrong together. problems: [N] which one an answer is of."""
    rng = np.random.default_rng(0)
    count = problems.max(initial=-1) + 1
    return float(np.mean([calibration_error(said, rng.random(count)[problems] < said) for _ in range(DRAWS)]))


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers of the steps from `first` to `last`."""

    first: int
    last: int
    evidence: list[Evidence]
    right: NDArray[np.bool_]
    hopeless: NDArray[np.bool_]
    problems: NDArray[np.int64]
    """Which trajectory an answer is of."""

    @property
    def logits(self) -> NDArray[np.float64]:
        return np.array([each.logit for each in self.evidence], np.float64)

    @property
    def enough(self) -> bool:
        return len(self.right) >= ENOUGH_INSTANCES and int((~self.right).sum()) >= ENOUGH_FAILURES


ALL, ABOVE, AT_BOUND = range(3)  # the last two without the hopeless


def _by_step(trajectories: Sequence[Trajectory], max_steps: int, *, of: int) -> list[_Answers]:
    """One entry for each step while there is enough in it and after it; then the rest as one."""
    found: list[_Answers] = []
    for step in range(1, max_steps + 1):
        here, later = (_answers(trajectories, *span, of) for span in ((step, step), (step + 1, max_steps)))
        if step == max_steps or not here.enough or not later.enough:
            rest = _answers(trajectories, step, max_steps, of)
            return [*found, rest] if len(rest.right) else found
        found.append(here)
    return found


def _answers(trajectories: Sequence[Trajectory], first: int, last: int, of: int) -> _Answers:
    picked = [
        (item.evidence[step], item.best[step], item.hopeless[step], number)
        for number, item in enumerate(trajectories)
        for step in range(first - 1, min(last, item.steps))
        if of == ALL or (not item.hopeless[step] and item.evidence[step].meets_bound == (of == AT_BOUND))
    ]
    evidence, right, hopeless, problems = zip(*picked, strict=True) if picked else ((), (), (), ())
    return _Answers(
        first, last, list(evidence), np.array(right, bool), np.array(hopeless, bool), np.array(problems, np.int64)
    )
