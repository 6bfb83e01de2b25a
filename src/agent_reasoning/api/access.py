"""Who is let in, and how much each may ask: before any face reads anything of a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_reasoning.api.faces import rendered
from agent_reasoning.api.identity import address_of
from agent_reasoning.errors import ReasoningError, Unauthenticated
from agent_reasoning.service.keys import Keys
from agent_reasoning.service.limits import RateLimiter
from agent_reasoning.service.metrics import Refusal
from agent_reasoning.service.reason import ReasoningService

# What the cluster asks, and pages that hold no data and cannot send a key before they are loaded.
OPEN = {"/health", "/ready", "/metrics", "/docs", "/openapi.json"}
OPEN_PAGES = {"/", "/favicon.ico"}  # GET and HEAD; POST / is a delivery of an event
OPEN_FILES = "/static/"
EVENTS = {"/", "/events", "/events/"}
# Its work is done elsewhere than in the engine, whose queue says nothing about it.
WITHOUT_ENGINE = "/v1/functions"
READS = ("GET", "HEAD")

log = structlog.get_logger("agent_reasoning.access")


@dataclass(frozen=True, slots=True)
class Access:
    """keys: empty lets everybody in. origins: whose pages may ask from a browser; none by default."""

    keys: Keys = field(default_factory=Keys)
    events_need_key: bool = False
    origins: Sequence[str] = ()


class Admission:
    """A key where keys are configured; then whether the service has room; then the client's rate, so that what is refused
    for want of room is not counted against whoever sent it."""

    def __init__(
        self, app: ASGIApp, *, access: Access, limiter: RateLimiter, trusted_hops: int, service: ReasoningService
    ) -> None:
        self.app = app
        self._access, self._limiter, self._trusted_hops, self._service = access, limiter, trusted_hops, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here, and none shall be a way around
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            counted = self._admit(HTTPConnection(scope), scope["method"])
        except ReasoningError as error:
            if scope["method"] not in READS:
                self._service.metrics.failed("general", error.code)
            await rendered(scope["path"], error, scope.get("request_id"))(scope, receive, send)
            return

        async def send_and_refund(message: Message) -> None:
            # There was room when it was let in, and none any more when it reached the engine.
            if counted is not None and message["type"] == "http.response.start" and message["status"] == 503:
                self._limiter.refund(counted)
            await send(message)

        await self.app(scope, receive, send_and_refund)

    def _admit(self, connection: HTTPConnection, method: str) -> str | None:
        """Under which name the request has been counted. Raises Unauthenticated, Overloaded, NotReady, RateLimited."""
        path = connection.scope["path"]
        read = method in READS
        if path in OPEN or (read and (path in OPEN_PAGES or path.startswith(OPEN_FILES))):
            return None
        if path in EVENTS and not read:
            # A broker delivers without a key, and again what is refused: there its own reply says what to do.
            if self._access.events_need_key:
                self._authenticated(connection)
            return None
        client = self._authenticated(connection)
        if not read and not path.startswith(WITHOUT_ENGINE):
            self._service.check_open()
        # Reads have a count of their own: who polls /models can still ask.
        counted = f"{'reads' if read else 'asks'} {client}"
        self._limiter.check(counted)
        return counted

    def _authenticated(self, connection: HTTPConnection) -> str:
        """The client that rates count. Raises Unauthenticated; RateLimited for who keeps trying."""
        address = f"address {address_of(connection, self._trusted_hops)}"
        if not self._access.keys:
            return address  # what is sent as a key proves nothing, and would be a way to be counted as another
        key, reason = presented(connection)
        name = None if key is None else self._access.keys.name_of(key)
        if name is not None:
            structlog.contextvars.bind_contextvars(client=name)
            return f"key {name}"
        reason = reason or "unknown"
        self._service.metrics.refused_keys.labels(reason).inc()
        log.warning("access.refused", reason=reason, address=address.partition(" ")[2], path=connection.scope["path"])
        self._limiter.check(f"refused {address}")
        raise Unauthenticated(WORDS[reason])


WORDS: dict[Refusal, str] = {
    "missing": "An API key is needed: send it as `Authorization: Bearer KEY`, or as `x-api-key: KEY`.",
    "malformed": "The API key cannot be read: send `Authorization: Bearer KEY` once, or `x-api-key: KEY`.",
    "unknown": "This API key is not known here.",
}


def presented(connection: HTTPConnection) -> tuple[str | None, Refusal | None]:
    """The key that a request carries; else why it carries none."""
    bearers = connection.headers.getlist("authorization")
    plain = connection.headers.getlist("x-api-key")
    if len(bearers) > 1 or len(plain) > 1:
        return None, "malformed"
    if bearers:
        scheme, _, key = bearers[0].strip().partition(" ")
        if scheme.lower() == "bearer":
            return (key.strip(), None) if key.strip() else (None, "malformed")
        if not plain:
            return None, "malformed"
    if plain:
        return (plain[0].strip(), None) if plain[0].strip() else (None, "malformed")
    return None, "missing"
