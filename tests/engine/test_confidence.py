import numpy as np
import pytest

from agent_reasoning.engine.confidence import Confidence, Weighing
from agent_reasoning.engine.evidence import OF_THE_SEARCH, Evidence
from agent_reasoning.problem import Problem


def test_a_logit_between_two_knots_is_interpolated_and_one_beyond_them_is_clamped():
    confidence = Confidence.from_dict({"steps": [{"logits": [-1, 1], "probabilities": [0.2, 0.6]}]})

    assert confidence(Evidence(0, 1)) == pytest.approx(0.4)
    assert confidence(Evidence(-9, 1)) == 0.2
    assert confidence(Evidence(9, 1)) == 0.6


def test_each_step_has_its_own_map_and_the_last_serves_all_later_ones():
    maps = [{"logits": [0], "probabilities": [share]} for share in (0.1, 0.9)]
    confidence = Confidence.from_dict({"steps": maps})

    assert [confidence(Evidence(0, step)) for step in (1, 2, 3, 60)] == [0.1, 0.9, 0.9, 0.9]


def test_without_a_map_the_heads_own_belief_is_said():
    assert Confidence()(Evidence(0, 1)) == 0.5


def test_a_map_survives_a_trip_through_a_bundle():
    data = {"steps": [{"logits": (-1.0, 1.0), "probabilities": (0.25, 0.5)}]}

    assert Confidence.from_dict(data).to_dict() == data


@pytest.mark.parametrize(
    "step",
    [
        {"logits": [], "probabilities": []},
        {"logits": [0, 1], "probabilities": [0.5]},
        {"logits": [1, 0], "probabilities": [0.1, 0.2]},
        {"logits": [0, 1], "probabilities": [0.2, 0.1]},
        {"logits": [0], "probabilities": [1.5]},
    ],
)
def test_what_is_no_rising_map_is_refused(step):
    with pytest.raises(ValueError, match="calibration map"):
        Confidence.from_dict({"steps": [step]})


TWO_SIGNS = {
    "names": ("one", "other"),
    "lowest": (0.0, 5.0),
    "highest": (10.0, 5.0),
    "hidden": ((2.0, 100.0, 0.5), (0.0, 0.0, -1.0)),
    "output": (3.0, 1.0, -0.25),
    "probability": {"logits": (-10.0, 10.0), "probabilities": (0.0, 1.0)},
}


def test_a_weighing_is_a_layer_of_tanh_over_signs_within_the_range_it_was_fitted_on():
    weigh = Weighing.from_dict(TWO_SIGNS)

    def said(sign):  # by hand; the second sign was always the same, so that it says nothing
        return 0.5 + (3 * np.tanh(2 * (sign - 5) / 5 + 0.5) + np.tanh(-1) - 0.25) / 20

    assert weigh(np.array([7.0, 5.0])) == pytest.approx(said(7.0))
    assert weigh(np.array([7.0, 9.0])) == pytest.approx(said(7.0))
    assert weigh(np.array([99.0, 5.0])) == pytest.approx(said(10.0))


def test_a_weighing_survives_a_trip_through_a_bundle():
    data = {"steps": [], "above": TWO_SIGNS}

    assert Confidence.from_dict(data).to_dict() == data


def test_only_answers_above_a_bound_are_weighed():
    problem = Problem(np.ones((1, 1), bool), np.zeros(1, np.int64), np.zeros((1, 1), np.float32))
    signs = len(problem.summary) + len(OF_THE_SEARCH)
    flat = {name: [0.0] * signs for name in ("names", "lowest", "highest")}
    data = {
        "steps": [{"logits": [0], "probabilities": [0.2]}],
        "at_bound": {"logits": [0], "probabilities": [0.9]},
        "above": {**TWO_SIGNS, **flat, "hidden": [[0.0] * (signs + 1)], "output": [0.0, 0.0]},
    }
    confidence = Confidence.from_dict(data)

    assert confidence(Evidence(0.0, 1, 5.0, 4.0, problem)) == 0.5
    assert confidence(Evidence(0.0, 1, 4.0, 4.0, problem)) == 0.9
    assert confidence(Evidence(0.0, 1, None, None, problem)) == 0.2


@pytest.mark.parametrize(
    "wrong",
    [
        {"lowest": (0.0,)},
        {"names": ("one",)},
        {"hidden": ((2.0, 0.5), (0.0, -1.0))},
        {"output": (3.0, 1.0)},
        {"output": (3.0, 1.0, float("nan"))},
    ],
)
def test_what_is_no_weighing_is_refused(wrong):
    with pytest.raises(ValueError, match="weighing"):
        Weighing.from_dict(TWO_SIGNS | wrong)
