"""CloudEvents as they go out: `completed` and `failed`, in binary mode."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cloudevents.core.bindings.http import HTTPMessage, to_binary_event
from cloudevents.core.v1.event import CloudEvent

from agent_reasoning.api.cloudevents import Event, canonical, is_attribute
from agent_reasoning.api.problems import compact, describe
from agent_reasoning.errors import ResultTooLarge
from agent_reasoning.schemas import EVENT_COMPLETED, EVENT_FAILED, ProblemDetails, ReasonResponse

SOURCE = "/agent-reasoning"
CARRIED = ("subject", "traceparent", "tracestate", "correlationid")
MAX_EVENT_BYTES = 65_536  # what every intermediary forwards (CloudEvents 1.0.2, "Size Limits")
MAX_PROBLEM_BYTES = 768  # as Base64 it fits the 1,024 characters of knativeerrordata
MAX_ANSWER = 1_024  # characters of the answer in words, where the event would be too large with all of it
NAMES = 128  # bytes of a header line around its value, generously


@dataclass(frozen=True, slots=True)
class Cause:
    """What a result answers, and under which id. `carried`: attributes that it repeats, as text."""

    result_id: str
    causation: str | None
    carried: Mapping[str, str] = field(default_factory=dict)


def cause_of(event: Event) -> Cause:
    return legible_cause(
        {name: canonical(value) for name, value in event.attributes.items() if name in ("id", "source", *CARRIED)}
    )


def legible_cause(attributes: Mapping[str, str]) -> Cause:
    """attributes: `id` and `source` among them. A result's id follows from those two alone, so that every run for the same
    event, in whichever replica, has the same; its type may differ."""
    name = f"{len(attributes['source'])}:{attributes['source']}{attributes['id']}"
    carried = {name: attributes[name] for name in CARRIED if name in attributes}
    if "correlationid" in carried:
        carried["replyid"] = carried["correlationid"]  # what Knative's RequestReply waits for
    return Cause(sha256(name.encode()).hexdigest()[:32], attributes["id"], carried)


def cause_of_call(request_id: str, carried: Mapping[str, str]) -> Cause:
    """For a call that was no event."""
    return Cause(uuid.uuid4().hex, request_id, carried)


def completed(response: ReasonResponse, cause: Cause) -> HTTPMessage:
    """The response as an event; where it is too large, without the first steps of the trace, then with less of the
    words; where the solution itself is too large, a `failed` event."""
    attributes = {"tasktype": response.task_type, "verified": canonical(response.verified)}
    message = _message(
        EVENT_COMPLETED, cause, attributes, response.conversation_id, response.model_dump_json().encode()
    )
    if _size(message) <= MAX_EVENT_BYTES:
        return message
    room = MAX_EVENT_BYTES - _size(message) + len(message.body)
    try:
        body = shortened(response, room)
    except ResultTooLarge as error:
        return failed(describe(error, response.request_id), cause, response.task_type, response.conversation_id)
    return HTTPMessage(message.headers, body)


def failed(details: ProblemDetails, cause: Cause, task_type: str, conversation_id: str | None) -> HTTPMessage:
    """The problem as an event, small enough to be repeated in an attribute of a dead letter."""
    attributes = {"tasktype": task_type, "verified": "false"}
    return _message(EVENT_FAILED, cause, attributes, conversation_id, compact(details, MAX_PROBLEM_BYTES))


def shortened(response: ReasonResponse, room: int) -> bytes:
    """As JSON of at most `room` bytes. The steps nearest the answer are kept the longest. Raises ResultTooLarge."""
    steps = response.reasoning_trace
    sizes = [len(step.model_dump_json().encode()) + 1 for step in steps]
    cut: dict[str, Any] = {"reasoning_trace": []}
    bare = len(_truncated(response, cut))
    if bare > room:
        cut["answer"] = response.answer[:MAX_ANSWER] + "…" if len(response.answer) > MAX_ANSWER else response.answer
        cut["violations"] = [violation[:200] for violation in response.violations]
        bare = len(_truncated(response, cut))
    if bare > room:
        raise ResultTooLarge(
            f"The solution alone takes {bare} bytes; an event may have {MAX_EVENT_BYTES}. POST /reason gives it whole.",
            max_bytes=MAX_EVENT_BYTES,
        )
    kept = len(steps)
    while kept and bare + sum(sizes[len(steps) - kept :]) > room:
        kept -= 1
    cut["reasoning_trace"] = steps[len(steps) - kept :]
    return _truncated(response, cut)


def _truncated(response: ReasonResponse, cut: dict[str, Any]) -> bytes:
    body = response.model_copy(update=cut).model_dump_json()
    return (body[:-1] + ',"trace_truncated":true}').encode()


def _message(
    kind: str, cause: Cause, attributes: dict[str, str], conversation_id: str | None, body: bytes
) -> HTTPMessage:
    if cause.causation is not None:
        attributes["causationid"] = cause.causation
    if conversation_id and is_attribute(conversation_id):
        attributes["conversationid"] = conversation_id
    own = {
        "specversion": "1.0", "id": cause.result_id, "source": SOURCE, "type": kind, "datacontenttype": "application/json",
    }  # fmt: skip
    return to_binary_event(CloudEvent({**own, **cause.carried, **attributes}, body))


def _size(message: HTTPMessage) -> int:
    return len(message.body) + NAMES + sum(len(name) + len(value) + 4 for name, value in message.headers.items())
