"""Programs that do not close the client: each is a process of its own, and has to end."""

import gc
import subprocess
import sys
import threading

import pytest

from agent_reasoning.client import ReasoningClient
from tests.client.scripted import Reply, scripted
from tests.live import environment, free_port

ENDS_SECONDS = 60  # a program that hangs does so for ever
STEPS = "{'steps': {'a': [], 'b': ['a']}}"

LEFT_OPEN = {
    "after an answer": f"print(client.reason('In which order?', {STEPS}).verified)",
    "amid a stream": f"answers = client.stream('In which order?', {STEPS}); print(next(answers) is not None)",
    "with a receiver": "open = client.receiver(port, '127.0.0.1'); open.__enter__(); print(True)",
}


@pytest.mark.parametrize("how", LEFT_OPEN)
def test_a_program_that_leaves_the_client_open_ends(live, how):
    program = (
        "import sys; from agent_reasoning.client import ReasoningClient;"
        "client, port = ReasoningClient(sys.argv[1], broker_url=sys.argv[1]), int(sys.argv[2]);" + LEFT_OPEN[how]
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, live, str(free_port())],
        env=environment(), capture_output=True, text=True, timeout=ENDS_SECONDS,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr


def test_a_client_that_is_dropped_gives_its_thread_back():
    body = b'{"status": "ok", "version": "1"}'
    with scripted(Reply(200, body, {"content-type": "application/json"})) as (_, url):
        before = set(threading.enumerate())
        client = ReasoningClient(url)
        client.health()
        [thread] = [each for each in set(threading.enumerate()) - before if each.name == "reasoning-client"]
        del client
        gc.collect()
        thread.join(ENDS_SECONDS)

    assert not thread.is_alive()
