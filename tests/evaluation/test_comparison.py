"""The shipped models beside their rivals, on few instances: the tables' machinery, and that nobody has fallen far."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent_reasoning.cli import main
from agent_reasoning.evaluation.comparison import compare
from agent_reasoning.evaluation.rivals import RIVALS
from agent_reasoning.evaluation.search import untrained
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out

COUNT = 40


@pytest.fixture(scope="module")
def lines(registry, models):
    task = registry.get("root-cause")
    model = next(model for model in models if model.task == "root-cause")
    sets = held_out(task, COUNT, EVALUATION, sizes=[16])
    return {line.who: line for line in compare(task, model, sets, beside={"untrained weights": untrained(model)})}


def test_everybody_is_in_the_table(lines):
    ours = ["model, 1 sample", "model, 8 samples", "as served, 8 samples", "model, 16 samples"]
    theirs = [f"untrained weights, {number}" for number in ("1 sample", "8 samples", "16 samples")]
    assert list(lines) == [*ours, *theirs, *RIVALS["root-cause"]]
    assert {line.instances for line in lines.values()} == {COUNT}


def test_the_exact_search_is_never_beaten_and_the_bound_is_no_higher(lines):
    assert (lines["exact search"].verified, lines["exact search"].best) == (1.0, 1.0)
    assert all(line.proven <= line.best <= line.verified for line in lines.values())


def test_samples_help_and_nobody_is_served_less_than_the_baseline_gives(lines):
    one, eight, sixteen = (lines[f"model, {number}"] for number in ("1 sample", "8 samples", "16 samples"))
    served = lines["as served, 8 samples"]

    assert 0.85 <= one.best <= eight.best <= min(sixteen.best, served.best)
    assert served.best >= lines["baseline: that, then its neighbours"].best
    assert served.verified == 1.0


def test_weights_that_have_learned_nothing_do_worse_where_the_search_is_not_all(lines):
    assert lines["untrained weights, 1 sample"].best < lines["model, 1 sample"].best


def test_all_models_are_compared_in_one_run(tmp_path):
    path = tmp_path / "all.json"

    done = CliRunner().invoke(main, ["evaluate", "--all", "--count", "2", "--json", str(path)])

    assert done.exit_code == 0, done.output
    figures = json.loads(path.read_text())
    assert set(figures["tasks"]) == {"maze", "placement", "rollout", "root-cause", "sudoku"}
    assert "exact search" in [line["who"] for line in figures["tasks"]["root-cause"]["lines"]]


def test_untrained_weights_are_compared_where_that_is_asked_for(tmp_path):
    path, models = tmp_path / "all.json", Path(__file__).parents[2] / "models" / "root-cause"

    arguments = ["evaluate", "--all", "--untrained", "--models", str(models), "--count", "1", "--json", str(path)]
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 0, done.output
    [lines] = [task["lines"] for task in json.loads(path.read_text())["tasks"].values()]
    assert "untrained weights, 16 samples" in [line["who"] for line in lines]


def test_those_that_are_named_are_compared_and_no_others(tmp_path):
    path = tmp_path / "both.json"

    done = CliRunner().invoke(main, ["evaluate", "rollout", "root-cause", "--all", "--count", "1", "--json", str(path)])

    assert done.exit_code == 0, done.output
    assert list(json.loads(path.read_text())["tasks"]) == ["rollout", "root-cause"]


def test_a_task_that_is_named_and_has_no_model_is_missed():
    models = Path(__file__).parents[2] / "models" / "root-cause"

    done = CliRunner().invoke(main, ["evaluate", "rollout", "--all", "--models", str(models), "--count", "1"])

    assert done.exit_code != 0
    assert "no model for rollout" in done.output


@pytest.mark.parametrize("arguments", [[], ["rollout", "root-cause"]])
def test_alone_a_model_is_measured_by_itself(arguments):
    done = CliRunner().invoke(main, ["evaluate", *arguments])

    assert done.exit_code == 2
    assert "Name one TASK, or say --all" in done.output
