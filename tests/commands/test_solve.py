"""`solve`: what it reads, here and at a service."""

import json
import subprocess
import sys

import pytest

from agent_reasoning.commands.reading import as_request
from agent_reasoning.errors import InvalidContext, InvalidRequest
from agent_reasoning.tasks import builtin_tasks
from tests.client.scripted import Reply, scripted
from tests.commands.running import STEPS, SUDOKU, run
from tests.foreign.prints import COMPOSE, FLUX, HELM, SECRET, WEBHOOK
from tests.live import environment, free_port
from tests.tasks.cluster_objects import PRINTED

ROWS = [SUDOKU[at : at + 9] for at in range(0, 81, 9)]
DRAWN = "\n".join(
    "+-------+-------+-------+\n" * (number % 3 == 0)
    + "| " + " | ".join(" ".join(row[at : at + 3]) for at in (0, 3, 6)) + " |"
    for number, row in enumerate(ROWS)
)  # fmt: skip
RULES = "A service that says no."


def problem(code, status, **headers):
    body = {"type": f"urn:agent-reasoning:problem:{code}", "title": "No", "status": status, "detail": RULES}
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/problem+json", **headers})


@pytest.mark.parametrize(
    "text",
    [
        SUDOKU,
        "\n".join(ROWS),
        SUDOKU.replace(".", "0"),
        "\n".join(ROWS).replace(".", "_") + "\n",
        DRAWN,
        " ".join(SUDOKU),
    ],
    ids=["one line", "nine lines", "zeros", "underscores", "drawn", "spaced"],
)
def test_a_sudoku_is_read_as_people_write_it(text):
    context = as_request(text.encode(), {})["context"]

    assert builtin_tasks().get("sudoku").read(context).givens == tuple(int(digit) for digit in SUDOKU.replace(".", "0"))


def test_a_maze_is_read_as_it_is_drawn():
    text = "########\n#S     #\n###### #\n#G\n########\n"

    context = as_request(text.encode(), {})["context"]

    assert builtin_tasks().get("maze").read(context).rows == (
        "########",
        "#S     #",
        "###### #",
        "#G      ",
        "########",
    )


@pytest.mark.parametrize("squares", [80, 82])
def test_a_sudoku_with_a_square_too_few_or_too_many_is_told_so(squares):
    with pytest.raises(InvalidContext, match=f"{squares} squares; there are 81"):
        as_request((SUDOKU + "1")[:squares].encode(), {})


@pytest.mark.parametrize(
    "text", ["3", "hello", "2026-11-21", "1.5", "- a\n- b", "# nothing", "\x00", "é".encode("latin-1")]
)
def test_text_of_no_task_is_no_problem(text):
    with pytest.raises(InvalidRequest):
        as_request(text if isinstance(text, bytes) else text.encode(), {})


def test_text_is_given_to_the_task_that_is_named_alone():
    with pytest.raises(InvalidRequest):
        as_request(SUDOKU.encode(), {"task": "rollout"})


def test_bad_input_is_answered_before_torch_is_loaded():
    code = (
        "import sys; from agent_reasoning.cli import main\n"
        "try: main(['solve', '-'])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    for text in ("{", '{"nodes": 3}', '{"steps": {"a": ["b"], "b": ["a"]}}', SUDOKU[:80], '{"puzzle": 3}'):
        done = subprocess.run(
            [sys.executable, "-c", code], input=text, env=environment(), capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["2", "False"], done.stderr


def test_a_service_is_asked_without_torch_and_without_numpy(live):
    code = (
        "import sys; from agent_reasoning.cli import main\n"
        f"try: main(['solve', '--json', '--url', {live!r}, '-'])\n"
        "except SystemExit as end: print(end.code, *{'torch', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=STEPS, env=environment(), capture_output=True, text=True, check=True
    )

    assert done.stderr.split() == ["0"]
    assert json.loads(done.stdout)["solution"]["waves"] == [["database"], ["api"]]


def test_a_service_answers_as_the_models_here_do(live):
    here = json.loads(run("solve", "-", "--json", "--seed", "3", "--samples", "2", text=SUDOKU).stdout)
    there = json.loads(
        run("solve", "-", "--json", "--seed", "3", "--samples", "2", text=SUDOKU, AGENT_REASONING_URL=live).stdout
    )

    for changing in ("duration_ms", "request_id"):
        assert here.pop(changing) != there.pop(changing)
    assert here == there


PRINTS = {
    "kubectl": PRINTED, "compose": COMPOSE, "flux": FLUX, "helm": HELM,
    "alertmanager": {"services": {"frontend": ["checkout"], "checkout": []}, "alerts": WEBHOOK},
}  # fmt: skip


@pytest.mark.parametrize("context", PRINTS.values(), ids=PRINTS)
def test_no_secret_of_what_other_tools_print_leaves_the_machine(context):
    with scripted(problem("invalid-context", 422)) as (script, url):
        done = run("solve", "-", "--url", url, text=json.dumps(context), AGENT_REASONING_API_KEY="key-1")

    assert done.returncode == 2, done.stderr
    [(method, path, headers, body)] = script.requests
    headers = {name.lower(): value for name, value in headers.items()}
    assert (method, path, headers["authorization"]) == ("POST", "/reason", "Bearer key-1")
    assert SECRET not in body.decode() + str(headers)
    assert json.loads(body)["context"]


def test_without_a_key_none_is_sent():
    with scripted(problem("invalid-context", 422)) as (script, url):
        run("solve", "-", "--url", url, text=STEPS)

    assert not {"authorization", "Authorization"} & script.requests[0][2].keys()


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (problem("invalid-context", 422), 2), (problem("body-too-large", 413), 2), (problem("not-verified", 422), 3),
        (problem("unauthenticated", 401), 4), (problem("engine-failed", 500), 4), (problem("deadline-exceeded", 504), 4),
        (Reply(200, b"{}"), 4), (Reply(404, b"not here"), 4),
    ],
    ids=lambda value: "" if isinstance(value, int) else str(value.status),
)  # fmt: skip
def test_the_exit_status_says_whose_turn_it_is(reply, status):
    with scripted(reply) as (_, url):
        done = run("solve", "-", "--url", url, text=STEPS)

    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("agent-reasoning: ")
    assert done.stderr.count("\n") == 1


def test_a_service_that_is_not_there_is_said_in_one_line():
    done = run("solve", "-", "--url", f"http://127.0.0.1:{free_port()}", text=STEPS)

    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "cannot be reached" in done.stderr


def test_a_url_that_is_none_is_bad_input():
    done = run("solve", "-", "--url", "localhost:8080", text=STEPS)

    assert done.returncode == 2
    assert "http://" in done.stderr


def test_what_is_for_models_here_is_refused_beside_a_url():
    done = run("solve", "-", "--url", "http://127.0.0.1:1", "--device", "cpu", text=STEPS)

    assert done.returncode == 2
    assert "--device is for models here" in done.stderr


def test_an_empty_url_means_models_here():
    done = run("solve", "-", "--url", "", text=STEPS, AGENT_REASONING_URL="http://127.0.0.1:1")

    assert done.returncode == 0, done.stderr
