"""Who asks, and under which name the answer is found in the logs."""

import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_reasoning.api.faces import rendered

HEADER = "x-request-id"
ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,128}")
QUIET = ("/health", "/ready", "/metrics")  # asked every few seconds: at info they would be most of the log

log = structlog.get_logger("agent_reasoning.http")


class RequestIdentity:
    """Gives each request an id (the caller's own where it is one), in the log's context and the response's headers,
    and writes one line a request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
        scope["request_id"] = request_id
        status = 500
        begun = time.perf_counter()

        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, started
            started = True
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:  # ours to log, once, and never the client's to read
                log.exception("http.unexpected", path=scope["path"])
                if not started:
                    await rendered(scope["path"], error, request_id)(scope, receive, send_with_id)
            finally:
                write = log.debug if scope["path"] in QUIET else log.info
                milliseconds = round((time.perf_counter() - begun) * 1000, 3)
                write(
                    "http.request", method=scope["method"], path=scope["path"], status=status, duration_ms=milliseconds
                )


def address_of(connection: HTTPConnection, trusted_hops: int) -> str:
    """Where a request comes from: the X-Forwarded-For entry `trusted_hops` from the right, which the outermost
    trusted proxy wrote (whatever stands left of it is the caller's own claim), else the peer."""
    peer = connection.client.host if connection.client else "unknown"
    if trusted_hops == 0:
        return peer
    entries = [entry.strip() for line in connection.headers.getlist("x-forwarded-for") for entry in line.split(",")]
    return entries[-trusted_hops] if len(entries) >= trusted_hops else peer
