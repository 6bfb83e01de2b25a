"""`solve --watch`: a line a step for programs, a picture on a terminal."""

import io
import json
import re

import pytest
from rich.console import Console

from agent_reasoning.commands.watching import Picture, curve, in_words, marked, print_line
from agent_reasoning.schemas import Narrowing, StreamedStep
from tests.commands.running import SUDOKU, on_a_terminal, run


def step(number, confidence, answer="a b", sample=0, verified=False, narrowing=None):
    return StreamedStep(
        step=number, confidence=confidence, intermediate_answer=answer, changed=1, verified=verified, sample=sample,
        solution={}, narrowing=narrowing,
    )  # fmt: skip


@pytest.mark.parametrize("there", [False, True], ids=["here", "at a service"])
def test_each_step_is_a_line_on_standard_error(there, request):
    url = request.getfixturevalue("live") if there else ""

    done = run("solve", "-", "--watch", "--json", text=SUDOKU, AGENT_REASONING_URL=url)

    response = json.loads(done.stdout)
    lines = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"step {n}" for n in range(1, response["steps"] + 1)]
    assert [line.rpartition(" ")[2] for line in lines] == [
        t["intermediate_answer"] for t in response["reasoning_trace"]
    ]
    assert ", verified: " in lines[-1]
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("there", [False, True], ids=["here", "at a service"])
def test_on_a_terminal_the_grid_is_drawn_and_the_cursor_comes_back(there, request, tmp_path):
    file = tmp_path / "sudoku.txt"
    file.write_text(SUDOKU)
    url = request.getfixturevalue("live") if there else ""

    status, shown = on_a_terminal("solve", "--watch", str(file), AGENT_REASONING_URL=url)

    assert status == 0
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert "Step 1" in plain
    assert "not verified yet" in plain
    assert "5 3 4 6 7 8 9 1 2" in plain
    assert plain.count("(verified; model") == 1


def test_a_terminal_that_can_draw_nothing_gets_lines():
    status, shown = on_a_terminal("solve", "-", "--watch", typed=SUDOKU.encode() + b"\n\x04", TERM="dumb")

    assert status == 0
    assert "candidates removed, 81 changed" in shown


def test_the_sample_that_is_ahead_is_shown_with_what_changed():
    picture = Picture(lambda solution: None, Console(width=80, height=30))
    for one in (step(1, 0.2), step(1, 0.6, "c d", sample=1), step(2, 0.9, "c e", sample=1)):
        picture.add(one)

    console = Console(width=80, record=True, file=io.StringIO())
    console.print(picture.render())

    text = console.export_text()
    assert "Step 2" in text
    assert "sample 1 confidence ▅█ 0.900" in text
    assert "c e" in text


@pytest.mark.parametrize(
    ("event", "removed", "said"),
    [
        ("narrowed", 31, "31 candidates removed"),
        ("narrowed", 1, "1 candidate removed"),
        ("guessed", 0, "guessed"),
        ("dead_end", 4, "dead end, went back"),
    ],
)
def test_what_a_deduction_came_to_is_said_in_words(event, removed, said):
    deduced = step(3, 0.5, narrowing=Narrowing(event=event, removed=removed, undecided=12, depth=1, tree=0))
    picture = Picture(lambda solution: None, Console(width=80, height=30))
    picture.add(deduced)

    drawn, line = (Console(width=80, record=True, file=io.StringIO()) for _ in range(2))
    drawn.print(picture.render())
    print_line(line, deduced)

    assert f"; {said}, 12 undecided" in drawn.export_text()
    assert line.export_text().startswith(f"step 3: {said}, 1 changed, ")


def test_words_that_differ_are_marked():
    text = marked("a c d", "a b")

    assert [(text.plain[span.start : span.end], str(span.style)) for span in text.spans] == [
        ("c", "bold magenta"), ("d", "bold magenta"),
    ]  # fmt: skip


def test_the_curve_keeps_to_the_width():
    assert curve([step(n, 1.0) for n in range(200)], 20) == "█" * 20


def test_a_task_that_is_not_known_here_is_shown_as_the_service_says_it():
    assert in_words({"question": "?", "context": {"new": 1}})({"x": 1}) is None
