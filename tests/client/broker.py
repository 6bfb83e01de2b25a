"""A stand-in for a Knative broker with its Triggers, and for the service's side of events.

It accepts CloudEvents as a broker's ingress does (202), asks a real service by POST /reason, and delivers the
`completed` or `failed` event that DESIGN.md describes to each subscriber: at least once, again after an answer that
Knative retries. It is no simulation of timing, dead letters or filters.
"""

import json
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
from cloudevents.core.bindings import http as binding
from cloudevents.core.v1.event import CloudEvent

from agent_reasoning.client.events import COMPLETED, FAILED, REQUESTED

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
        reply = httpx2.post(f"{self.service}/reason", json=event.get_data(), timeout=60)
        result = self.result(event, reply)
        for subscriber in self.subscribers:
            for _ in range(self.copies):
                self.deliver(subscriber, result)

    def deliver(self, subscriber: str, result: CloudEvent) -> None:
        message = binding.to_binary_event(result)
        for _ in range(MAX_DELIVERIES):
            try:
                reply = httpx2.post(subscriber, content=message.body, headers=message.headers, timeout=30)
            except httpx2.TransportError:  # it has gone, or is not there yet
                continue
            self.answers.append((reply.status_code, reply.content))
            if reply.status_code not in RETRIED:
                return

    @staticmethod
    def result(event: CloudEvent, reply: httpx2.Response) -> CloudEvent:
        attributes = {
            "type": COMPLETED if reply.is_success else FAILED,
            "source": "/agent-reasoning",
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{event.get_source()} {event.get_id()}")),
            "datacontenttype": "application/json",
            "causationid": event.get_id(),
        }
        data = reply.json()
        if reply.is_success:
            attributes |= {"tasktype": data["task_type"], "verified": json.dumps(data["verified"])}
        for name in ("subject", "traceparent", "correlationid"):
            if event.get_attributes().get(name):
                attributes[name] = event.get_attributes()[name]
        if "correlationid" in attributes:
            attributes["replyid"] = attributes["correlationid"]
        return CloudEvent(attributes, data)


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
