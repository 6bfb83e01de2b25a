"""POST /reason, and what can be asked there: /tasks and /models."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from agent_reasoning.api.body import parse_json, read_body
from agent_reasoning.api.outlet import Outlet
from agent_reasoning.api.problems import MEDIA_TYPE, describe
from agent_reasoning.errors import InvalidRequest, ReasoningError
from agent_reasoning.schemas import (
    ModelSummary,
    ProblemDetails,
    ReasonRequest,
    ReasonResponse,
    StreamedStep,
    TaskDetail,
    TaskSummary,
)
from agent_reasoning.service.catalog import model_summary, task_detail, task_summary
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.validation import validate

router = APIRouter()
log = structlog.get_logger("agent_reasoning.api")

Answered = TypeVar("Answered")
HEARTBEAT_SECONDS = 15
GONE = Response(status_code=499)  # nobody reads it; in the log it is what proxies call a client that left

PROBLEM: dict[str, Any] = {"model": ProblemDetails, "content": {MEDIA_TYPE: {}}}
REASON_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {**PROBLEM, "description": "The body is not JSON."},
    401: {**PROBLEM, "description": "API keys are configured, and the request carries none of them."},
    408: {**PROBLEM, "description": "The body did not arrive in time."},
    413: {**PROBLEM, "description": "The body is larger than MAX_BODY_BYTES."},
    422: {**PROBLEM, "description": "The request or its context breaks a rule, or require_verified was not met."},
    429: {**PROBLEM, "description": "This client sends too much; see Retry-After."},
    503: {**PROBLEM, "description": "Overloaded, draining or not ready; see Retry-After."},
    504: {**PROBLEM, "description": "The deadline passed before the first refinement step."},
}
BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": ReasonRequest.model_json_schema()}}}
}


async def service_of(request: Request) -> ReasoningService:
    """Asynchronous, though it waits for nothing: the framework would send a plain function through a thread."""
    service: ReasoningService = request.app.state.service
    return service


Service = Annotated[ReasoningService, Depends(service_of)]


async def admitted_body(request: Request) -> bytes:
    """The body of a request that has been let in (api/access.py). Raises BodyTooLarge, BodyTooSlow."""
    return await read_body(request, request.app.state.limits.max_body_bytes)


async def reason_request(request: Request) -> ReasonRequest:
    """The body, read by hand: the framework's own reading knows no limit on size and takes NaN for a number."""
    try:
        return validate(ReasonRequest, parse_json(await admitted_body(request)), InvalidRequest, "request")
    except ReasoningError as error:
        (await service_of(request)).metrics.failed("general", error.code)
        raise


def prefers_stream(request: Request) -> bool:
    """Whether the Accept header names event streams. A client that would take JSON as well gets JSON."""
    accepted = [part.split(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return "text/event-stream" in accepted and "application/json" not in accepted


async def disconnected(request: Request) -> None:
    """Until the client has closed the connection; its body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def answers_of(
    service: ReasoningService, body: ReasonRequest, request: Request
) -> AsyncGenerator[StreamedStep | ReasonResponse]:
    """The service's stream; its end is published where there is a sink."""
    outlet: Outlet | None = request.app.state.events.outlet
    try:
        async with aclosing(service.stream(body, request.scope["request_id"])) as answers:
            async for answer in answers:
                if outlet is not None and isinstance(answer, ReasonResponse):
                    outlet.answered(request, answer)
                yield answer
    except ReasoningError as error:
        if outlet is not None:
            outlet.refused(request, body, error)
        raise


async def answer_of(service: ReasoningService, body: ReasonRequest, request: Request) -> ReasonResponse:
    """The service's answer, published where there is a sink."""
    outlet: Outlet | None = request.app.state.events.outlet
    try:
        answer = await service.reason(body, request.scope["request_id"])
    except ReasoningError as error:
        if outlet is not None:
            outlet.refused(request, body, error)
        raise
    if outlet is not None:
        outlet.answered(request, answer)
    return answer


async def streamed(
    answers: AsyncGenerator[StreamedStep | ReasonResponse], first: StreamedStep | ReasonResponse, request_id: str
) -> AsyncIterator[ServerSentEvent]:
    """`step` for each refinement step, then one `result` or `error`."""
    try:
        async with aclosing(answers):  # a reader that leaves takes its problem off the engine
            yield event(first)
            async for answer in answers:
                yield event(answer)
    except Exception as error:
        if not isinstance(error, ReasoningError):
            log.exception("stream.failed")
        yield ServerSentEvent(describe(error, request_id).model_dump_json(exclude_none=True), event="error")


def event(answer: StreamedStep | ReasonResponse) -> ServerSentEvent:
    if isinstance(answer, StreamedStep):
        return ServerSentEvent(answer.model_dump_json(), event="step", id=f"{answer.sample}.{answer.step}")
    return ServerSentEvent(answer.model_dump_json(), event="result")


async def stream(service: ReasoningService, body: ReasonRequest, request: Request) -> Response:
    """What fails before the first step is an ordinary error: nothing has been streamed yet."""
    request_id = request.scope["request_id"]
    answers = answers_of(service, body, request)
    first = await unless_gone(anext(answers), request)
    if first is None:
        await answers.aclose()
        return GONE
    return EventSourceResponse(streamed(answers, first, request_id), ping=HEARTBEAT_SECONDS)


async def unless_gone(answer: Awaitable[Answered], request: Request) -> Answered | None:
    """The answer; None where the client has left before. Its problem is then taken off the engine."""
    answering = asyncio.ensure_future(answer)
    gone = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await answering if answering.done() else None
    finally:
        gone.cancel()
        if answering.cancel():
            await asyncio.wait({answering})  # until it has let go of what it held


@router.post("/reason", response_model=ReasonResponse, responses=REASON_ERRORS, openapi_extra=BODY, tags=["reasoning"])
async def reason(body: Annotated[ReasonRequest, Depends(reason_request)], request: Request, service: Service) -> Any:
    """Solve a problem. The answer says whether an exact verifier found it valid, and who found it.

    With `Accept: text/event-stream` the answer is a stream of server-sent events: `step` for each refinement step as it
    is judged (see StreamedStep), then one `result` (the response) or `error` (problem details).
    """
    if prefers_stream(request):
        return await stream(service, body, request)
    answer = await unless_gone(answer_of(service, body, request), request)
    # As it is: the framework would check and convert once more what the service has just made.
    return GONE if answer is None else Response(answer.model_dump_json(), media_type="application/json")


@router.get("/tasks", tags=["reasoning"])
async def tasks(service: Service) -> list[TaskSummary]:
    """What can be asked, with an example of each."""
    return [task_summary(task) for task in service.registry.all()]


@router.get("/tasks/{name}", tags=["reasoning"], responses={404: {**PROBLEM, "description": "There is no such task."}})
async def task(name: str, service: Service) -> TaskDetail:
    """One task: the JSON Schema of its context, an example, and the model that serves it."""
    found = {task.info.name: task for task in service.registry.all()}.get(name)
    if found is None:
        raise HTTPException(404, f"There is no task named {name[:64]!r}; GET /tasks lists them.")
    return task_detail(found, service.models.get(name))


@router.get("/models", tags=["reasoning"])
async def models(service: Service) -> list[ModelSummary]:
    """The models that are loaded."""
    return [model_summary(model) for model in service.models.values()]
