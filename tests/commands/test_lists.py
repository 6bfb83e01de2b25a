"""`tasks`, `models` and `bench`."""

import json

import numpy as np
import pytest

from agent_reasoning.commands.models import measured
from agent_reasoning.tasks import builtin_tasks
from tests.commands.running import run
from tests.conftest import ROOT

NAMES = builtin_tasks().names()


def test_tasks_are_listed_here_and_at_a_service(live):
    here = json.loads(run("tasks", "--json").stdout)
    there = json.loads(run("tasks", "--json", "--url", live).stdout)
    lines = run("tasks").stdout.splitlines()

    assert [task["name"] for task in here] == NAMES
    assert here == there
    assert [line.split()[0] for line in lines] == ["task", *NAMES]


def test_a_task_shows_its_schema_and_its_example(live):
    here = json.loads(run("tasks", "rollout", "--json").stdout)
    there = json.loads(run("tasks", "rollout", "--json", "--url", live).stdout)
    text = run("tasks", "rollout").stdout

    assert there.pop("model") == "rollout"
    assert here == there
    assert "max_parallel" in text
    assert here["example"]["question"] in text


def test_an_example_is_what_solve_takes():
    example = run("tasks", "placement", "--example").stdout

    assert run("solve", "-", text=example).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_random_problem_is_one_of_its_task_and_the_same_for_the_same_seed(name):
    task = builtin_tasks().get(name)
    for size in task.info.sizes:
        for seed in range(20):
            context = task.random_context(np.random.default_rng([seed, size]), size)
            if context is None:
                continue
            assert context == json.loads(json.dumps(context))
            assert context == task.random_context(np.random.default_rng([seed, size]), size)
            assert task.matches(context)
            task.encode(task.read(context))


def test_an_unknown_task_is_answered_with_those_there_are(live):
    here, there = run("tasks", "ghost"), run("tasks", "ghost", "--url", live)

    assert (here.returncode, there.returncode) == (2, 2)
    assert f"The tasks are: {', '.join(NAMES)}." in here.stderr


def test_models_are_listed_with_digests_and_the_figures_of_their_cards(live):
    here = json.loads(run("models", "--json").stdout)
    there = json.loads(run("models", "--json", "--url", live).stdout)
    text = run("models").stdout

    assert [{**model, "card": None} for model in here] == [{**model, "card": None} for model in there]
    for model in here:
        assert model["sha256"][:12] in text
        assert f"{model['parameters']:,}" in text
        assert model["card"] == measured(ROOT / "models" / model["task"] / "CARD.md")
    assert all(model["card"] for model in here)
    assert {model["task"]: model["samples"] for model in here}["sudoku"] == 64


def test_a_card_gives_the_line_with_the_most_steps_of_each_kind(tmp_path):
    card = tmp_path / "CARD.md"
    card.write_text(
        "# x\n\n## Measured\n\nFresh.\n\n| fresh | step limit | verified |\n|---|---|---|\n| a | 1 | 5% |\n| a | 2 | 6% |\n"
        "| b | 1 | 7% |\n\n| fresh | other |\n|---|---|\n| a | 1 |\n"
    )

    assert measured(card) == [
        {"fresh": "a", "step limit": "2", "verified": "6%"}, {"fresh": "b", "step limit": "1", "verified": "7%"},
    ]  # fmt: skip


@pytest.mark.parametrize("there", [False, True], ids=["here", "at a service"])
def test_bench_measures_what_it_asked_for(there, request):
    url = request.getfixturevalue("live") if there else ""

    done = run("bench", "rollout", "--count", "4", "--size", "8", "--json", AGENT_REASONING_URL=url)

    data = json.loads(done.stdout)
    [line] = data["tasks"]
    assert data["where"] == (url or "this process, cpu")
    assert (line["task"], line["problems"], line["count"]) == ("rollout", "8 steps", 4)
    assert line["verified"] == 1
    assert 0 < line["p50 ms"] <= line["p99 ms"] <= line["max ms"]
