"""/mcp: streamable HTTP.

Stateless, since the next request may reach another replica. GET (a stream that nothing would come on, and that would keep a
pod from scaling to zero) and DELETE (of a session that is not kept) are 405, as the specification allows. An answer is
JSON, or a stream of events where there is progress to tell, and always a stream for revisions before 2026-07-28.
"""

import uuid
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from agent_reasoning.api.body import check_media_type, parse_json
from agent_reasoning.api.mcp.hosts import McpOptions
from agent_reasoning.api.mcp.rejections import INVALID_REQUEST, PATH, refused, rejection
from agent_reasoning.api.mcp.server import Face
from agent_reasoning.api.reasoning import GONE, admitted_body, answer_of, answers_of
from agent_reasoning.errors import ReasoningError
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, StreamedStep
from agent_reasoning.service.catalog import model_summary, task_detail
from agent_reasoning.service.reason import ReasoningService


class Endpoint:
    """An ASGI application; it serves while `running`."""

    def __init__(self, service: ReasoningService, options: McpOptions, max_body_bytes: int) -> None:
        self._service, self._options = service, options
        tasks = [task_detail(task, service.models.get(task.info.name)) for task in service.registry.all()]
        models = [model_summary(model) for model in service.models.values()]
        self._face = Face(tasks, models, Answering(service))
        self._manager = StreamableHTTPSessionManager(
            self._face.server(), stateless=True, max_request_body_size=max_body_bytes
        )

    def route(self) -> Route:
        return Route(PATH, self, methods=["POST"], include_in_schema=False)

    def running(self) -> AbstractAsyncContextManager[None]:
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if (refusal := self._options.refusal(request.headers.get("host"), request.headers.get("origin"))) is not None:
            status, words = refusal
            await rejection(status, INVALID_REQUEST, words)(scope, receive, send)
            return
        try:
            body = await admitted_body(request)
            check_media_type(request)  # the SDK's own check answers in plain text, which MCP clients do not show
            message = parse_json(body)  # the SDK's own reading takes a name twice in an object, and NaN
        except ReasoningError as error:
            self._service.metrics.failed("general", error.code)
            await refused(error, scope["request_id"])(scope, receive, send)
            return
        match message:
            case {"method": "initialize"}:
                send = with_session(send)
            case {"method": "notifications/cancelled", "params": {"requestId": call_id}}:
                self._face.calls.cancel(request, call_id)
        begun = False

        async def send_begun(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        await self._manager.handle_request(scope, replayed(body, receive), send_begun)
        if not begun:
            await GONE(scope, receive, send)


class Answering:
    """The service of this process, asked as POST /reason asks it."""

    def __init__(self, service: ReasoningService) -> None:
        self._service = service

    async def reason(self, body: ReasonRequest, request: Request | None) -> ReasonResponse:
        assert request is not None
        return await answer_of(self._service, body, request)

    def stream(self, body: ReasonRequest, request: Request | None) -> AsyncGenerator[StreamedStep | ReasonResponse]:
        assert request is not None
        return answers_of(self._service, body, request)

    def refused(self, error: ReasoningError) -> None:
        self._service.metrics.failed("general", error.code)


def with_session(send: Send) -> Send:
    """Gives the client a session id of its own (see `calls`)."""

    async def send_with_session(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
            MutableHeaders(scope=message)[MCP_SESSION_ID_HEADER] = uuid.uuid4().hex
        await send(message)

    return send_with_session


def replayed(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, once more; then what comes after it, which can only be that the client leaves."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay
