"""/mcp: streamable HTTP.

Stateless, since the next request may reach another replica: no session ids, so that GET (a stream that nothing would come
on, and that would keep a pod from scaling to zero) and DELETE (of no session) are 405, as the specification allows. An
answer is JSON, or a stream of events where there is progress to tell.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import INVALID_REQUEST, PARSE_ERROR
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from agent_reasoning.api.body import parse_json
from agent_reasoning.api.mcp.hosts import McpOptions
from agent_reasoning.api.mcp.server import Face
from agent_reasoning.api.problems import describe, retry_after
from agent_reasoning.api.reasoning import admitted_body, answer_of, answers_of
from agent_reasoning.errors import MalformedBody, ReasoningError
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, StreamedStep
from agent_reasoning.service.catalog import model_summary, task_detail
from agent_reasoning.service.reason import ReasoningService

PATH = "/mcp"


class Endpoint:
    """An ASGI application; it serves while `running`."""

    def __init__(self, service: ReasoningService, options: McpOptions, max_body_bytes: int) -> None:
        self._service, self._options, self._max_body_bytes = service, options, max_body_bytes
        tasks = [task_detail(task, service.models.get(task.info.name)) for task in service.registry.all()]
        models = [model_summary(model) for model in service.models.values()]
        self._server = Face(tasks, models, Answering(service)).server()

    def route(self) -> Route:
        return Route(PATH, self, methods=["POST"], include_in_schema=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        # One for each run: the SDK's cannot be started again.
        self._manager = StreamableHTTPSessionManager(
            self._server, stateless=True, max_request_body_size=self._max_body_bytes
        )
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if (refusal := self._options.refusal(request.headers.get("host"), request.headers.get("origin"))) is not None:
            status, words = refusal
            await rejection(status, INVALID_REQUEST, words)(scope, receive, send)
            return
        try:
            body = await admitted_body(request)
            parse_json(body)  # the SDK's own reading takes a name twice in an object, and NaN
        except ReasoningError as error:
            self._service.metrics.failed("general", error.code)
            await refused(error, scope["request_id"])(scope, receive, send)
            return
        await self._manager.handle_request(scope, replayed(body, receive), send)


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


def refused(error: ReasoningError, request_id: str) -> Response:
    """What is wrong with the message, or with who sent it: MCP clients show an error of JSON-RPC and no other body."""
    details = describe(error, request_id)
    code = PARSE_ERROR if isinstance(error, MalformedBody) else INVALID_REQUEST
    data = details.model_dump(exclude_none=True)
    return rejection(details.status, code, details.detail, data=data, headers=retry_after(error))


def rejection(
    status: int, code: int, message: str, *, data: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Before its id is known: a JSON-RPC error with none (MCP, "Transports", "Sending Messages to the Server")."""
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, status, headers=headers)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A body that has been read, once more; then what comes after it, which can only be that the client leaves."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay
