"""The client for code without an event loop: the asynchronous one, on a thread of its own."""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from anyio.from_thread import BlockingPortal

from agent_reasoning.client.aio import TIMEOUT_SECONDS, AsyncReasoningClient
from agent_reasoning.client.background import Background
from agent_reasoning.client.events import Result
from agent_reasoning.client.receiver import Receiver
from agent_reasoning.client.requests import Options
from agent_reasoning.client.retries import Retry
from agent_reasoning.schemas import Health, ModelSummary, ReasonResponse, StreamedStep, TaskDetail, TaskSummary

T = TypeVar("T")


class ReasoningClient:
    """Asks an agent-reasoning service, by HTTP or by events; arguments and exceptions as AsyncReasoningClient's.

    Threads may share one. The total timeout holds whatever the other side does, which is why a synchronous HTTP client,
    whose timeouts are those of single reads, is not used.
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
        self._client = AsyncReasoningClient(
            base_url,
            timeout=timeout,
            retry=retry,
            headers=headers,
            api_key=api_key,
            broker_url=broker_url,
            source=source,
            use_events=use_events,
        )
        self.base_url = self._client.base_url
        self._lock = threading.Lock()
        self._background: Background | None = None
        self._abandoned: weakref.finalize[[], ReasoningClient] | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections and the thread back. Calls after it raise RuntimeError."""
        with self._lock:
            closed, self._closed = self._closed, True
        if closed or self._background is None or self._abandoned is None:
            return
        self._abandoned.detach()
        self._background.close()

    def reason(
        self, question: str, context: Mapping[str, Any] | None = None, **options: Unpack[Options]
    ) -> ReasonResponse:
        """Solve a problem. Look at `verified` before acting on the answer, or ask with `require_verified=True`."""
        return self._call(lambda: self._client.reason(question, context, **options))

    def stream(
        self, question: str, context: Mapping[str, Any] | None = None, **options: Unpack[Options]
    ) -> Generator[StreamedStep | ReasonResponse]:
        """The same over HTTP, each step as it is judged, and the response last. Closing the iterator takes the problem
        off the service. Raises StreamBroken where the response does not come."""
        answers: AsyncGenerator[StreamedStep | ReasonResponse] = self._client.stream(question, context, **options)
        try:
            while (answer := self._call(lambda: anext(answers, None))) is not None:
                yield answer
        finally:
            with suppress(RuntimeError):  # a client that has been closed meanwhile has closed its connections
                self._call(answers.aclose)

    def tasks(self) -> list[TaskSummary]:
        """What can be asked, with an example of each."""
        return self._call(self._client.tasks)

    def task(self, name: str) -> TaskDetail:
        """One task: the JSON Schema of its context. Raises NotFound."""
        return self._call(lambda: self._client.task(name))

    def models(self) -> list[ModelSummary]:
        """The models that are loaded."""
        return self._call(self._client.models)

    def health(self) -> Health:
        """Whether the service is alive: `status` is `ok` or `unhealthy`. Asked once, without retries."""
        return self._call(self._client.health)

    def ready(self) -> Health:
        """Whether requests should come now: `status` is `ready` or `not ready`. Asked once, without retries."""
        return self._call(self._client.ready)

    def publish(
        self,
        question: str,
        context: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        correlation_id: str | None = None,
        extensions: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> str:
        """Publish the request and return its event's id; see AsyncReasoningClient.publish."""
        return self._call(
            lambda: self._client.publish(
                question, context, event_id=event_id, correlation_id=correlation_id, extensions=extensions, **options
            )
        )

    def publish_and_wait(
        self,
        question: str,
        context: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        correlation_id: str | None = None,
        extensions: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> ReasonResponse:
        """Publish the request and await its result at the receiver; see AsyncReasoningClient.publish_and_wait."""
        return self._call(
            lambda: self._client.publish_and_wait(
                question, context, event_id=event_id, correlation_id=correlation_id, extensions=extensions, **options
            )
        )

    @contextmanager
    def receiver(
        self,
        port: int = 8080,
        host: str = "0.0.0.0",  # noqa: S104  a Trigger has to reach it
        handler: Callable[[Result], None] | None = None,
    ) -> Iterator[Receiver]:
        """Listen for results to the end of the block; see AsyncReasoningClient.receiver. `handler` is called on a
        thread, one for each result that is handled at the time."""

        async def handle(result: Result) -> None:
            if handler is not None:
                await asyncio.to_thread(handler, result)

        with self._running().wrap_async_context_manager(self._client.receiver(port, host, handle)) as receiver:
            yield receiver

    def _running(self) -> BlockingPortal:
        with self._lock:
            if self._closed:
                raise RuntimeError("This client has been closed.")
            if self._background is None:
                self._background = Background("reasoning-client", self._client.aclose)
                # For who does not close it: when it is collected, or when the program ends.
                self._abandoned = weakref.finalize(self, self._background.abandon)
            return self._background.portal

    def _call(self, function: Callable[[], Awaitable[T]]) -> T:
        future = self._running().start_task_soon(function)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C while it runs: nobody waits for the answer any more
            raise
