"""Everything this package raises on purpose.

ReasoningError
├── InvalidRequest        the request breaks its schema
│   ├── MalformedBody     the body is not JSON
│   ├── BodyTooLarge      the body is over MAX_BODY_BYTES
│   ├── BodyTooSlow       the body did not arrive in time
│   ├── MalformedEvent    the message is no CloudEvent, or one that breaks its specification
│   └── UnsupportedFormat the event is in a mode or format that is not read
├── UnknownTask           no task has this name
├── UnmappableContext     no task takes a context of this shape
├── AmbiguousContext      several tasks do, and nothing says which is meant
├── InvalidContext        the shape is right, the contents break the task's rules
├── NotVerified           require_verified was set and nothing verified
├── ResultTooLarge        the answer does not fit into an event
├── Unauthenticated       API keys are configured, and the request carries none of them
├── FunctionsError        what has to do with functions
│   ├── UnknownFunction   no function has this name
│   ├── FunctionExists    one has already, or is built in
│   ├── InvalidFunction   the code is none that can be called in the sandbox; `line` where it is known
│   └── FunctionFailed    a call was refused by its arguments, raised, or broke a limit; `line` where it is known
├── RateLimited           this client sends too much
├── Overloaded            the queue is full
├── NotReady              models are not loaded, or the service is draining
├── DeadlineExceeded      the deadline passed before the first refinement step
├── EngineFailed          the model failed on this request
├── ModelMissing          no model is loaded for this task
└── ConfigurationError    what an operator set cannot work; raised at start
    ├── BundleError       a model bundle is missing something or does not fit the code
    └── CheckpointError   a published checkpoint is missing, damaged or of an architecture that is not supported

Messages are written for the person who gets them. `fields` go to the client as members of the problem
document; `code` is part of the contract (its `type`, and the metrics' `status` label) and never changes its meaning.
"""

from typing import Any, ClassVar


class ReasoningError(Exception):
    """Base of the tree. `message` says what was wrong, where, and what is allowed."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields


class InvalidRequest(ReasoningError):
    code = "invalid-request"


class MalformedBody(InvalidRequest):
    code = "malformed-body"


class BodyTooLarge(InvalidRequest):
    code = "body-too-large"


class BodyTooSlow(InvalidRequest):
    code = "body-too-slow"


class MalformedEvent(InvalidRequest):
    code = "malformed-event"


class UnsupportedFormat(InvalidRequest):
    code = "unsupported-format"


class UnknownTask(ReasoningError):
    code = "unknown-task"


class UnmappableContext(ReasoningError):
    code = "unmappable-context"


class AmbiguousContext(ReasoningError):
    code = "ambiguous-context"


class InvalidContext(ReasoningError):
    code = "invalid-context"


class NotVerified(ReasoningError):
    code = "not-verified"


class ResultTooLarge(ReasoningError):
    code = "result-too-large"


class Unauthenticated(ReasoningError):
    code = "unauthenticated"


class FunctionsError(ReasoningError):
    code = "functions"


class UnknownFunction(FunctionsError):
    code = "unknown-function"


class FunctionExists(FunctionsError):
    code = "function-exists"


class InvalidFunction(FunctionsError):
    code = "invalid-function"


class FunctionFailed(FunctionsError):
    code = "function-failed"


class RateLimited(ReasoningError):
    """`retry_after_seconds`: when the next request would be let through."""

    code = "rate-limited"

    def __init__(self, message: str, retry_after_seconds: float, **fields: Any) -> None:
        super().__init__(message, **fields)
        self.retry_after_seconds = retry_after_seconds


class Overloaded(ReasoningError):
    code = "overloaded"
    retry_after_seconds = 1.0


class NotReady(ReasoningError):
    code = "not-ready"
    retry_after_seconds = 2.0


class DeadlineExceeded(ReasoningError):
    code = "deadline-exceeded"


class EngineFailed(ReasoningError):
    code = "engine-failed"


class ModelMissing(ReasoningError):
    code = "model-missing"
    retry_after_seconds = 60.0


class ConfigurationError(ReasoningError):
    code = "configuration"


class BundleError(ConfigurationError):
    code = "bundle"


class CheckpointError(ConfigurationError):
    code = "checkpoint"
