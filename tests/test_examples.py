"""The examples, as programs of their own, against a real service; for events, a stand-in broker."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from agent_reasoning.client import ReasoningClient
from tests.client.broker import standing_in
from tests.conftest import ROOT
from tests.live import free_port
from tests.test_server import LONG

LOOPBACK = "127.0.0.1"


def program(name, *arguments, **variables):
    """What Popen and run take."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", ""), **variables}
    return {
        "args": [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments],
        "env": environment,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


def run(name, *arguments, **variables):
    return subprocess.run(**program(name, *arguments, **variables), timeout=120, check=False)


def test_the_plain_agent_rolls_out_in_a_verified_order(live):
    done = run("http_agent.py", REASONING_SERVICE_URL=live)

    first, *rest = done.stdout.splitlines()
    assert sorted(first.removeprefix("wave 1: rolling out ").split(", ")) == ["cache", "database"]
    assert rest == ["wave 2: rolling out api", "wave 3: rolling out web"]
    assert (done.returncode, done.stderr) == (0, "")


def test_the_plain_agent_does_nothing_with_an_unverified_answer(live, tmp_path):
    path = tmp_path / "context.json"
    path.write_text(json.dumps(LONG["context"]))
    with ReasoningClient(live) as client:
        assert not client.reason("?", LONG["context"], max_steps=1).verified

    done = run("http_agent.py", str(path), "--max-steps", "1", REASONING_SERVICE_URL=live)

    assert (done.returncode, done.stdout) == (3, "")
    assert "unverified" in done.stderr


@pytest.mark.parametrize(
    ("context", "up", "words"),
    [
        ({"steps": {"a": ["a"]}}, True, "refused (invalid-context)"),
        ({"steps": {"a": []}}, False, "no answer (unreachable)"),
    ],
)
def test_the_plain_agent_tells_a_refusal_from_a_silence(live, tmp_path, context, up, words):
    path = tmp_path / "context.json"
    path.write_text(json.dumps(context))

    done = run("http_agent.py", str(path), REASONING_SERVICE_URL=live if up else f"http://{LOOPBACK}:{free_port()}")

    assert done.returncode == 2
    assert "rolling out" not in done.stdout  # where stamina says that it tries again
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_publishing_agent_gets_its_answer(live):
    port = free_port()
    with standing_in(live, f"http://{LOOPBACK}:{port}/", refusals=[503], copies=2) as broker:
        done = run("publish_agent.py", "--port", str(port), "--host", LOOPBACK, KNATIVE_BROKER_URL=broker.url)

    assert done.stdout.splitlines()[-1] == "at fault: database (verified: True)"
    assert done.returncode == 0
    assert len({event.get_id() for event in broker.published}) == 1  # the broker refused once; the second is no other
    assert broker.published[0].get_subject() == "incident-42"


def test_the_publishing_agent_says_where_the_broker_should_be_set():
    done = run("publish_agent.py", "--port", "0", "--host", LOOPBACK)

    assert done.returncode != 0
    assert "KNATIVE_BROKER_URL" in done.stderr


@contextmanager
def subscribing(port, ledger):
    """Yields (process, next line)."""
    with subprocess.Popen(
        **program("subscribe_agent.py", "--port", str(port), "--host", LOOPBACK, "--ledger", str(ledger))
    ) as process:
        try:
            assert process.stdout.readline() == f"listening on port {port}\n"
            yield process, process.stdout.readline
        finally:
            process.kill()


def test_the_subscribing_agent_acts_once_on_each_result_even_after_a_restart(live, tmp_path):
    port, ledger = free_port(), tmp_path / "results.db"
    orders = [{"steps": {"a": [], "b": ["a"]}}, {"steps": {"a": ["a"]}}]
    with (
        standing_in(live, f"http://{LOOPBACK}:{port}", copies=3) as broker,
        ReasoningClient(broker_url=broker.url) as client,
    ):
        with subscribing(port, ledger) as (process, line):
            first = client.publish("In which order?", orders[0])
            told = [line()]
            second = client.publish("In which order?", orders[1])
            told.append(line())
            process.send_signal(signal.SIGTERM)
            rest, errors = process.communicate(timeout=60)
        with subscribing(port, ledger) as (_, line):
            client.publish("In which order?", orders[0], event_id=first)  # a redelivery has the same identity
            again = line()

    assert told[0].startswith(f"request {first}: verified rollout: {{'waves': [['a'], ['b']], ")
    assert told[1].startswith(f"request {second}: failed (invalid-context): ")
    assert (process.returncode, rest, errors) == (0, "", "")  # three copies of each, told once
    assert again == f"request {first}: done before\n"
