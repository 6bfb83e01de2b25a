"""A dead letter goes from the sink's log back to a broker as it came."""

import io
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import structlog
from starlette.testclient import TestClient

from agent_reasoning.api.dead_letters import create_app
from tools import resend

EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "42",
    "ce-source": "/planner",
    "ce-type": "io.homelab.reasoning.requested",
    "ce-subject": "K%C3%B6ln",  # Köln, as the HTTP binding writes it
    "ce-correlationid": "c-1",
    "ce-traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "content-type": "application/json",
}
OF_THE_FAILURE = {"ce-knativeerrorcode": "503", "ce-knativeerrordest": "http://agent-reasoning/events"}


@pytest.fixture
def broker():
    """(its URL, the requests that it got: headers and body)."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.headers, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/ai-agents/agent-reasoning", got
    server.shutdown()
    server.server_close()
    thread.join()


def log_of(headers, body, most=1000):
    """What the sink writes about an event that is delivered to it."""
    with structlog.testing.capture_logs() as lines, TestClient(create_app(most)) as client:
        assert client.post("/", content=body, headers=headers).status_code == 202
    return "".join(json.dumps(line) + "\n" for line in lines)


def run(monkeypatch, log, *arguments):
    monkeypatch.setattr(sys, "argv", ["resend", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO(log))
    return resend.main()


def test_it_is_delivered_with_all_its_attributes_and_its_data(broker, monkeypatch):
    url, got = broker
    body = json.dumps({"question": "Köln?", "context": {}}).encode()

    assert run(monkeypatch, "starting …\n" + log_of(EVENT | OF_THE_FAILURE, body), url) == 0

    [(headers, data)] = got
    assert data == body
    assert {name: headers.get(name) for name in EVENT} == EVENT
    assert not [name for name in headers if name.lower().startswith("ce-knative")]


def test_an_event_in_one_piece_is_delivered_in_one_piece(broker, monkeypatch):
    url, got = broker
    body = json.dumps({"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": {}}).encode()

    assert run(monkeypatch, log_of({"content-type": "application/cloudevents+json"}, body), url) == 0

    assert [(headers["content-type"], data) for headers, data in got] == [("application/cloudevents+json", body)]


def test_only_those_that_are_asked_for(broker, monkeypatch):
    url, got = broker
    log = log_of(EVENT, b"{}") + log_of(EVENT | {"ce-id": "43"}, b"{}")

    assert run(monkeypatch, log, url, "--id", "43") == 0

    assert [headers["ce-id"] for headers, _ in got] == ["43"]


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        (EVENT, b"x" * 1001, "all of its data"),
        (EVENT, b"\xff", "all of its data"),
        ({"content-type": "application/json"}, b"{}", "no event"),
    ],
)
def test_what_the_log_does_not_hold_is_not_sent_and_said(broker, monkeypatch, capsys, headers, body, words):
    url, got = broker

    assert run(monkeypatch, log_of(headers, body), url) == 1

    assert words in capsys.readouterr().err
    assert got == []


def test_a_broker_that_refuses_is_said(monkeypatch, capsys):
    assert run(monkeypatch, log_of(EVENT, b"{}"), "http://127.0.0.1:1/") == 1

    assert "42: not sent" in capsys.readouterr().err
