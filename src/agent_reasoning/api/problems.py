"""The one place where an exception becomes something a client reads (RFC 9457 problem details)."""

import json
import math
from http import HTTPStatus
from typing import Any, NamedTuple

from starlette.responses import JSONResponse

from agent_reasoning import errors
from agent_reasoning.errors import ReasoningError
from agent_reasoning.schemas import ProblemDetails

TYPE_PREFIX = "urn:agent-reasoning:problem:"
MEDIA_TYPE = "application/problem+json"


class Kind(NamedTuple):
    """How an error is told. `passing`: the same request may succeed later, so that a sender should try again."""

    status: int
    title: str
    passing: bool = False


TABLE: dict[type[ReasoningError], Kind] = {
    errors.MalformedBody: Kind(400, "The body is not JSON"),
    errors.BodyTooSlow: Kind(408, "The body did not arrive in time", passing=True),
    errors.BodyTooLarge: Kind(413, "The body is too large"),
    errors.MalformedEvent: Kind(400, "This is no valid CloudEvent"),
    errors.UnsupportedFormat: Kind(415, "Events are not read in this form"),
    errors.InvalidRequest: Kind(422, "The request breaks its schema"),
    errors.UnknownTask: Kind(422, "There is no such task"),
    errors.UnmappableContext: Kind(422, "No task takes this context"),
    errors.AmbiguousContext: Kind(422, "Several tasks take this context"),
    errors.InvalidContext: Kind(422, "The context breaks the task's rules"),
    errors.NotVerified: Kind(422, "No verified answer was found"),
    errors.ResultTooLarge: Kind(422, "The answer does not fit into an event"),
    errors.Unauthenticated: Kind(401, "An API key is needed"),
    errors.UnknownFunction: Kind(404, "There is no such function"),
    errors.FunctionExists: Kind(409, "The function's name is taken"),
    errors.InvalidFunction: Kind(422, "The code cannot be called"),
    errors.FunctionFailed: Kind(422, "The function failed"),
    errors.RateLimited: Kind(429, "This client sends too much", passing=True),
    errors.Overloaded: Kind(503, "The queue is full", passing=True),
    errors.NotReady: Kind(503, "The service is not ready", passing=True),
    errors.ModelMissing: Kind(503, "No model is loaded for this task", passing=True),
    errors.DeadlineExceeded: Kind(504, "The deadline passed", passing=True),
    errors.EngineFailed: Kind(500, "The model failed", passing=True),
}


def describe(error: Exception, request_id: str | None = None) -> ProblemDetails:
    """Whatever was raised, in the client's words."""
    kind = _kind(error)
    if isinstance(error, ReasoningError) and kind is not None:
        return _details(error.code, kind.title, kind.status, str(error), request_id, error.fields)
    # Not ours: the message may hold paths or tensors, so it goes to the log and not to the client.
    return _details(
        "internal", "Internal error", 500, "The service failed on this request; its log says why.", request_id, {}
    )


def passing(error: Exception) -> bool:
    """Whether the same request may succeed later. Of a fault that nobody foresaw nobody knows; it is tried again."""
    kind = _kind(error)
    return kind is None or kind.passing


def compact(details: ProblemDetails, max_bytes: int) -> bytes:
    """As JSON of at most `max_bytes` (of 512 at least): members beyond RFC 9457's own are left out, the largest first, then
    `detail` is cut."""
    members = details.model_dump(exclude_none=True)
    extra = sorted(details.model_extra or (), key=lambda name: len(json.dumps(members[name])), reverse=True)
    while len(found := _json(members)) > max_bytes and extra:
        del members[extra.pop(0)]
    while (excess := len(found) - max_bytes) > 0:
        # No character takes more than 6 bytes as JSON: never too much is cut, and what is left to cut shrinks.
        members["detail"] = members["detail"][: -max(2, excess // 6)] + "…"
        found = _json(members)
    return found


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


def _kind(error: Exception) -> Kind | None:
    return next((TABLE[cls] for cls in type(error).__mro__ if issubclass(cls, ReasoningError) and cls in TABLE), None)


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _details(
    code: str, title: str, status: int, detail: str, request_id: str | None, fields: dict[str, object]
) -> ProblemDetails:
    return ProblemDetails(
        type=TYPE_PREFIX + code, title=title, status=status, detail=detail, request_id=request_id, **fields
    )
