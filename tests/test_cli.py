import json
import signal
import subprocess
import threading

import pytest

from agent_reasoning.commands.reading import as_request
from agent_reasoning.commands.train import configure, recipe_of, resumed
from agent_reasoning.errors import ConfigurationError, InvalidRequest
from agent_reasoning.service.keys import Keys
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.training.state import settings, start
from tests.live import command, environment

COMPOSE = """
services:
  db: {image: postgres}
  api:
    depends_on:
      db: {condition: service_healthy}
"""
FLUX = """
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: core, namespace: flux-system}
spec: {path: ./core}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec:
  dependsOn: [{name: core}]
---
"""


def run(*arguments, text=None, timeout=280):
    return subprocess.run(
        command(*arguments), input=text, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.mark.parametrize(
    ("text", "waves"),
    [
        ('{"steps": {"a": [], "b": ["a"]}}', [["a"], ["b"]]),
        (COMPOSE, [["db"], ["api"]]),
        (FLUX, [["core"], ["apps"]]),
        ('{"question": "?", "context": {"steps": {"a": []}}, "seed": 3}', [["a"]]),
    ],
    ids=["context", "compose", "flux", "request"],
)
def test_solve_reads_json_and_yaml_from_standard_input(text, waves):
    done = run("solve", "-", "--json", text=text)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["solution"]["waves"] == waves


def test_solve_prints_the_answer_and_says_that_it_is_verified(tmp_path):
    file = tmp_path / "steps.json"
    file.write_text('{"steps": {"a": [], "b": ["a"]}}')

    done = run("solve", str(file))

    assert done.stdout == (
        "2 steps in 2 waves; the steps of a wave can run at the same time.\nWave 1: a\nWave 2: b\n"
        "Critical path: a → b.\nTaken as rollout (planning), by the shape of the context.\n"
    )
    assert done.stderr.startswith("(verified; model; ")


def test_solve_exits_with_3_when_nothing_verifies():
    chain = {f"s{number:03}": [f"s{number - 1:03}"] if number else [] for number in range(128)}

    done = run("solve", "-", "--max-steps", "1", text=json.dumps({"steps": chain}))

    assert done.returncode == 3
    assert "Not verified" in done.stdout
    assert "NOT verified" in done.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"steps": {"a": ["b"], "b": ["a"]}}', "a → b → a"),
        ("{", "Nor is it YAML"),
        ("", "empty"),
        ('{"steps": {"a": [], "b": ["a"], "b": []}}', "twice: b"),
        ("services:\n  a: {}\n  b: {depends_on: [a]}\n  b: {}\n", "twice: b"),
        ("[1]", "no problem"),
        ('{"nodes": 3}', "No task takes"),
    ],
)
def test_solve_exits_with_2_and_one_line_on_bad_input(text, words):
    done = run("solve", "-", text=text)

    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_options_outrank_what_the_file_says():
    text = b'{"question": "?", "context": {"steps": {}}, "seed": 3, "samples": 2}'

    request = as_request(text, {"seed": 5, "samples": None, "task": None})

    assert (request["seed"], request["samples"]) == (5, 2)


def test_a_file_without_an_object_is_no_problem():
    with pytest.raises(InvalidRequest):
        as_request(b"3", {})


def test_train_writes_a_bundle_that_evaluate_measures_and_solve_uses(tmp_path):
    trained = run(
        "train", "rollout", "--minutes", "0.1", "--held-out", "20", "--max-steps", "2",
        "--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "models"),
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr

    evaluated = run(
        "evaluate", "rollout", "--models", str(tmp_path / "models"), "--count", "20", "--size", "6",
        "--json", str(tmp_path / "figures.json"),
    )  # fmt: skip
    solved = run("solve", "-", "--models", str(tmp_path / "models"), "--json", text='{"steps": {"a": []}}')

    figures = json.loads((tmp_path / "figures.json").read_text())
    card = (tmp_path / "models" / "rollout" / "CARD.md").read_text()
    assert {row["max_steps"] for row in figures["accuracy"]} == {1, 2}
    assert {row["instances_of"] for row in figures["accuracy"]} == {"6 steps, free", "6 steps, limited"}
    assert "Accuracy" in evaluated.stdout
    assert "## Training" in card
    assert solved.returncode == 0


def test_sigterm_saves_a_run_and_resume_goes_on(tmp_path):
    arguments = ("train", "rollout", "--minutes", "60", "--runs", str(tmp_path), "--output", str(tmp_path / "models"))
    started = threading.Event()
    lines = []

    def read(stream):
        for line in stream:
            lines.append(line)
            started.set()

    with subprocess.Popen(command(*arguments), env=environment(), stderr=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=read, args=(process.stderr,))
        reader.start()
        assert started.wait(120)  # the first line is written when signals already end the run instead of losing it
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 130
        reader.join()

    assert "--resume" in "".join(lines)
    resumed = run(
        "train", "rollout", "--resume", "--minutes", "0.05", "--held-out", "5", "--max-steps", "1",
        "--runs", str(tmp_path), "--output", str(tmp_path / "models"),
    )  # fmt: skip
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "models" / "rollout" / "config.json").is_file()


