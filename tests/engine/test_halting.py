import numpy as np
import pytest

from agent_reasoning.engine.halting import Halting, best_step
from agent_reasoning.engine.job import StepRecord
from agent_reasoning.problem import Verdict

WRONG = Verdict(False, ("wrong",))


def steps(*verdicts, confidence=0.5, repeats=False):
    return [
        StepRecord(np.array([number]), confidence, verdict, repeats and number > 0)
        for number, verdict in enumerate(verdicts)
    ]


def costs(*costs, bound=0.0):
    return [WRONG if cost is None else Verdict(True, objective=float(cost), bound=bound) for cost in costs]


@pytest.mark.parametrize(
    ("found", "policy", "expected"),
    [
        (steps(Verdict(True)), Halting(), "verified"),
        (steps(WRONG), Halting(), None),
        (steps(*[WRONG] * 9), Halting(), "max_steps"),
        (steps(*costs(5)), Halting(), None),  # never merely because it is valid
        (steps(*costs(5, 3, bound=3.0)), Halting(), "verified"),
        (steps(*costs(5, 6, None)), Halting(no_improvement=3), None),
        (steps(*costs(5, 6, None, 7)), Halting(no_improvement=3), "no_improvement"),
        (steps(*costs(5, 6, None, 4)), Halting(no_improvement=3), None),
        (steps(*costs(5), confidence=0.995), Halting(sure=0.99), "confident"),
        (steps(*costs(5, 6), confidence=0.995), Halting(sure=0.99), None),  # sure of a worse answer than it has
        (steps(WRONG, confidence=1.0), Halting(), None),  # the head is no verifier
        (steps(*[WRONG] * 3, repeats=True), Halting(same_answer=3), "same_answer"),
        (steps(*[WRONG] * 3, repeats=True), Halting(same_answer=4), None),
        (steps(*[WRONG] * 3), Halting(same_answer=3), None),
        (steps(*costs(5, 5, 5), repeats=True), Halting(same_answer=2), None),  # for answers that were refused
    ],
)
def test_when_a_trajectory_stops(found, policy, expected):
    assert policy.decide(found, max_steps=9) == expected


def test_the_best_step_is_the_cheapest_valid_one_and_the_earlier_of_equals():
    assert best_step(steps(*costs(None, 4, 3, 3, None))) == 2
    assert best_step(steps(WRONG, WRONG)) == 1


@pytest.mark.parametrize(
    "values", [{"same_answer": 1}, {"no_improvement": 0}, {"sure": 0.0}, {"sure": 1.5}, {"head_start": -1}]
)
def test_a_policy_that_means_nothing_is_refused(values):
    with pytest.raises(ValueError, match="halting policy"):
        Halting(**values)


def test_noisy_samples_join_in_companies():
    rounds = [Halting(head_start=5).first_round(sample) for sample in range(64)]

    assert rounds == [0] + [5] * 3 + [10] * 12 + [15] * 48
    assert Halting().first_round(63) == 0
