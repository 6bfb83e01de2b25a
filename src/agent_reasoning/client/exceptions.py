"""What the client raises.

ReasoningError (agent_reasoning.errors)
├── ServiceError              the service said no: `code`, `status`, `request_id`, `retry_after`, `fields`
│   ├── InvalidRequest, MalformedBody, BodyTooLarge, BodyTooSlow, MalformedEvent, UnsupportedFormat, UnknownTask,
│   │   UnmappableContext, AmbiguousContext, InvalidContext, NotVerified, ResultTooLarge, RateLimited, Overloaded, NotReady,
│   │   ModelMissing, DeadlineExceeded, EngineFailed, Unauthenticated, UnknownFunction, FunctionExists, InvalidFunction,
│   │   FunctionFailed:         each also the class of that name in agent_reasoning.errors
│   ├── InternalError         the service failed in a way that it does not explain
│   ├── NotFound              there is no such thing at the service
│   └── UnexpectedReply       a proxy answered in its place, or a service that this client does not know
├── CallFailed                no answer came
│   ├── ServiceUnreachable    no connection, or one that broke
│   ├── CallTimedOut          the client's own timeout passed
│   ├── StreamBroken          a stream ended without its result
│   ├── PublishFailed         the broker did not take the event
│   └── ReceiverClosed        the receiver was closed while an answer was awaited
└── ClientMisconfigured       an argument or the environment cannot work; raised before anything is sent
"""

from typing import Any

from agent_reasoning import errors
from agent_reasoning.errors import ConfigurationError, ReasoningError


class ServiceError(ReasoningError):
    """A request that was refused or failed. `str()` of it is the service's own sentence."""

    status: int | None = None  # of the HTTP reply; None where the request was refused before it was sent
    request_id: str | None = None  # the service's log has more under it
    retry_after: float | None = None  # seconds that the service asked to wait


class InvalidRequest(ServiceError, errors.InvalidRequest):
    """Raised here, before anything is sent, or by the service."""


class MalformedBody(InvalidRequest, errors.MalformedBody):
    pass


class BodyTooLarge(InvalidRequest, errors.BodyTooLarge):
    pass


class BodyTooSlow(InvalidRequest, errors.BodyTooSlow):
    pass


class MalformedEvent(InvalidRequest, errors.MalformedEvent):
    pass


class UnsupportedFormat(InvalidRequest, errors.UnsupportedFormat):
    pass


class UnknownTask(ServiceError, errors.UnknownTask):
    pass


class UnmappableContext(ServiceError, errors.UnmappableContext):
    pass


class AmbiguousContext(ServiceError, errors.AmbiguousContext):
    pass


class InvalidContext(ServiceError, errors.InvalidContext):
    pass


class NotVerified(ServiceError, errors.NotVerified):
    pass


class ResultTooLarge(ServiceError, errors.ResultTooLarge):
    pass


class RateLimited(ServiceError, errors.RateLimited):
    def __init__(self, message: str, retry_after_seconds: float = 1.0, **fields: Any) -> None:
        super().__init__(message, retry_after_seconds, **fields)


class Overloaded(ServiceError, errors.Overloaded):
    pass


class NotReady(ServiceError, errors.NotReady):
    pass


class ModelMissing(ServiceError, errors.ModelMissing):
    pass


class DeadlineExceeded(ServiceError, errors.DeadlineExceeded):
    pass


class EngineFailed(ServiceError, errors.EngineFailed):
    pass


class Unauthenticated(ServiceError, errors.Unauthenticated):
    pass


class UnknownFunction(ServiceError, errors.UnknownFunction):
    pass


class FunctionExists(ServiceError, errors.FunctionExists):
    pass


class InvalidFunction(ServiceError, errors.InvalidFunction):
    pass


class FunctionFailed(ServiceError, errors.FunctionFailed):
    pass


class InternalError(ServiceError):
    code = "internal"


class NotFound(ServiceError):
    code = "not-found"


class UnexpectedReply(ServiceError):
    code = "unexpected-reply"


class CallFailed(ReasoningError):
    """`request_id`: what the call was sent under, for the service's log."""

    code = "call-failed"
    request_id: str | None = None


class ServiceUnreachable(CallFailed, ConnectionError):
    code = "unreachable"


class CallTimedOut(CallFailed, TimeoutError):
    code = "timed-out"


class StreamBroken(CallFailed):
    code = "stream-broken"


class PublishFailed(CallFailed):
    """`event_id`: publish again under it and whoever got the first copy can drop the second. `status`: the broker's
    last answer; None where there was none."""

    code = "publish-failed"
    event_id: str | None = None
    status: int | None = None
    retry_after: float | None = None


class ReceiverClosed(CallFailed):
    code = "receiver-closed"


class ClientMisconfigured(ConfigurationError):
    code = "client-misconfigured"


REFUSALS: dict[str, type[ServiceError]] = {
    kind.code: kind
    for kind in (
        InvalidRequest, MalformedBody, BodyTooLarge, BodyTooSlow, MalformedEvent, UnsupportedFormat, UnknownTask,
        UnmappableContext, AmbiguousContext, InvalidContext, NotVerified, ResultTooLarge, RateLimited, Overloaded, NotReady,
        ModelMissing, DeadlineExceeded, EngineFailed, Unauthenticated, UnknownFunction, FunctionExists, InvalidFunction,
        FunctionFailed, InternalError, NotFound,
    )
}  # fmt: skip
