"""A small HTTP endpoint that a Trigger delivers results to."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import uvicorn

from agent_reasoning.client.events import InvalidDelivery, read_result
from agent_reasoning.client.exceptions import ClientMisconfigured
from agent_reasoning.client.inbox import Handler, Inbox

MAX_BODY_BYTES = 1_048_576  # results stay under 64 KiB
READ_SECONDS = 10.0
CLOSE_SECONDS = 5

log = logging.getLogger("agent_reasoning.client")


class Receiver:
    """Accepts deliveries on any path: a Trigger without `uri` posts to /, others to what they name.

    Answers 204 and no body once a result has been handled (a body that is no event would be a malformed reply to a
    broker), 4xx to what is no event, and 500 where the handler raised, so that the broker delivers again.
    """

    def __init__(self, listening: socket.socket, handler: Handler | None) -> None:
        self._listening = listening
        self.inbox = Inbox(handler)
        self.port: int = listening.getsockname()[1]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application."""
        status, message = await self._answer(scope, receive)
        headers = [(b"allow", b"POST, OPTIONS")] if status in (200, 405) else []
        if scope["method"] == "OPTIONS":
            headers += _permission(scope["headers"])
        body = message.encode()
        if body:
            headers += [(b"content-type", b"text/plain; charset=utf-8")]
        if status != 204:
            headers += [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, str]:
        if scope["method"] == "OPTIONS":
            return 200, ""
        if scope["method"] != "POST":
            return 405, "Results are delivered by POST."
        try:
            result = read_result(scope["headers"], await _body(receive))
            if result is None:
                return 204, ""  # somebody else's event: nothing to do, and nothing to deliver again
            if not result.readable:
                self.inbox.wake(result)  # who waits for it would wait in vain
                raise InvalidDelivery(400, str(result.outcome))
            await self.inbox.take(result)
        except InvalidDelivery as error:
            log.warning("A delivery was refused: %s", error)
            return error.status, str(error)
        except Exception:
            log.exception("The handler failed; the broker will deliver again.")
            return 500, "The result could not be handled; deliver it again."
        return 204, ""


class _Server(uvicorn.Server):
    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        """The program that uses the client has its own ideas of signals."""
        return nullcontext()


@asynccontextmanager
async def receiving(host: str, port: int, handler: Handler | None) -> AsyncIterator[Receiver]:
    """A receiver that listens from here to the end of the block. Raises ClientMisconfigured where it cannot."""
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise ClientMisconfigured(f"The receiver cannot listen on {host}:{port}: {error}.") from None
    with listening:
        receiver = Receiver(listening, handler)
        server = _Server(
            uvicorn.Config(
                receiver,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        serving = asyncio.ensure_future(server.serve(sockets=[listening]))
        try:
            yield receiver
        finally:
            server.should_exit = True
            receiver.inbox.close()
            await serving


async def _body(receive: Any) -> bytes:
    """Raises InvalidDelivery, as soon as it is known, before the rest is read."""
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise InvalidDelivery(400, "The body ended early.")
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise InvalidDelivery(413, f"The body is larger than {MAX_BODY_BYTES} bytes.")
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        raise InvalidDelivery(408, f"The body did not arrive within {READ_SECONDS:g} seconds.") from None


def _permission(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What the webhook specification's validation asks for (CloudEvents http-webhook §4)."""
    origins = [value for name, value in headers if name == b"webhook-request-origin"]
    return [(b"webhook-allowed-origin", origins[0]), (b"webhook-allowed-rate", b"*")] if origins else []
