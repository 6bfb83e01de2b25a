"""Publishing results to the sink over HTTP."""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from urllib.parse import quote

import httpx2
from cloudevents.core.bindings.http import HTTPMessage
from starlette.requests import Request

from agent_reasoning.api.problems import describe, passing
from agent_reasoning.api.results import cause_of_call, completed, failed
from agent_reasoning.errors import Overloaded, ReasoningError
from agent_reasoning.schemas import EVENT_FAILED, ReasonRequest, ReasonResponse
from agent_reasoning.service.metrics import Metrics
from agent_reasoning.service.publisher import Publisher
from agent_reasoning.service.sink import Sink

ATTEMPT_SECONDS = 10.0
TRACEPARENT = re.compile(r"[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A result that becomes an event when it is sent: not on the time of who waits for an answer."""

    message: Callable[[], HTTPMessage]
    undelivered: Callable[[], None] = lambda: None
    """Called where it is given up."""


class SinkRefused(Exception):
    """The sink answered, and not with 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(f"The sink answered {status}.")
        self.status = status


def may_retry(error: Exception) -> bool:
    """What Knative's own senders try again: no answer, 404, 408, 409, 429, 5xx (eventing, pkg/kncloudevents/retries.go)."""
    if isinstance(error, SinkRefused):
        return error.status >= 500 or error.status in (404, 408, 409, 429)
    return isinstance(error, httpx2.TransportError | TimeoutError)


class Outlet:
    """Results on their way to a sink."""

    def __init__(self, sink: Sink, metrics: Metrics, *, limit: int, retry_seconds: float) -> None:
        self._sink, self._metrics = sink, metrics
        self._extensions = {f"ce-{name}": quote(value) for name, value in sink.extensions.items()}
        self.publisher: Publisher[Draft] = Publisher(
            self._send,
            may_retry,
            count=self._count,
            give_up=lambda draft: draft.undelivered(),
            limit=limit,
            retry_seconds=retry_seconds,
        )
        metrics.publisher_depth.set_function(lambda: self.publisher.depth)

    def start(self) -> None:
        """In the event loop that sends."""
        trust = ssl.create_default_context()
        if self._sink.ca_certs:
            trust.load_verify_locations(cadata=self._sink.ca_certs)
        self._client = httpx2.AsyncClient(timeout=ATTEMPT_SECONDS, verify=trust, follow_redirects=False)
        self.publisher.start()

    async def close(self) -> None:
        await self._client.aclose()

    def check_room(self, promised: int) -> None:
        """promised: results that will come for events already accepted. Raises Overloaded."""
        if self.publisher.depth + promised >= self.publisher.limit:
            raise Overloaded(f"{self.publisher.depth} results wait for the sink already.")

    def accept(self, message: HTTPMessage, undelivered: Callable[[], None] = lambda: None) -> None:
        """For an event that was accepted when there was room."""
        self.publisher.accept(Draft(lambda: message, undelivered))

    def answered(self, request: Request, response: ReasonResponse) -> None:
        """Publish the answer to a direct call."""
        cause = cause_of_call(response.request_id, traced(request))
        self.publisher.offer(Draft(cache(partial(completed, response, cause))))

    def refused(self, request: Request, body: ReasonRequest, error: ReasoningError) -> None:
        """Publish that a direct call cannot succeed; what may succeed later is the caller's to try again."""
        if passing(error):
            return
        request_id = request.scope["request_id"]
        details, cause = describe(error, request_id), cause_of_call(request_id, traced(request))
        self.publisher.offer(Draft(cache(partial(failed, details, cause, body.task_type, body.conversation_id))))

    async def _send(self, draft: Draft) -> None:
        message = draft.message()
        headers = {**message.headers, **self._extensions}
        # The status is all that counts: a body without end is not read.
        async with (
            asyncio.timeout(ATTEMPT_SECONDS),
            self._client.stream("POST", self._sink.url, content=message.body, headers=headers) as response,
        ):
            if not response.is_success:
                raise SinkRefused(response.status_code)
        kind = "failed" if message.headers["ce-type"] == EVENT_FAILED else "completed"
        self._metrics.events_out.labels(kind, "publication").inc()

    def _count(self, outcome: str) -> None:
        self._metrics.publications.labels(outcome).inc()


def traced(request: Request) -> dict[str, str]:
    """The W3C trace of a direct call, as the attributes that CloudEvents has for it."""
    parent = request.headers.get("traceparent", "")
    return {"traceparent": parent} if TRACEPARENT.fullmatch(parent) else {}
