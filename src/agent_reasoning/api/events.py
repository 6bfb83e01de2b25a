"""POST /events: a request that comes as a CloudEvent, answered as a broker understands it.

docs/events.md says which answer means what; the contract is Knative's data plane (specs/eventing/data-plane.md).
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import structlog
from cloudevents.core.bindings.http import HTTPMessage
from fastapi import APIRouter, Request, Response

from agent_reasoning.api.body import read_body
from agent_reasoning.api.cloudevents import Event, is_structured, legible, read_binary, read_structured
from agent_reasoning.api.outlet import Outlet
from agent_reasoning.api.problems import MEDIA_TYPE, compact, describe, passing
from agent_reasoning.api.reasoning import PROBLEM
from agent_reasoning.api.results import MAX_PROBLEM_BYTES, cause_of, completed, failed, legible_cause
from agent_reasoning.errors import BodyTooLarge, InvalidRequest, Overloaded, ReasoningError, UnsupportedFormat
from agent_reasoning.schemas import EVENT_FAILED, EVENT_REQUESTED, ProblemDetails, ReasonRequest
from agent_reasoning.service.once import Once
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.service.sink import Sink
from agent_reasoning.validation import validate

RETRY_STATUS = 503
RETRY_SECONDS = 1.0

TEXT = {"type": "string", "minLength": 1}
STRUCTURED: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "type", "source", "id", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "type": {"const": EVENT_REQUESTED},
        "source": TEXT,
        "id": TEXT,
        "subject": TEXT,
        "data": ReasonRequest.model_json_schema(),
    },
}
DESCRIBED: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {"description": "The result, as a CloudEvent in binary mode.", "content": {"application/json": {}}},
        202: {"description": "Accepted; the result will be published (EVENTS_MODE=publish)."},
        204: {"description": "Not ours to answer: another type, or EMIT_EVENTS=false."},
        400: {**PROBLEM, "description": "No CloudEvent, or none whose id and source can be read."},
        413: {**PROBLEM, "description": "A structured event larger than MAX_BODY_BYTES."},
        415: {**PROBLEM, "description": "A batch, or a format other than JSON."},
        503: {**PROBLEM, "description": "Deliver it again later: overloaded, draining, not ready, or a fault here."},
    },
    "openapi_extra": {
        "requestBody": {"required": True, "content": {"application/cloudevents+json": {"schema": STRUCTURED}}}
    },
}

router = APIRouter()
log = structlog.get_logger("agent_reasoning.events")


@dataclass(frozen=True, slots=True)
class EventOptions:
    """How events are answered."""

    emit: bool = True
    mode: Literal["reply", "publish"] = "reply"
    sink: Sink | None = None
    dedup_seconds: float = 900.0
    dedup_max_bytes: int = 33_554_432
    publish_queue: int = 1000
    publish_retry_seconds: float = 300.0


def held_bytes(message: HTTPMessage) -> int:
    """What keeping a result costs, with the key that it is found by and Python's share, generously."""
    headers = sum(len(name) + 2 * len(value) + 200 for name, value in message.headers.items())
    return len(message.body) + 3 * headers + 4096


class Events:
    """What lives as long as the application: results by event, and the way to the sink."""

    def __init__(self, service: ReasoningService, options: EventOptions) -> None:
        self.service, self.options = service, options
        self.results: Once[HTTPMessage] = Once(options.dedup_seconds, options.dedup_max_bytes, held_bytes)
        self.outlet: Outlet | None = None
        if options.emit and options.sink is not None:
            self.outlet = Outlet(
                options.sink, service.metrics, limit=options.publish_queue, retry_seconds=options.publish_retry_seconds
            )

    @property
    def running(self) -> int:
        """Events that are being worked on, whoever still waits for them."""
        return self.results.running

    def start(self) -> None:
        if self.outlet is not None:
            self.outlet.start()

    async def flush(self, seconds: float) -> None:
        """Send what is left to the sink, for at most so long."""
        if self.outlet is not None:
            await self.outlet.publisher.flush(seconds)

    async def stop(self, seconds: float) -> None:
        await self.flush(seconds)
        if self.outlet is not None:
            await self.outlet.close()

    async def reply(self, event: Event) -> HTTPMessage:
        """The event's result. Raises what may pass."""
        key = (event.source, event.id)
        if (found := self.results.find(key)) != "begun":
            self.service.metrics.redeliveries.labels(found).inc()
        return await self.results.result(key, partial(self._answer, event))

    def accept(self, event: Event) -> None:
        """Work on the event, and publish its result. Raises NotReady or Overloaded where that cannot be promised."""
        key = (event.source, event.id)
        if (found := self.results.find(key)) != "begun":
            self.service.metrics.redeliveries.labels(found).inc()
            return
        assert self.outlet is not None
        self.service.check_open()
        self.outlet.check_room(self.running)
        self.results.begin(key, partial(self._publish, event, self.outlet))

    async def _answer(self, event: Event, *, admitted: bool = False) -> HTTPMessage:
        cause = cause_of(event)
        structlog.contextvars.bind_contextvars(result_id=cause.result_id)  # of this task, which is the event's own
        request: ReasonRequest | None = None
        try:
            request = validate(ReasonRequest, event.json(), InvalidRequest, "request")
            return completed(await self.service.reason(request, cause.result_id, admitted=admitted), cause)
        except ReasoningError as error:
            if request is None:
                self.service.metrics.failed("general", error.code)
            if passing(error):
                raise
            return failed(describe(error, cause.result_id), cause, *_told(request))

    async def _publish(self, event: Event, outlet: Outlet) -> HTTPMessage:
        try:
            message = await self._answer(event, admitted=True)
        except Exception as error:  # after the 202 nobody delivers the event again: whatever it was, it is told now
            if not isinstance(error, ReasoningError):
                log.exception("event.unexpected")
            cause = cause_of(event)
            outlet.accept(failed(describe(error, cause.result_id), cause, *_told(None)))
            raise
        # What did not arrive is published again when the event comes again.
        outlet.accept(message, partial(self.results.forget, (event.source, event.id)))
        return message


