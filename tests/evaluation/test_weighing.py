import numpy as np
import pytest

from agent_reasoning.evaluation.calibration import auroc, calibration_error
from agent_reasoning.evaluation.weighing import ENOUGH_PROBLEMS, fit_weighing

NAMES = ("one", "other", "constant")


def drawn(problems, seed, answers=8):
    """Whether an answer is right is a matter of its problem: where one sign is low, the other one counts, where it is high,
    its opposite."""
    rng = np.random.default_rng(seed)
    one, other = rng.uniform(-1, 1, (2, problems))
    signs = np.column_stack([3 + 2 * one, other / 100, np.full(problems, 7.0)])
    chance = 1 / (1 + np.exp(4 * one * other))
    right = rng.random(problems) < chance
    return tuple(np.repeat(each, answers, axis=0) for each in (signs, right, np.arange(problems), chance))


@pytest.fixture(scope="module")
def weigh():
    return fit_weighing(NAMES, *drawn(1500, 0)[:3])


def test_it_learns_what_no_sign_says_alone_and_means_what_it_says(weigh):
    signs, right, _, chance = drawn(1500, 1)

    said = np.array([weigh(each) for each in signs])

    assert auroc(said, right) > auroc(chance, right) - 0.05
    assert calibration_error(said, right) < 0.06
    assert auroc(signs[:, 0], right) == pytest.approx(0.5, abs=0.05)


def test_it_comes_out_the_same_again(weigh):
    assert fit_weighing(NAMES, *drawn(1500, 0)[:3]) == weigh


def test_of_few_problems_nothing_is_learned_however_many_answers_they_have():
    assert fit_weighing(NAMES, *drawn(ENOUGH_PROBLEMS - 1, 0, answers=50)[:3]) is None


def test_where_all_are_right_there_is_nothing_to_learn():
    signs, right, problems, _ = drawn(200, 0)

    assert fit_weighing(NAMES, signs, np.ones_like(right), problems) is None
