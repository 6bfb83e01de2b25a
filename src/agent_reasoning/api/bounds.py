"""How large a body may be and how long it may take to arrive, whichever face reads it."""

import asyncio
import time

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_reasoning.api.body import READ_SECONDS, too_large, too_slow
from agent_reasoning.api.faces import rendered
from agent_reasoning.errors import InvalidRequest
from agent_reasoning.service.metrics import Metrics

OWN = {"/", "/events", "/events/"}  # which answers a broker in its own way, also about a body that is too large


class BodyBounds:
    """Faces that read bodies by a library of their own, which knows no limit, get one that ends in time. Where such a
    library answers by itself what reading raised, its answer is replaced by ours."""

    def __init__(self, app: ASGIApp, max_bytes: int, metrics: Metrics) -> None:
        self.app, self._max_bytes, self._metrics = app, max_bytes, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OWN:
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            error = too_large(self._max_bytes)
            self._metrics.failed("general", error.code)
            await rendered(scope["path"], error, scope.get("request_id"))(scope, receive, send)
            return
        reading = Reading(receive, self._max_bytes)
        started = False

        async def send_unless_broken(message: Message) -> None:
            nonlocal started
            if reading.failure is None or started:
                started = True
                await send(message)

        try:
            await self.app(scope, reading.receive, send_unless_broken)
        except InvalidRequest as raised:
            if raised is not reading.failure:
                raise
        if reading.failure is not None and not started:
            await rendered(scope["path"], reading.failure, scope.get("request_id"))(scope, receive, send)


class Reading:
    """One body on its way in. `failure`: what is wrong with it, once it is known."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive, self._max_bytes = receive, max_bytes
        self._read = 0
        self._more = True
        self._ends: float | None = None
        self.failure: InvalidRequest | None = None

    async def receive(self) -> Message:
        """Raises BodyTooLarge, BodyTooSlow."""
        if not self._more:  # what comes now is the client's leaving, which may take as long as the answer
            return await self._receive()
        self._ends = self._ends or time.monotonic() + READ_SECONDS
        try:
            async with asyncio.timeout(self._ends - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            self.failure = too_slow()
            raise self.failure from None
        self._read += len(message.get("body", b""))
        self._more = message.get("more_body", False)
        if self._read > self._max_bytes:
            self.failure = too_large(self._max_bytes)
            raise self.failure
        return message
