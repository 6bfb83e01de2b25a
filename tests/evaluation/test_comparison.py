"""The shipped models beside their rivals, on few instances: the tables' machinery, and that nobody has fallen far."""

import json

import pytest
from click.testing import CliRunner

from agent_reasoning.cli import main
from agent_reasoning.evaluation.comparison import compare
from agent_reasoning.evaluation.rivals import RIVALS
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out

COUNT = 40


@pytest.fixture(scope="module")
def lines(registry, models):
    task = registry.get("root-cause")
    model = next(model for model in models if model.task == "root-cause")
    return {line.who: line for line in compare(task, model, held_out(task, COUNT, EVALUATION, sizes=[16]))}


def test_everybody_is_in_the_table(lines):
    assert list(lines) == ["model, 1 sample", "model, 8 samples", "as served, 8 samples", *RIVALS["root-cause"]]
    assert {line.instances for line in lines.values()} == {COUNT}


def test_the_exact_search_is_never_beaten_and_the_bound_is_no_higher(lines):
    assert (lines["exact search"].verified, lines["exact search"].best) == (1.0, 1.0)
    assert all(line.proven <= line.best <= line.verified for line in lines.values())


def test_samples_help_and_nobody_is_served_less_than_the_baseline_gives(lines):
    one, eight, served = (lines[who] for who in ("model, 1 sample", "model, 8 samples", "as served, 8 samples"))

    assert 0.85 <= one.best <= eight.best <= served.best
    assert served.best >= lines["baseline: that, then its neighbours"].best
    assert served.verified == 1.0


def test_all_models_are_compared_in_one_run(tmp_path):
    path = tmp_path / "all.json"

    done = CliRunner().invoke(main, ["evaluate", "--all", "--count", "2", "--json", str(path)])

    assert done.exit_code == 0, done.output
    figures = json.loads(path.read_text())
    assert set(figures["tasks"]) == {"placement", "rollout", "root-cause", "sudoku"}
    assert "exact search" in [line["who"] for line in figures["tasks"]["root-cause"]["lines"]]


@pytest.mark.parametrize("arguments", [[], ["rollout", "--all"]])
def test_a_task_or_all_of_them(arguments):
    done = CliRunner().invoke(main, ["evaluate", *arguments])

    assert done.exit_code == 2
    assert "Name a TASK, or say --all" in done.output
