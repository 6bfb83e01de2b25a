"""Requests as CloudEvents, in both modes, for the tests of /events."""

import json
from contextlib import contextmanager

from starlette.testclient import TestClient

from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.api.events import EventOptions
from agent_reasoning.service.reason import ReasoningService

REQUESTED = "io.homelab.reasoning.requested"
COMPLETED = "io.homelab.reasoning.completed"
FAILED = "io.homelab.reasoning.failed"
DATA = {"question": "In which order?", "context": {"steps": {"a": [], "b": ["a"]}}}
CORE = {"specversion": "1.0", "type": REQUESTED, "source": "/agent", "id": "1"}
MAX_BODY = 20_000
JSON = "application/json"
STRUCTURED = "application/cloudevents+json"


def headers_of(**attributes):
    """None leaves an attribute out."""
    found = CORE | attributes
    return {f"ce-{name}": value for name, value in found.items() if value is not None}


def binary(client, data=DATA, path="/events", content_type=JSON, **attributes):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    declared = {} if content_type is None else {"content-type": content_type}
    return client.post(path, content=body, headers=headers_of(**attributes) | declared)


def structured(client, data=DATA, path="/events", content_type=STRUCTURED, **attributes):
    members = {name: value for name, value in (CORE | {"data": data} | attributes).items() if value is not None}
    declared = {} if content_type is None else {"content-type": content_type}
    return client.post(path, content=json.dumps(members).encode(), headers=declared)


def metric(client, name):
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@contextmanager
def serving_events(registry, models, *, service=None, max_body=MAX_BODY, **options):
    """A client of an application of its own; options: of EventOptions."""
    service = service or ReasoningService(registry, models)
    app = create_app(service, Limits(max_body_bytes=max_body), EventOptions(**options))
    with TestClient(app, raise_server_exceptions=False) as client:
        client.service = service
        yield client
