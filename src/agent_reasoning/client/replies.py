"""What comes back: models of schemas.py, or exceptions."""

import email.utils
from datetime import UTC, datetime
from typing import TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

from agent_reasoning.client.exceptions import REFUSALS, ServiceError, UnexpectedReply
from agent_reasoning.client.settings import shown_url
from agent_reasoning.schemas import ProblemDetails, ReasonResponse, StreamedStep

TYPE_PREFIX = "urn:agent-reasoning:problem:"
PROBLEM = "application/problem+json"
SHOWN = 200  # characters of a body that nobody expected

Model = TypeVar("Model")


def parsed(adapter: TypeAdapter[Model], response: httpx2.Response) -> Model:
    """The body of a 2xx reply. Raises UnexpectedReply."""
    try:
        return adapter.validate_json(response.content)
    except ValidationError as error:
        raise unexpected(response, f"not in the form that this client knows ({_first(error)})") from None


def refusal(response: httpx2.Response) -> ServiceError:
    """The exception for a reply that is no 2xx; its body has been read."""
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() == PROBLEM:
        try:
            problem = ProblemDetails.model_validate_json(response.content)
        except ValidationError:
            return unexpected(response, "a problem document of another form")
        return failure(problem, retry_after(response.headers), response)
    return unexpected(response, "no problem document of this service")


def failure(
    problem: ProblemDetails, wait_seconds: float | None = None, response: httpx2.Response | None = None
) -> ServiceError:
    """The exception of a problem document, from a reply, a stream or a `failed` event."""
    code = problem.type.removeprefix(TYPE_PREFIX)
    kind = REFUSALS.get(code)
    error = kind(problem.detail) if kind else UnexpectedReply(f"{problem.title}: {problem.detail} ({problem.type})")
    error.fields = dict(problem.model_extra or {})
    error.status = problem.status if response is None else response.status_code
    error.request_id = problem.request_id
    error.retry_after = wait_seconds
    return error


def unexpected(response: httpx2.Response, why: str) -> UnexpectedReply:
    shown = " ".join(response.text.split())[:SHOWN] or "an empty body"
    error = UnexpectedReply(f"{shown_url(response.url)} answered {response.status_code}, {why}: {shown}")
    error.status = response.status_code
    error.request_id = response.headers.get("x-request-id")
    error.retry_after = retry_after(response.headers)
    return error


def retry_after(headers: httpx2.Headers, now: datetime | None = None) -> float | None:
    """Seconds to wait, from the header's number or date (RFC 9110 §10.2.3); None where it says neither."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())


def streamed(event: httpx2.ServerSentEvent) -> StreamedStep | ReasonResponse | None:
    """One event of a stream; None for a name that this client does not know. Raises the exception of an `error` event,
    UnexpectedReply for data of another form."""
    try:
        if event.event == "step":
            return StreamedStep.model_validate_json(event.data)
        if event.event == "result":
            return ReasonResponse.model_validate_json(event.data)
        if event.event != "error":
            return None
        problem = ProblemDetails.model_validate_json(event.data)
    except ValidationError as error:
        raise UnexpectedReply(
            f"An event named {event.event} is not in the form that this client knows ({_first(error)})."
        ) from None
    raise failure(problem)


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, [".".join(map(str, problem["loc"])), problem["msg"]]))
