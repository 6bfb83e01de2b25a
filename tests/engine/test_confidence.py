import pytest

from agent_reasoning.engine.confidence import Confidence


def test_a_logit_between_two_knots_is_interpolated_and_one_beyond_them_is_clamped():
    confidence = Confidence.from_dict({"steps": [{"logits": [-1, 1], "probabilities": [0.2, 0.6]}]})

    assert confidence(0, 1) == pytest.approx(0.4)
    assert confidence(-9, 1) == 0.2
    assert confidence(9, 1) == 0.6


def test_each_step_has_its_own_map_and_the_last_serves_all_later_ones():
    maps = [{"logits": [0], "probabilities": [share]} for share in (0.1, 0.9)]
    confidence = Confidence.from_dict({"steps": maps})

    assert [confidence(0, step) for step in (1, 2, 3, 60)] == [0.1, 0.9, 0.9, 0.9]


def test_without_a_map_the_heads_own_belief_is_said():
    assert Confidence()(0, 1) == 0.5


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
