"""The process: starting, refusing to start, ending."""

import json
import signal
import socket
import subprocess
import urllib.request

import pytest

from tests.live import command, environment, free_port, serving


def post(url, data, timeout=30):
    request = urllib.request.Request(f"{url}/reason", json.dumps(data).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.loads(response.read())


def test_it_answers_and_ends_cleanly_on_sigterm_with_structured_logs():
    with serving(LOG_FORMAT="json", MAX_QEUE="7") as (process, url):
        answer = post(url, {"question": "?", "context": {"steps": {"a": [], "b": ["a"]}}})
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=30)[1].decode()

    lines = [json.loads(line) for line in log.splitlines()]
    events = {line["event"] for line in lines}
    assert answer["verified"]
    assert process.returncode == 0
    assert {"settings.effective", "model.loaded", "request.answered", "http.request"} <= events
    assert [line["probably"] for line in lines if line["event"] == "settings.misspelt"] == ["MAX_QUEUE"]
    answered = next(line for line in lines if line["event"] == "request.answered")
    assert answered["request_id"] == answer["request_id"]
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PORT": "tcp://10.0.0.1:80"}, "PORT='tcp://10.0.0.1:80'"),
        ({"DEVICE": "cuda:7"}, "DEVICE=cuda:7"),
        ({"MODEL_PATH": "/nowhere"}, "/nowhere is no directory"),
    ],
)
def test_what_cannot_work_fails_at_start_with_a_message_and_no_traceback(changes, words):
    done = subprocess.run(
        command("serve"), env=environment(**changes), capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_fails_at_start():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            command("serve"), env=environment(PORT=port), capture_output=True, text=True, timeout=120, check=False
        )

    assert done.returncode != 0
    assert "address already in use" in done.stderr
