"""How connections are told that the process ends."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_reasoning.service.reason import ReasoningService


class CloseWhileDraining:
    """`Connection: close` on every response from the first signal on, so that clients with connections to spare open the
    next one elsewhere."""

    def __init__(self, app: ASGIApp, service: ReasoningService) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and self._service.draining:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self.app(scope, receive, send_and_close if scope["type"] == "http" else send)
