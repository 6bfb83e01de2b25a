"""How commands end: Ctrl-C, readers that close a pipe."""

import os
import signal
import subprocess

import pytest

from agent_reasoning.commands.ending import UNANSWERED, interrupted, status_of
from agent_reasoning.errors import InvalidContext, NotVerified, Overloaded
from tests.client.scripted import Silent, scripted
from tests.commands.running import HARDEST, LONG, STEPS, on_a_terminal, started
from tests.live import command, environment


def test_ctrl_c_ends_a_search_without_a_trace():
    with started(*LONG, "--watch") as process:
        process.stdin.write(HARDEST)
        process.stdin.close()
        line = process.stderr.readline()  # it has taken a step
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert line.startswith("step 1")
    assert process.returncode == 130
    assert "Traceback" not in rest


def test_ctrl_c_ends_the_wait_for_a_service_without_a_trace():
    with scripted(Silent()) as (script, url), started("solve", "-", "--url", url) as process:
        process.stdin.write(STEPS)
        process.stdin.close()
        assert script.asked.wait(120)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert (process.returncode, said) == (130, "")


def test_ctrl_c_while_a_problem_is_typed_ends_without_a_trace():
    status, shown = on_a_terminal("solve", "-", until=b"Ctrl-D", then=b"\x03")

    assert status == 130
    assert "Traceback" not in shown


def test_an_interrupt_that_an_import_has_wrapped_is_still_one():
    wrapped = RuntimeError("Error calling __set_name__")
    wrapped.__cause__ = KeyboardInterrupt()

    assert interrupted(wrapped)
    assert not interrupted(RuntimeError())


@pytest.mark.parametrize(
    "arguments",
    [
        ("tasks",),
        ("tasks", "rollout"),
        ("tasks", "rollout", "--random", "1"),
        ("version",),
        ("solve", "-"),
        ("completion", "bash"),
    ],
    ids=" ".join,
)
def test_a_reader_that_has_gone_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command(*arguments), input=STEPS, env=environment(), stdout=writer, stderr=subprocess.PIPE, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    os.close(writer)

    assert done.returncode == 141
    assert done.stderr == ""


def test_errors_of_the_input_are_told_from_those_of_the_service():
    assert status_of(InvalidContext("?")) == 2
    assert status_of(NotVerified("?")) == 3
    assert status_of(Overloaded("?")) == 4
    assert not UNANSWERED & {"invalid-request", "invalid-context", "unknown-task", "configuration"}
