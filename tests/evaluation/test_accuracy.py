import numpy as np
import pytest

from agent_reasoning.engine.job import StepRecord
from agent_reasoning.evaluation.accuracy import accuracy
from agent_reasoning.evaluation.report import evaluate
from agent_reasoning.evaluation.trajectories import CALIBRATION, EVALUATION, Trajectory, held_out
from agent_reasoning.problem import Verdict


def trajectory(steps, verified, best=None):
    """Verified, and the best one, at its last step."""
    wrong = StepRecord(np.zeros(1, np.int64), 0.0, Verdict(False, ("wrong",)))
    valid, right = ([False] * (steps - 1) + [last] for last in (verified, verified if best is None else best))
    return Trajectory([0.0] * steps, valid=valid, best=right, records=[wrong] * steps, seconds=0.1 * steps)


def test_an_answer_counts_from_the_step_limit_that_it_fits_in():
    rows = accuracy(
        "toy", [trajectory(1, True), trajectory(3, True), trajectory(8, False), trajectory(2, True, False)], 8, 5
    )

    assert [(row.max_steps, row.verified, row.best) for row in rows] == [
        (1, 0.25, 0.25),
        (2, 0.5, 0.25),
        (4, 0.75, 0.5),
        (8, 0.75, 0.5),
    ]


def test_cost_stops_with_the_verifier_or_the_limit():
    rows = accuracy("toy", [trajectory(1, True), trajectory(8, False)], 8, 5)

    assert [row.mean_steps for row in rows] == [1, 1.5, 2.5, 4.5]
    assert rows[-1].mean_applications == 22.5
    assert rows[-1].mean_milliseconds == pytest.approx(450)


def test_held_out_instances_for_calibration_and_evaluation_differ(registry):
    rollout = registry.get("rollout")
    one, other = (held_out(rollout, 12, purpose) for purpose in (CALIBRATION, EVALUATION))

    assert (
        list(one) == list(other) == [f"{size} steps, {kind}" for size in (16, 24, 32) for kind in ("free", "limited")]
    )
    for name in one:
        assert [item.instance for item in one[name]] != [item.instance for item in other[name]]


def test_the_shipped_rollout_model_verifies_what_its_card_says(registry, models):
    """A small sample of what `agent-reasoning evaluate rollout` measures: no figure, only that nothing has broken."""
    rollout = registry.get("rollout")
    model = next(model for model in models if model.task == "rollout")

    sets = held_out(rollout, 150, EVALUATION, sizes=(16, 24))

    report = evaluate(rollout, model, model.max_steps, sets)

    assert all(row.verified >= 0.97 for row in report.accuracy if row.max_steps == model.max_steps)
    assert report.confidence[0][1][0].auroc > 0.85