def _told(request: ReasonRequest | None) -> tuple[str, str | None]:
    return ("general", None) if request is None else (request.task_type, request.conversation_id)


@router.post("/", include_in_schema=False)
@router.post("/events/", include_in_schema=False)  # brokers follow no redirects
@router.post("/events", tags=["events"], **DESCRIBED)
async def deliver(request: Request) -> Response:
    """Solve a problem that comes as a CloudEvent of type `io.homelab.reasoning.requested`, in binary or structured mode.

    The reply is the result, as a CloudEvent in binary mode: `io.homelab.reasoning.completed`, whose data is what
    `POST /reason` answers, or `io.homelab.reasoning.failed`, whose data is a problem document. Events of other types are
    acknowledged and left alone.
    """
    events: Events = request.app.state.events
    mode, response, outcome = "unknown", Response(status_code=204), "ignored"
    structured_body: bytes | None = None
    try:
        headers, max_bytes = request.scope["headers"], request.app.state.limits.max_body_bytes
        if is_structured(headers):
            mode = "structured"
            structured_body = b""  # until it has been read
            structured_body = await read_body(request, max_bytes)
            event = read_structured(structured_body)
        else:
            mode = "binary"
            event = read_binary(headers)
            if event.type == EVENT_REQUESTED:
                event = replace(event, data=await read_body(request, max_bytes))
        if event.type == EVENT_REQUESTED and events.options.emit:
            if events.options.mode == "publish":
                events.accept(event)
                response, outcome = Response(status_code=202), "accepted"
            else:
                response, outcome = _rendered(events, await events.reply(event))
    except Exception as error:
        if not isinstance(error, ReasoningError):
            log.exception("event.unexpected")
        try:
            response, outcome = _refused(request, events, error, structured_body)
        except Exception:  # of the telling, which must not become a fault that brokers deliver to us for ever
            log.exception("event.unexpected")
            response, outcome = Response(status_code=RETRY_STATUS, headers={"retry-after": "1"}), "retry"
    events.service.metrics.events_in.labels(mode, outcome).inc()
    return response


@router.options("/", include_in_schema=False)
@router.options("/events", include_in_schema=False)
async def may_deliver(request: Request) -> Response:
    """Consent to deliveries (CloudEvents web hooks 1.0.2, section 4), at any rate: too many at once get a 503."""
    headers = {"allow": "POST"}
    if origin := request.headers.get("webhook-request-origin"):
        plain = origin.isascii() and origin.isprintable()
        headers |= {"webhook-allowed-origin": origin if plain else "*", "webhook-allowed-rate": "*"}
    return Response(headers=headers)


def _rendered(events: Events, message: HTTPMessage) -> tuple[Response, str]:
    kind = "failed" if message.headers["ce-type"] == EVENT_FAILED else "completed"
    events.service.metrics.events_out.labels(kind, "reply").inc()
    return Response(message.body, headers=message.headers), kind


def _refused(request: Request, events: Events, error: Exception, structured_body: bytes | None) -> tuple[Response, str]:
    """503 for what may pass; a `failed` event for what cannot, where the event says who it is; else the error's status."""
    details = describe(error, request.scope["request_id"])
    if passing(error):
        details.status = RETRY_STATUS
        seconds = getattr(error, "retry_after_seconds", RETRY_SECONDS)
        return _problem(details, {"retry-after": str(max(1, math.ceil(seconds)))}), "retry"
    known = legible(request.scope["headers"], structured_body)
    # Without a type it may have been meant for us. Of another's broken event no result is made: it is nobody's request.
    if (
        isinstance(error, UnsupportedFormat)
        or not {"id", "source"} <= set(known)
        or known.get("type", EVENT_REQUESTED) != EVENT_REQUESTED
    ):
        if not isinstance(error, UnsupportedFormat | BodyTooLarge):
            details.status = 400  # what broke the event, whatever it was, left nobody to answer
        return _problem(details, {}), "refused"
    if not events.options.emit:
        return Response(status_code=204), "ignored"
    cause = legible_cause(known)
    details.request_id = cause.result_id
    message = failed(details, cause, *_told(None))
    if events.options.mode == "publish" and events.outlet is not None:
        try:
            events.outlet.check_room(events.running)
        except Overloaded as full:
            return _refused(request, events, full, structured_body)
        events.outlet.accept(message)
        return Response(status_code=202), "accepted"
    return _rendered(events, message)


def _problem(details: ProblemDetails, headers: dict[str, str]) -> Response:
    return Response(compact(details, MAX_PROBLEM_BYTES), details.status, headers, MEDIA_TYPE)
