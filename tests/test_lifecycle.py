"""How the process ends: real signals on a real process."""

import json
import signal
import threading
from http.client import HTTPConnection

import httpx2
import pytest

from tests.api.messages import COMPLETED, REQUESTED, headers_of
from tests.delivery.sinks import RecordingSink, dead_address, listening
from tests.live import serving
from tests.test_server import LONG, SHORT, connect, wait_for_metric, wait_for_steps

SECONDS_OF_WORK = LONG | {"max_steps": 6}  # far longer than it takes anybody to see that the server is to end


class Running:
    """A request in a thread of its own."""

    def __init__(self, url, path, body, headers=None):
        self.response = None
        self._arguments = (url + path, body, headers)
        self._thread = threading.Thread(target=self._post)
        self._thread.start()

    def _post(self):
        url, body, headers = self._arguments
        self.response = httpx2.post(url, json=body, headers=headers, timeout=120)

    def wait(self):
        self._thread.join()
        return self.response


def log_of(process):
    return [json.loads(line) for line in process.communicate(timeout=60)[1].decode().splitlines()]


@pytest.mark.parametrize(("path", "headers"), [("/reason", {}), ("/events", headers_of())])
def test_after_sigterm_the_listener_stays_open_while_work_runs(path, headers):
    with serving(LOG_FORMAT="json") as (process, url):
        running = Running(url, path, SECONDS_OF_WORK, headers)
        wait_for_steps(url)
        process.send_signal(signal.SIGTERM)
        wait_until_draining(url)
        ready = httpx2.get(f"{url}/ready")
        alive = httpx2.get(f"{url}/health")
        refused = [
            httpx2.post(f"{url}/reason", json=SHORT),
            httpx2.post(f"{url}/events", json=SHORT, headers=headers_of(id="new")),
        ]
        still_running = running.response is None
        answered = running.wait()
        log = log_of(process)

    assert still_running  # or nothing of this would show anything
    for response in (ready, *refused):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        assert response.headers["connection"] == "close"
    assert alive.status_code == 200
    assert answered.status_code == 200
    assert answered.json()["steps"] == 6
    assert process.returncode == 0
    assert [line for line in log if line["level"] in ("error", "critical")] == []


def wait_until_draining(url):
    """Until the signal has been seen: it is delivered when the process gets round to it."""
    while httpx2.get(f"{url}/ready").status_code == 200:
        pass  # polls a condition; the test's own time limit ends it


def test_a_delivery_that_broke_off_is_worked_on_to_its_end_before_the_process_ends():
    with serving(LOG_FORMAT="json") as (process, url):
        body = json.dumps(SECONDS_OF_WORK).encode()
        lines = [f"{name}: {value}" for name, value in headers_of().items()]
        head = "\r\n".join(["POST /events HTTP/1.1", "host: x", *lines, f"content-length: {len(body)}", "", ""])
        with connect(url) as delivery:
            delivery.sendall(head.encode() + body)
            wait_for_steps(url)
        redelivered = Running(url, "/events", SECONDS_OF_WORK, headers_of())
        wait_for_metric(url, b'agent_reasoning_event_redeliveries_total{found="running"} 1.0')
        process.send_signal(signal.SIGTERM)
        answered = redelivered.wait()
        log = log_of(process)

    assert answered.headers["ce-type"] == COMPLETED
    assert [line["event"] for line in log].count("request.answered") == 1
    assert process.returncode == 0


def test_in_publish_mode_accepted_work_reaches_the_sink_before_the_process_ends():
    sink = RecordingSink([503, 503])
    with (
        listening(sink) as sink_url,
        serving(K_SINK=sink_url, EVENTS_MODE="publish", LOG_FORMAT="json") as (process, url),
    ):
        accepted = httpx2.post(f"{url}/events", json=SECONDS_OF_WORK, headers=headers_of())
        process.send_signal(signal.SIGTERM)
        log = log_of(process)

    assert accepted.status_code == 202
    assert process.returncode == 0
    assert [headers["ce-type"] for headers, _ in sink.accepted] == [COMPLETED]
    assert [line["url"] for line in log if line["event"] == "events.sink"] == [sink_url]


def test_a_sink_that_is_dead_does_not_keep_the_process_from_ending():
    with serving(KNATIVE_BROKER_URL=dead_address(), SHUTDOWN_SECONDS="4", LOG_FORMAT="json") as (process, url):
        assert httpx2.post(f"{url}/reason", json=SHORT).status_code == 200
        process.send_signal(signal.SIGTERM)
        log = log_of(process)

    assert process.returncode == 0
    assert [line["count"] for line in log if line["event"] == "publisher.lost"] == [1]
    assert [line["event"] for line in log].count("publisher.failing") == 1


def test_what_runs_beyond_the_grace_time_is_told_to_go_elsewhere():
    with serving(SHUTDOWN_SECONDS="1", LOG_FORMAT="json") as (process, url):
        running = [Running(url, "/reason", LONG), Running(url, "/events", LONG, headers_of())]
        wait_for_metric(url, b'agent_reasoning_slots{state="used",task="rollout"} 2.0')
        process.send_signal(signal.SIGTERM)
        answered = [request.wait() for request in running]
        log = log_of(process)

    assert [response.status_code for response in answered] == [503, 503]
    assert {response.json()["type"].rpartition(":")[2] for response in answered} == {"not-ready"}
    assert process.returncode == 0
    assert "server.abandoned" in [line["event"] for line in log]


def test_a_second_signal_ends_it_at_once():
    with serving() as (process, url), connect(url) as connection:
        body = json.dumps(LONG).encode()
        connection.sendall(b"POST /reason HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        wait_for_steps(url)
        process.send_signal(signal.SIGTERM)
        wait_until_draining(url)
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        left = connection.recv(1024)

    assert code == 128 + signal.SIGTERM
    assert left == b""


def test_a_kept_open_connection_is_closed_with_the_first_answer_after_the_signal():
    with serving() as (process, url):
        running = Running(url, "/reason", SECONDS_OF_WORK)
        wait_for_steps(url)
        host, port = url.removeprefix("http://").split(":")
        connection = HTTPConnection(host, int(port), timeout=60)
        connection.request("GET", "/ready")
        before = connection.getresponse()
        before.read()
        process.send_signal(signal.SIGTERM)
        wait_until_draining(url)
        connection.request("GET", "/ready")
        after = connection.getresponse()
        after.read()
        running.wait()
        code = process.wait(60)

    assert (before.status, before.getheader("connection")) == (200, None)
    assert (after.status, after.getheader("connection")) == (503, "close")
    assert code == 0


def test_without_a_sink_that_is_said_once():
    with serving(LOG_FORMAT="json") as (process, url):
        httpx2.post(f"{url}/events", json=SHORT, headers=headers_of(type=REQUESTED))
        process.send_signal(signal.SIGINT)
        log = log_of(process)

    assert process.returncode == 0
    assert [line["event"] for line in log].count("events.no_sink") == 1
