"""The one place where an exception becomes something a client reads (RFC 9457 problem details)."""

import math
from http import HTTPStatus

from starlette.responses import JSONResponse

from agent_reasoning import errors
from agent_reasoning.errors import ReasoningError
from agent_reasoning.schemas import ProblemDetails

TYPE_PREFIX = "urn:agent-reasoning:problem:"
MEDIA_TYPE = "application/problem+json"

TABLE: dict[type[ReasoningError], tuple[int, str]] = {
    errors.MalformedBody: (400, "The body is not JSON"),
    errors.BodyTooSlow: (408, "The body did not arrive in time"),
    errors.BodyTooLarge: (413, "The body is too large"),
    errors.InvalidRequest: (422, "The request breaks its schema"),
    errors.UnknownTask: (422, "There is no such task"),
    errors.UnmappableContext: (422, "No task takes this context"),
    errors.AmbiguousContext: (422, "Several tasks take this context"),
    errors.InvalidContext: (422, "The context breaks the task's rules"),
    errors.NotVerified: (422, "No verified answer was found"),
    errors.RateLimited: (429, "This client sends too much"),
    errors.Overloaded: (503, "The queue is full"),
    errors.NotReady: (503, "The service is not ready"),
    errors.ModelMissing: (503, "No model is loaded for this task"),
    errors.DeadlineExceeded: (504, "The deadline passed"),
    errors.EngineFailed: (500, "The model failed"),
}


def describe(error: Exception, request_id: str | None = None) -> ProblemDetails:
    """Whatever was raised, in the client's words."""
    if isinstance(error, ReasoningError):
        for cls in type(error).__mro__:
            if cls in TABLE:
                status, title = TABLE[cls]
                return _details(error.code, title, status, str(error), request_id, error.fields)
    # Not ours: the message may hold paths or tensors, so it goes to the log and not to the client.
    return _details(
        "internal", "Internal error", 500, "The service failed on this request; its log says why.", request_id, {}
    )


def describe_status(status: int, detail: str | None, request_id: str | None = None) -> ProblemDetails:
    """For what the framework answers by itself: no such path, wrong method."""
    phrase = HTTPStatus(status).phrase
    return _details(phrase.lower().replace(" ", "-"), phrase, status, detail or phrase, request_id, {})


def render(error: Exception, request_id: str | None = None) -> JSONResponse:
    details = describe(error, request_id)
    return JSONResponse(
        details.model_dump(exclude_none=True), details.status, headers=retry_after(error), media_type=MEDIA_TYPE
    )


def retry_after(error: Exception) -> dict[str, str]:
    """The Retry-After header, where waiting helps: whole seconds, at least one."""
    seconds = getattr(error, "retry_after_seconds", None)
    return {} if seconds is None else {"retry-after": str(max(1, math.ceil(seconds)))}


def _details(
    code: str, title: str, status: int, detail: str, request_id: str | None, fields: dict[str, object]
) -> ProblemDetails:
    return ProblemDetails(
        type=TYPE_PREFIX + code, title=title, status=status, detail=detail, request_id=request_id, **fields
    )
