"""The client for asyncio. The synchronous one calls this one."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from urllib.parse import quote

import httpx2
from pydantic import TypeAdapter

from agent_reasoning.client.events import requested
from agent_reasoning.client.exceptions import CallTimedOut, ClientMisconfigured, StreamBroken, UnexpectedReply
from agent_reasoning.client.inbox import Handler
from agent_reasoning.client.publisher import Publisher
from agent_reasoning.client.receiver import Receiver, receiving
from agent_reasoning.client.replies import parsed, refusal, streamed, unexpected
from agent_reasoning.client.requests import Options, request_body, to_json
from agent_reasoning.client.retries import Retry, may_succeed_later, persist, timed_out, unreachable
from agent_reasoning.client.settings import authorization, checked_url, read_settings, shown_url
from agent_reasoning.schemas import Health, ModelSummary, ReasonResponse, StreamedStep, TaskDetail, TaskSummary

CONNECT_SECONDS = 5.0
TIMEOUT_SECONDS = 60.0  # twice what the service itself takes at most, unless it is configured otherwise
MAX_EVENT_BYTES = 16 * 1024 * 1024
EVENT_STREAM = "text/event-stream"

RESPONSE = TypeAdapter(ReasonResponse)
TASKS = TypeAdapter(list[TaskSummary])
TASK = TypeAdapter(TaskDetail)
MODELS = TypeAdapter(list[ModelSummary])
HEALTH = TypeAdapter(Health)

Model = TypeVar("Model")


class AsyncReasoningClient:
    """Asks an agent-reasoning service, by HTTP or by events.

    base_url: default REASONING_SERVICE_URL. timeout: seconds for a whole call, with all its tries; of publish_and_wait
    with the wait for the answer. headers: sent to the service with every request. api_key: default
    REASONING_API_KEY; sent to the service, and to nobody else. broker_url: default
    KNATIVE_BROKER_URL, else K_SINK. source: the CloudEvents `source` of what is published. use_events: default
    REASONING_USE_EVENTS; `reason` then publishes and awaits the answer, and calls no HTTP.

    Raises ClientMisconfigured. Every call may raise the exceptions of `agent_reasoning.client.exceptions`.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retry: Retry | None = None,
        headers: Mapping[str, str] | None = None,
        api_key: str | None = None,
        broker_url: str | None = None,
        source: str = "/agent-client",
        use_events: bool | None = None,
    ) -> None:
        settings = read_settings()
        if not timeout > 0:
            raise ClientMisconfigured(f"timeout is {timeout!r}; it is a number of seconds above 0.")
        self.base_url = checked_url(base_url or settings.reasoning_service_url, "The service's URL")
        self._timeout = timeout
        self._retry = retry or Retry()
        self._source = source
        self._use_events = settings.reasoning_use_events if use_events is None else use_events
        self._publisher = Publisher(settings, broker_url, self._retry)
        self._receiver: Receiver | None = None
        # No timeout but for connecting: the deadline of the call bounds everything else.
        key = settings.reasoning_api_key
        sent = httpx2.Headers(authorization(api_key or (key.get_secret_value() if key else None)))
        sent.update(headers)
        self._http = httpx2.AsyncClient(headers=sent, timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Give the connections back. Calls after it raise RuntimeError."""
        await self._http.aclose()
        await self._publisher.aclose()

    async def reason(
        self, question: str, context: Mapping[str, Any] | None = None, **options: Unpack[Options]
    ) -> ReasonResponse:
        """Solve a problem. Look at `verified` before acting on the answer, or ask with `require_verified=True`."""
        if self._use_events:
            return await self.publish_and_wait(question, context, **options)
        body = to_json(request_body(question, context, options))
        return await self._ask(RESPONSE, "POST", "/reason", body)

    async def stream(
        self, question: str, context: Mapping[str, Any] | None = None, **options: Unpack[Options]
    ) -> AsyncGenerator[StreamedStep | ReasonResponse]:
        """The same over HTTP, each step as it is judged, and the response last. Closing the iterator takes the problem
        off the service. Raises StreamBroken where the response does not come."""
        body = to_json(request_body(question, context, options))
        request_id, deadline = uuid.uuid4().hex, self._deadline()
        response = await self._open("POST", "/reason", body, request_id, deadline, EVENT_STREAM)
        try:
            events = aiter(httpx2.EventSource(response, MAX_EVENT_BYTES))
            while (event := await self._next(events, request_id, deadline)) is not None:
                answer = streamed(event)
                if answer is not None:
                    yield answer
                if isinstance(answer, ReasonResponse):
                    return
            raise broken("it ended without a result", request_id)
        finally:
            await response.aclose()

    async def tasks(self) -> list[TaskSummary]:
        """What can be asked, with an example of each."""
        return await self._ask(TASKS, "GET", "/tasks")

    async def task(self, name: str) -> TaskDetail:
        """One task: the JSON Schema of its context. Raises NotFound."""
        return await self._ask(TASK, "GET", f"/tasks/{quote(name, safe='')}")

    async def models(self) -> list[ModelSummary]:
        """The models that are loaded."""
        return await self._ask(MODELS, "GET", "/models")

    async def health(self) -> Health:
        """Whether the service is alive: `status` is `ok` or `unhealthy`. Asked once, without retries."""
        return await self._probe("/health")

    async def ready(self) -> Health:
        """Whether requests should come now: `status` is `ready` or `not ready`. Asked once, without retries."""
        return await self._probe("/ready")

    async def publish(
        self,
        question: str,
        context: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        correlation_id: str | None = None,
        extensions: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Publish the request and return its event's id, which the result carries as `causationid`.

        event_id: default a new UUID; give it to publish the same request again, as after PublishFailed.
        correlation_id: default the event's id. extensions: further attributes, such as `traceparent`.
        """
        body = request_body(question, context, options)
        event_id = event_id or str(uuid.uuid4())
        event = requested(
            body,
            event_id=event_id,
            source=self._source,
            correlation_id=correlation_id or event_id,
            extensions={**(extensions or {}), **self._publisher.overrides},
        )
        await self._publisher.send(event, body, self._timeout)
        return event_id

    @asynccontextmanager
    async def receiver(
        self,
        port: int = 8080,
        host: str = "0.0.0.0",  # noqa: S104  a Trigger has to reach it
        handler: Handler | None = None,
    ) -> AsyncIterator[Receiver]:
        """Listen for the results that a Trigger delivers, to the end of the block; `port=0` picks a free one.

        handler: called with each distinct result before it is acknowledged; where it raises, the broker delivers the
        result again. Raises ClientMisconfigured where the port cannot be had or a receiver is open already.
        """
        if self._receiver is not None:
            raise ClientMisconfigured(f"This client has a receiver already, on port {self._receiver.port}.")
        async with receiving(host, port, handler) as receiver:
            self._receiver = receiver
            try:
                yield receiver
            finally:
                self._receiver = None

    async def publish_and_wait(
        self,
        question: str,
        context: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        correlation_id: str | None = None,
        extensions: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> ReasonResponse:
        """Publish the request and await its result at the receiver. Raises what a `failed` event stands for,
        CallTimedOut, ReceiverClosed, and ClientMisconfigured where no receiver is open."""
        if self._receiver is None:
            raise ClientMisconfigured(
                "An answer by events needs a receiver that a Trigger delivers to, and none is open: wrap the calls in"
                " `with client.receiver(port=…)`. (REASONING_USE_EVENTS or use_events asks for events.)"
            )
        self._publisher.check()
        event_id = event_id or str(uuid.uuid4())
        correlation_id = correlation_id or event_id
        deadline = self._deadline()
        with self._receiver.inbox.waiting(event_id, correlation_id) as answer:
            await self.publish(
                question, context, event_id=event_id, correlation_id=correlation_id, extensions=extensions, **options
            )
            try:
                async with asyncio.timeout_at(deadline):
                    result = await answer
            except TimeoutError:
                raise CallTimedOut(
                    f"No result of request {event_id} came within {self._timeout:g} seconds. It was published; is there"
                    " a Trigger that delivers completed and failed events here?"
                ) from None
        return result.response()

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout

    async def _ask(self, adapter: TypeAdapter[Model], method: str, path: str, body: bytes | None = None) -> Model:
        response = await self._open(method, path, body, uuid.uuid4().hex, self._deadline())
        return parsed(adapter, response)

    async def _open(
        self, method: str, path: str, body: bytes | None, request_id: str, deadline: float, accept: str | None = None
    ) -> httpx2.Response:
        """A 2xx reply: with its body, or before it where a stream is accepted."""

        async def attempt() -> httpx2.Response:
            response = await self._send(method, path, body, request_id, accept)
            if not response.is_success:
                raise refusal(response)
            if accept == EVENT_STREAM and not is_stream(response):
                raise unexpected(response, "no event stream")
            return response

        return await persist(
            attempt,
            may_succeed_later,
            retry=self._retry,
            deadline=deadline,
            late=lambda: timed_out(self._timeout, shown_url(self.base_url) + path, request_id),
        )

    async def _send(
        self, method: str, path: str, body: bytes | None, request_id: str, accept: str | None = None
    ) -> httpx2.Response:
        """One try: the reply, which has been read unless it is the stream that was asked for."""
        headers = {"accept": accept or "application/json", "x-request-id": request_id}
        if body is not None:
            headers["content-type"] = "application/json"
        url = self.base_url + path
        try:
            request = self._http.build_request(method, url, content=body, headers=headers)
            response = await self._http.send(request, stream=accept == EVENT_STREAM)
            if accept == EVENT_STREAM and not (response.is_success and is_stream(response)):
                try:
                    await response.aread()
                finally:
                    await response.aclose()
        except httpx2.DecodingError as error:
            raise UnexpectedReply(f"{shown_url(url)} answered what cannot be decoded: {error}.") from error
        except httpx2.RequestError as error:
            raise unreachable(url, error, request_id) from error
        return response

    async def _next(
        self, events: AsyncIterator[httpx2.ServerSentEvent], request_id: str, deadline: float
    ) -> httpx2.ServerSentEvent | None:
        """The next event; None at the end. The deadline is set anew for each, since a caller may take the events from
        several tasks, and a timeout belongs to one."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(events, None)
        except TimeoutError:
            raise timed_out(self._timeout, f"The stream from {shown_url(self.base_url)}", request_id) from None
        except httpx2.RequestError as error:
            raise broken(str(error) or type(error).__name__, request_id) from error

    async def _probe(self, path: str) -> Health:
        request_id = uuid.uuid4().hex
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._send("GET", path, None, request_id)
        except TimeoutError:
            raise timed_out(self._timeout, shown_url(self.base_url) + path, request_id) from None
        if response.is_success or response.status_code == 503:  # which is an answer to this question
            return parsed(HEALTH, response)
        raise refusal(response)


def is_stream(response: httpx2.Response) -> bool:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() == EVENT_STREAM


def broken(why: str, request_id: str) -> StreamBroken:
    error = StreamBroken(f"The stream broke off: {why}. What came before is no answer.")
    error.request_id = request_id
    return error
