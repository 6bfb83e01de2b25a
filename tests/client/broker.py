"""A stand-in for a Knative broker with its Triggers.

It accepts CloudEvents as a broker's ingress does (202), delivers them to a real service's /events, and what that replies to each
subscriber: at least once, again after an answer that Knative retries. It is no simulation of timing, dead letters or
filters; tests/delivery/broker.py is.
"""

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
from cloudevents.core.bindings import http as binding
from cloudevents.core.v1.event import CloudEvent

from agent_reasoning.client.events import REQUESTED

RETRIED = {404, 408, 409, 429, *range(500, 600)}
MAX_DELIVERIES = 5


@dataclass
class StandInBroker:
    """`copies`: how often each result is delivered. `published`: the events that came in; `answers`: what subscribers
    said to deliveries. `refusals`: statuses for the first publications, before the broker accepts."""

    service: str
    subscribers: list[str]
    copies: int = 1
    refusals: list[int] = field(default_factory=list)
    url: str = ""
    published: list[CloudEvent] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    def accept(self, headers: dict, body: bytes) -> int:
        event = binding.from_http_event(binding.HTTPMessage(headers, body))
        self.published.append(event)
        if self.refusals:
            return self.refusals.pop(0)
        if event.get_type() == REQUESTED:
            threading.Thread(target=self.trigger, args=(event,)).start()
        return 202

    def trigger(self, event: CloudEvent) -> None:
        message = binding.to_binary_event(event)
        reply = httpx2.post(f"{self.service}/events", content=message.body, headers=message.headers, timeout=60)
        assert reply.status_code == 200, reply.text
        attributes = {
            name: value for name, value in reply.headers.items() if name.startswith("ce-") or name == "content-type"
        }
        for subscriber in self.subscribers:
            for _ in range(self.copies):
                self.deliver(subscriber, attributes, reply.content)

    def deliver(self, subscriber: str, attributes: dict, body: bytes) -> None:
        for _ in range(MAX_DELIVERIES):
            try:
                reply = httpx2.post(subscriber, content=body, headers=attributes, timeout=30)
            except httpx2.TransportError:  # it has gone, or is not there yet
                continue
            self.answers.append((reply.status_code, reply.content))
            if reply.status_code not in RETRIED:
                return


class Ingress(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        status = self.server.broker.accept({name.lower(): value for name, value in self.headers.items()}, body)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


@contextmanager
def standing_in(service: str, *subscribers: str, **options):
    broker = StandInBroker(service, list(subscribers), **options)
    server = Server(("127.0.0.1", 0), Ingress)
    server.broker = broker
    broker.url = f"http://127.0.0.1:{server.server_port}/ai-agents/default"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield broker
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
