"""The process: starting, refusing to start, ending."""

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import httpx2
import pytest

from tests.conftest import ROOT
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
        ({"FUNCTIONS_ENABLED": "true"}, "FUNCTIONS_ENABLED needs an API key"),
        ({"API_KEYS_FILE": "/nowhere"}, "API_KEYS_FILE=/nowhere cannot be read"),
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


def connect(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def raw(data, path="/reason"):
    body = json.dumps(data).encode()
    return b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (path.encode(), len(body)) + body


# Far larger than training saw, so that it does not verify at once: a job of many long steps.
LONG = {
    "question": "?",
    "context": {"steps": {f"s{n:03}": [f"s{m:03}" for m in range(n)] for n in range(128)}},
    "max_steps": 64,
    "samples": 1,
}
SHORT = {"question": "?", "context": {"steps": {"a": [], "b": ["a"]}}}


def wait_for_steps(url):
    """Until the engine is at work."""
    wait_for(url, rb'agent_reasoning_slots\{state="used",task="rollout"\} [1-9]')


def wait_for_metric(url, line):
    wait_for(url, re.escape(line))


def wait_for(url, pattern):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{url}/metrics", timeout=30) as response:
            if re.search(pattern, response.read()):
                return
        time.sleep(0.02)  # polls a condition
    raise AssertionError(f"no {pattern!r} in the metrics")


def test_a_client_that_leaves_frees_the_engine_and_a_queued_deadline_is_kept():
    with serving(LOG_FORMAT="json", SLOTS="1") as (process, url):
        with connect(url) as leaving:
            leaving.sendall(raw(LONG))
            wait_for_steps(url)
            with pytest.raises(urllib.error.HTTPError) as late:  # it waits behind the long one
                post(url, SHORT | {"timeout_seconds": 0.3})
        late.value.close()
        answer = post(url, SHORT)
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=60)[1].decode()

    assert late.value.code == 504
    assert answer["verified"]
    assert '"status": 499' in log
    assert log.count('"event": "request.answered"') == 1  # the long one was given up, not finished for nobody


def test_on_sigterm_a_stream_is_answered_to_its_end():
    steps = []
    body = LONG | {"max_steps": 12}  # seconds: far longer than it takes anybody to see that the server is to end
    with (
        serving() as (process, url),
        httpx2.stream(
            "POST", f"{url}/reason", json=body, headers={"accept": "text/event-stream"}, timeout=60
        ) as response,
    ):
        for line in response.iter_lines():
            if line.startswith("event:") and not steps:
                process.send_signal(signal.SIGTERM)
            if line.startswith("event:"):
                steps.append(line.partition(" ")[2])
        assert process.wait(60) == 0

    assert steps == ["step"] * 12 + ["result"]


def test_a_large_request_does_not_hold_up_a_small_one():
    with serving() as (_, url), connect(url) as large:
        large.sendall(raw(LONG | {"samples": 64}))
        wait_for_steps(url)
        answer = post(url, SHORT)
        with urllib.request.urlopen(f"{url}/metrics", timeout=30) as response:
            metrics = response.read()

    assert answer["verified"]
    assert b'agent_reasoning_slots{state="used",task="rollout"} 4.0' in metrics  # the large one is still there


def test_beyond_the_queue_a_request_is_refused_at_once_and_told_to_come_back():
    with serving(SLOTS="1", MAX_QUEUE="1") as (_, url), connect(url) as large, connect(url) as waiting:
        large.sendall(raw(LONG))
        wait_for_steps(url)
        waiting.sendall(raw(LONG))
        wait_for_metric(url, b"agent_reasoning_queue_depth 1.0")
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(url, SHORT)
        problem = json.loads(refused.value.read())

    assert (refused.value.code, problem["type"].rpartition(":")[2]) == (503, "overloaded")
    assert int(refused.value.headers["retry-after"]) >= 1


def test_a_client_cannot_choose_whom_its_requests_are_counted_for():
    with serving(RATE_LIMIT="2/hour") as (_, url):
        statuses = []
        for number in range(4):
            request = urllib.request.Request(f"{url}/reason", json.dumps(SHORT).encode())
            request.add_header("x-forwarded-for", f"10.0.0.{number}")
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    statuses.append(response.status)
            except urllib.error.HTTPError as error:
                with error:
                    statuses.append(error.code)

    assert statuses == [200, 200, 429, 429]


def test_a_bundle_of_another_shape_is_refused_at_start(tmp_path):
    shutil.copytree(ROOT / "models" / "rollout", tmp_path / "rollout")
    path = tmp_path / "rollout" / "config.json"
    path.write_text(path.read_text().replace('"needed by"', '"wanted by"'))

    done = subprocess.run(
        command("serve"),
        env=environment(MODEL_PATH=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 2
    assert "rollout" in done.stderr
    assert "Traceback" not in done.stderr
