"""CloudEvents (1.0.2, HTTP binding): the request that goes to a broker, the results that a Trigger delivers."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import http as binding
from cloudevents.core.exceptions import BaseCloudEventException, CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from pydantic import ValidationError

from agent_reasoning.client.exceptions import InvalidRequest, ServiceError, UnexpectedReply
from agent_reasoning.client.replies import failure
from agent_reasoning.schemas import ProblemDetails, ReasonResponse

REQUESTED = "io.homelab.reasoning.requested"
COMPLETED = "io.homelab.reasoning.completed"
FAILED = "io.homelab.reasoning.failed"

REQUIRED = ("id", "source", "type", "specversion")
STRUCTURED = "application/cloudevents+json"
FORMAT = JSONFormat()


class InvalidDelivery(Exception):
    """A delivery that is refused; `status` is the answer to it, none of which a broker retries."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Result:
    """A `completed` or `failed` event."""

    id: str  # with `source` the event's identity: a redelivery has the same
    source: str
    outcome: ReasonResponse | ServiceError
    causation_id: str | None  # the id of the request that it answers
    correlation_id: str | None
    attributes: Mapping[str, Any]
    readable: bool = True  # False: `outcome` is an UnexpectedReply that says what is wrong with the data

    def response(self) -> ReasonResponse:
        """Raises the exception that the service's problem stands for, where the event is a `failed` one."""
        if isinstance(self.outcome, ServiceError):
            raise self.outcome
        return self.outcome


def requested(
    body: dict[str, Any], *, event_id: str, source: str, correlation_id: str, extensions: Mapping[str, str]
) -> CloudEvent:
    """Raises InvalidRequest where an attribute breaks the rules (a name with capitals, an empty value)."""
    attributes = {
        "id": event_id,
        "source": source,
        "type": REQUESTED,
        "datacontenttype": "application/json",
        "correlationid": correlation_id,
    }
    if body.get("conversation_id"):
        attributes["subject"] = body["conversation_id"]
    for name, value in extensions.items():
        if name in (*REQUIRED, "datacontenttype", "time", "data"):
            raise InvalidRequest(f"The extension {name!r} would replace an attribute that the event needs.")
        attributes[name] = value
    if not all(isinstance(value, str) and value for value in attributes.values()):
        raise InvalidRequest("An attribute of an event is a string that is not empty.", attributes=attributes)
    try:
        return CloudEvent(attributes, body)
    except CloudEventValidationError as error:
        raise InvalidRequest(f"An attribute breaks the rules of CloudEvents. {error}", attributes=attributes) from None


def binary_headers(event: CloudEvent) -> dict[str, str]:
    """The headers of binary mode; the body is the event's data as JSON."""
    return binding.to_binary_event(event).headers


def read_result(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Result | None:
    """The result that a delivery holds, in binary or structured mode; None for an event of another type.

    headers: as ASGI gives them, names in lower case. Raises InvalidDelivery.
    """
    event = _event(_relevant(headers), body)
    if event.get_type() not in (COMPLETED, FAILED):
        return None
    outcome: ReasonResponse | ServiceError
    readable = True
    try:
        data = _object(event.get_data())
        if event.get_type() == FAILED:
            outcome = failure(ProblemDetails.model_validate(data))
        else:  # a trace that is too long for an event is left out
            outcome = ReasonResponse.model_validate({"reasoning_trace": [], **data})
    except ValidationError as error:
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors()[:4])
        outcome, readable = (
            UnexpectedReply(f"The event's data is not in the form that this client knows: {places}."),
            False,
        )
    except (ValueError, RecursionError):
        outcome, readable = UnexpectedReply("The event's data is not a JSON object."), False
    attributes = event.get_attributes()
    causation, correlation = (_text(attributes.get(name)) for name in ("causationid", "correlationid"))
    return Result(event.get_id(), event.get_source(), outcome, causation, correlation, attributes, readable)


def _relevant(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name = raw_name.decode("latin-1")
        if not name.startswith("ce-") and name != "content-type":
            continue
        if name in found:
            raise InvalidDelivery(400, f"The header {name} is there twice.")
        found[name] = raw_value.decode("latin-1")
    return found


def _event(headers: dict[str, str], body: bytes) -> BaseCloudEvent:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    message = binding.HTTPMessage(headers, body)
    try:
        # The media type decides before the headers do (HTTP binding §3); the SDK looks the other way round.
        if media_type == STRUCTURED:
            return binding.from_structured(message, FORMAT, _complete)
        if media_type.startswith("application/cloudevents"):
            raise InvalidDelivery(415, f"{media_type} is not understood: one event in JSON, or in binary mode, is.")
        if not any(name.startswith("ce-") for name in headers):
            raise InvalidDelivery(400, f"This is no CloudEvent: neither ce- headers nor {STRUCTURED}.")
        return binding.from_binary(message, FORMAT, _complete)
    except (BaseCloudEventException, ValueError) as error:
        raise InvalidDelivery(400, f"The CloudEvent cannot be read: {error}") from None
    except (AttributeError, TypeError, RecursionError):  # what the SDK makes of JSON that is no object, or too deep
        raise InvalidDelivery(
            400, "The CloudEvent cannot be read: it is no JSON object, or nested too deeply."
        ) from None


def _complete(attributes: dict[str, Any], data: Any) -> CloudEvent:
    """The SDK would invent an id, and so make each redelivery a new event."""
    missing = [name for name in REQUIRED if not attributes.get(name)]
    if missing:
        raise InvalidDelivery(400, f"The CloudEvent lacks {', '.join(missing)}.")
    return CloudEvent(attributes, data)


def _object(data: Any) -> dict[str, Any]:
    """Data that came as text or base64, as what takes JSON for text delivers it, is read as JSON all the same. Raises
    ValueError, RecursionError."""
    found = json.loads(data) if isinstance(data, str | bytes) else data
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _text(value: Any) -> str | None:
    """Structured mode can put anything in an attribute's place."""
    return value if isinstance(value, str) else None
