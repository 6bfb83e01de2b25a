"""Sinks that results are published to: real HTTP servers, well and unwell."""

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.live import free_port


def dead_address() -> str:
    """Where nobody listens."""
    return f"http://127.0.0.1:{free_port()}/"


@dataclass
class RecordingSink:
    """Answers each event with the next of `statuses`, then with 202; remembers what it was sent."""

    statuses: list[int] = field(default_factory=list)
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    accepted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        event = dict(request.headers), await request.body()
        self.received.append(event)
        status = self.statuses.pop(0) if self.statuses else 202
        if status < 300:
            self.accepted.append(event)
        return Response(status_code=status)


@contextmanager
def listening(sink, port=None, **options):
    """Yields the sink's URL; options: of uvicorn."""
    port = port or free_port()
    app = Starlette(routes=[Route("/{path:path}", sink.answer, methods=["POST"])])
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", lifespan="off", **options)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", port))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"{'https' if options else 'http'}://localhost:{port}/default/broker"
    finally:
        server.should_exit = True
        thread.join()
