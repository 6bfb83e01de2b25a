"""The MCP server of either transport: tools, resources, progress; the SDK speaks the protocol."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import structlog
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)
from starlette.requests import Request

from agent_reasoning import __version__
from agent_reasoning.api.mcp.calls import Calls
from agent_reasoning.api.mcp.resources import TEMPLATES, Documents
from agent_reasoning.api.mcp.tools import refusal_of, request_of, result_of, tool_of
from agent_reasoning.errors import ReasoningError
from agent_reasoning.schemas import ModelSummary, ReasonRequest, ReasonResponse, StreamedStep, TaskDetail

INSTRUCTIONS = """Structured problems, solved by small models and checked by exact verifiers; each tool is a kind of problem. \
An answer is right for certain where `verified` is true, and only there. The resource task://{name} has the schema of a \
tool's context and an example."""

CANCELLED = -32800  # what the SDK answers with in the same case

# What is offered follows from the process's models alone, and so does what each caller sees.
HINT = CacheHint(ttl_ms=300_000, scope="public")

log = structlog.get_logger("agent_reasoning.mcp")
Context = ServerRequestContext[Any, Request]


class Reasoner(Protocol):
    """What answers: the service of this process, or one elsewhere. `request`: the HTTP request, where there is one."""

    async def reason(self, body: ReasonRequest, request: Request | None) -> ReasonResponse: ...

    def stream(self, body: ReasonRequest, request: Request | None) -> AsyncGenerator[StreamedStep | ReasonResponse]: ...

    def refused(self, error: ReasoningError) -> None:
        """Told of a call that broke its schema, so that it counts."""
        ...


class Face:
    """Tasks, models and what answers, as handlers of the protocol's requests. A task without a model is no tool."""

    def __init__(self, tasks: Sequence[TaskDetail], models: Sequence[ModelSummary], reasoner: Reasoner) -> None:
        self._tasks = {task.name: task for task in tasks if task.model is not None}
        self._tools = [tool_of(task) for task in self._tasks.values()]
        self._schemas = {tool.name: tool.input_schema for tool in self._tools}
        self._documents = Documents(tasks, models)
        self._reasoner = reasoner
        self.calls = Calls()

    def server(self) -> Server[Any]:
        return Server(
            "agent-reasoning",
            version=__version__,
            title="agent-reasoning",
            instructions=INSTRUCTIONS,
            cache_hints={"tools/list": HINT, "resources/list": HINT, "resources/read": HINT},
            get_tool_input_schema=self._schemas.get,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
        )

    async def _list_tools(self, context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=self._tools)

    async def _list_resources(self, context: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(resources=self._documents.listed())

    async def _list_templates(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=TEMPLATES)

    async def _read_resource(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        return ReadResourceResult(contents=[self._documents.read(params.uri)])

    async def _call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        """A tool that is not there is an error of the protocol, all else one of the tool (MCP, "Error Handling")."""
        task = self._tasks.get(params.name)
        if task is None:
            raise MCPError(
                INVALID_PARAMS, f"Unknown tool: {params.name[:64]!r}. The tools are: {', '.join(self._tasks)}."
            )
        with self.calls.cancellable(context.request, context.request_id):
            return await self._called(context, task, params.arguments or {})
        raise MCPError(CANCELLED, "The call was cancelled.")

    async def _called(self, context: Context, task: TaskDetail, arguments: dict[str, Any]) -> CallToolResult:
        request_id = None if context.request is None else context.request.scope["request_id"]
        try:
            body = self._body(task, arguments)
            return result_of(await self._answer(context, body))
        except ReasoningError as error:
            return refusal_of(error, task, request_id)
        except Exception as error:  # ours to log; the SDK would tell it to some clients, word for word
            log.exception("mcp.unexpected", tool=task.name)
            return refusal_of(error, task, request_id)

    def _body(self, task: TaskDetail, arguments: dict[str, Any]) -> ReasonRequest:
        try:
            return request_of(task, arguments)
        except ReasoningError as error:
            self._reasoner.refused(error)
            raise

    async def _answer(self, context: Context, body: ReasonRequest) -> ReasonResponse:
        """With progress where the caller gave a token for it. Progress has to increase: it is the furthest step of any
        trajectory, of which there may be many."""
        if "progress_token" not in (context.meta or {}):
            return await self._reasoner.reason(body, context.request)
        furthest = 0
        # A caller that cancels, or leaves, closes the stream and so takes its problem off the engine.
        async with aclosing(self._reasoner.stream(body, context.request)) as answers:
            async for answer in answers:
                if isinstance(answer, ReasonResponse):
                    return answer
                if answer.step > furthest:
                    furthest = answer.step
                    await context.session.report_progress(furthest, body.max_steps, told(answer))
        raise AssertionError("a stream ends with the response")


def told(step: StreamedStep) -> str:
    state = "verified" if step.verified else f"{step.confidence:.0%} likely to be right"
    return f"Step {step.step}: {state}. {step.intermediate_answer}"
