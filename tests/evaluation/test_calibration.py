import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from agent_reasoning.cli import main
from agent_reasoning.engine.evidence import Evidence
from agent_reasoning.evaluation.calibration import auroc, calibration_error, error_by_chance, fit, measure
from agent_reasoning.evaluation.trajectories import Trajectory
from tests.conftest import ROOT


def simulated(count, seed, steps=4):
    """Each step verifies with a known probability, whose logit the head gives, distorted."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        item = Trajectory()
        for step in range(steps):
            chance = rng.random()
            item.evidence.append(Evidence(5 * np.log(chance / (1 - chance)) + 3, step + 1))
            item.hopeless.append(False)
            item.best.append(bool(rng.random() < chance))
            if item.best[-1]:
                break
        made.append(item)
    return made


def test_a_fitted_map_says_the_probability_that_came_true():
    confidence = fit(simulated(6000, 0), 4)

    lines = measure(simulated(6000, 1), confidence, 4)

    assert [line.step for line in lines] == ["1–4", "1", "2", "3", "4"]
    assert all(line.calibration_error < 0.05 for line in lines)
    assert measure(simulated(6000, 1), type(confidence)(), 4)[0].calibration_error > 0.1  # the raw head, for contrast
    assert confidence(Evidence(3.0, 1)) == pytest.approx(0.5, abs=0.05)


def test_steps_with_too_little_to_measure_are_taken_together():
    lines = measure(simulated(700, 0), fit(simulated(700, 0), 4), 4)

    assert [line.step for line in lines] == ["1–4", "1", "2–4"]


def test_only_what_had_not_verified_before_counts_at_a_step():
    items = simulated(3000, 0)
    first, second = measure(items, fit(items, 4), 4)[1:3]

    assert first.answers == 3000
    assert second.answers == first.failures


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.4, 0.9]), st.booleans()), min_size=2, max_size=12))
def test_auroc_is_the_chance_that_a_right_answer_outranks_a_wrong_one(drawn):
    said, right = np.array([a for a, _ in drawn]), np.array([b for _, b in drawn])
    pairs = [(p > n) + (p == n) / 2 for p in said[right] for n in said[~right]]

    found = auroc(said, right)

    assert found is None if not pairs else found == pytest.approx(np.mean(pairs))


def test_the_calibration_error_is_the_distance_between_said_and_come():
    right = np.array([True, False] * 50)

    assert calibration_error(np.full(100, 0.5), right) == pytest.approx(0.0)
    assert calibration_error(np.full(100, 0.8), right) == pytest.approx(0.3)


def test_perfect_beliefs_show_an_error_by_chance_that_more_problems_and_not_more_answers_make_small():
    few, many = np.arange(100), np.arange(10_000)

    alone = error_by_chance(np.full(100, 0.5), few)
    repeated = error_by_chance(np.full(1000, 0.5), np.repeat(few, 10))

    # a bin of n coins is 0.5 * sqrt(2 / (pi * n)) off in the mean; ten answers a problem fill a bin with ten problems all the same
    assert alone == pytest.approx(0.126, abs=0.02)
    assert repeated == pytest.approx(alone, abs=0.02)
    assert error_by_chance(np.full(10_000, 0.5), many) == pytest.approx(0.0126, abs=0.002)


def test_an_answer_refused_before_counts_as_sure_to_fail_and_teaches_the_map_nothing():
    items = simulated(3000, 0)
    evidence = [Evidence(9.0, step) for step in (1, 2, 3, 4)]
    stuck = [Trajectory(evidence, [False, True, True, True], best=[False] * 4) for _ in range(1000)]

    with_stuck, without = fit(items + stuck, 4), fit(items, 4)
    lines = measure(items + stuck, with_stuck, 4)

    assert [step(9.0) for step in with_stuck.steps[1:]] == [step(9.0) for step in without.steps[1:]]
    assert all(line.calibration_error < 0.05 for line in lines[2:])


def test_answers_at_the_bound_have_a_map_of_their_own():
    at_bound, above = Evidence(0.0, 1, objective=5.0, bound=5.0), Evidence(0.0, 1, objective=6.0, bound=5.0)

    def answered(evidence, best):
        return Trajectory([evidence], [False], best=[best])

    items = [answered(at_bound, True)] * 900 + [answered(at_bound, False)] * 100 + [answered(above, True)] * 200
    confidence = fit(items + [answered(above, False)] * 800, 1)

    assert confidence(at_bound) == pytest.approx(0.9, abs=0.01)
    assert confidence(above) == pytest.approx(0.2, abs=0.01)
    assert type(confidence).from_dict(confidence.to_dict()) == confidence


def test_a_bundle_is_calibrated_anew_and_its_card_says_how_and_how_good_that_is(tmp_path):
    bundle = shutil.copytree(ROOT / "models" / "root-cause", tmp_path / "root-cause")
    card = (bundle / "CARD.md").read_text()
    before, weights = json.loads((bundle / "config.json").read_text()), load_file(bundle / "model.safetensors")

    done = CliRunner().invoke(main, ["calibrate", str(bundle), "--held-out", "6", "--fit-on", "9"])

    assert done.exit_code == 0, done.output
    after, told = json.loads((bundle / "config.json").read_text()), (bundle / "CARD.md").read_text()
    assert after["calibration"] != before["calibration"]
    assert after["halting"] == before["halting"]
    assert all(np.array_equal(part, weights[name]) for name, part in load_file(bundle / "model.safetensors").items())
    assert told.partition("## Measured")[0] == card.partition("## Measured")[0]
    assert "`agent-reasoning calibrate models/root-cause --held-out 6 --fit-on 9`. Fresh instances" in told
    assert "| 32 services | 6 | 16 |" in told
    assert "| all | 1–16 |" in told