@pytest.mark.parametrize(("task", "method"), [("sudoku", "deduction"), ("maze", "waves")])
def test_tasks_with_a_method_of_their_own_are_trained_by_it_with_one_command(task, method, tmp_path):
    where = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "models")]
    if task == "sudoku":  # to generate enough to begin with takes seconds
        (tmp_path / "puzzles.txt").write_text(builtin_tasks().get(task).info.example_context["puzzle"] + "\n")
        where += ["--puzzles", str(tmp_path / "puzzles.txt")]
    trained = run(
        "train", task, "--minutes", "0.02", "--batch-size", "2", "--held-out", "1", "--max-steps", "1", *where
    )
    assert trained.returncode == 0, trained.stderr

    config = json.loads((tmp_path / "models" / task / "config.json").read_text())
    assert config.get("deduction", {}) == dict(builtin_tasks().get(task).info.recipe.deduction)
    assert f"{task}, by {method}" in trained.stderr
    assert "batch 2," in (tmp_path / "models" / task / "CARD.md").read_text()


def test_a_run_does_not_go_on_by_another_method():
    info = builtin_tasks().get("sudoku").info
    state = start(configure(info, info.recipe, 60, 5, "cpu"))
    state.settings = {"method": "deduction", "minutes": 60.0, "seed": 5}

    with pytest.raises(ConfigurationError, match="--method deduction"):
        resumed(configure(info, recipe_of(info, "recursion"), 60, 5, "cpu"), state, None, None)


def test_a_run_of_a_network_that_was_not_packed_does_not_go_on_as_one_that_is():
    """Its weights would fit, and mean something else."""
    info = builtin_tasks().get("sudoku").info
    config = configure(info, info.recipe, 60, 5, "cpu")
    state = start(config)
    state.settings = {"method": "deduction", "minutes": 60.0, "seed": 5}

    with pytest.raises(ConfigurationError, match="before networks were packed"):
        resumed(config, state, None, None)
    state.settings = settings(config)
    assert resumed(config, state, None, None).minutes == 60


def test_a_method_that_the_task_has_no_recipe_for_is_refused_with_those_it_has():
    with pytest.raises(ConfigurationError, match="deduction or recursion"):
        recipe_of(builtin_tasks().get("sudoku").info, "waves")


def test_resume_without_a_run_says_so(tmp_path):
    done = run("train", "rollout", "--resume", "--runs", str(tmp_path))

    assert done.returncode == 2
    assert "no run to resume" in done.stderr


def test_an_unknown_task_is_answered_with_those_there_are():
    done = run("evaluate", "ghost")

    assert done.returncode == 2
    assert "The tasks are: maze, placement, rollout" in done.stderr


def test_resuming_keeps_the_length_and_seed_that_the_run_was_started_with(tmp_path):
    info = builtin_tasks().get("rollout").info
    state = start(configure(info, info.recipe, 60, 5, "cpu"))
    state.settings = {"minutes": 60.0, "seed": 5}
    state.save(tmp_path / "state.pt")
    fresh = start(configure(info, info.recipe, 15, 0, "cpu"))
    fresh.load(tmp_path / "state.pt")

    config = resumed(configure(info, info.recipe, 15, 0, "cpu"), fresh, None, None)

    assert (config.minutes, config.seed) == (60.0, 5)
    assert resumed(config, fresh, 90.0, None).minutes == 90.0
    with pytest.raises(ConfigurationError, match="--seed 5"):
        resumed(config, fresh, None, 6)


def test_a_damaged_run_cannot_be_resumed_and_says_so(tmp_path):
    (tmp_path / "rollout").mkdir()
    (tmp_path / "rollout" / "state.pt").write_bytes(b"junk")

    done = run("train", "rollout", "--resume", "--runs", str(tmp_path))

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "damaged" in done.stderr


def test_a_new_key_is_printed_with_the_line_that_lets_it_in():
    done = run("keys", "new", "sre-bot")

    key, line = (printed.rpartition(" ")[2] for printed in done.stdout.splitlines())
    assert Keys([line]).name_of(key) == "sre-bot"


def test_a_name_that_no_key_can_have_is_refused():
    done = run("keys", "new", "SRE bot")

    assert (done.returncode, done.stdout) == (2, "")
    assert "no name for a key" in done.stderr
