"""What a receiver does with results: each is handled once, and wakes who waits for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from agent_reasoning.client.events import Result
from agent_reasoning.client.exceptions import ReceiverClosed

REMEMBERED = 10_000  # identities; a broker's redeliveries end after minutes

Handler = Callable[[Result], Awaitable[None]]


class Inbox:
    """Lives on one event loop."""

    def __init__(self, handler: Handler | None = None) -> None:
        self._handler = handler
        self._handled: OrderedDict[tuple[str, str], asyncio.Task[None]] = OrderedDict()
        self._waiting: dict[str, tuple[asyncio.Future[Result], str]] = {}

    @contextmanager
    def waiting(self, request_id: str, correlation_id: str) -> Iterator[asyncio.Future[Result]]:
        """A future of the result of the request with this event id."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future, correlation_id
        try:
            yield future
        finally:
            del self._waiting[request_id]
            future.cancel()

    async def take(self, result: Result) -> None:
        """Returns when the result has been handled, by this delivery or by an earlier one. Raises what the handler
        raises; the next delivery is then handled again."""
        identity = (result.source, result.id)
        handling = self._handled.get(identity)
        if handling is None:
            handling = self._handled[identity] = asyncio.ensure_future(self._handle(result))
            handling.add_done_callback(lambda done: self._forget_failed(identity, done))
            while len(self._handled) > REMEMBERED:
                self._handled.popitem(last=False)
        # A delivery that is given up must not take the others' handling with it.
        await asyncio.shield(handling)

    def close(self) -> None:
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(ReceiverClosed("The receiver was closed while an answer was awaited."))

    async def _handle(self, result: Result) -> None:
        if self._handler is not None:
            await self._handler(result)
        self.wake(result)

    def wake(self, result: Result) -> None:
        """Give the result to who waits for it, if anybody does."""
        future = self._waiter(result)
        if future is not None and not future.done():
            future.set_result(result)

    def _waiter(self, result: Result) -> asyncio.Future[Result] | None:
        """By `causationid`; by `correlationid` where there is none of the former and one request alone has it."""
        if result.causation_id is not None:
            found = [future for future, _ in filter(None, [self._waiting.get(result.causation_id)])]
        else:
            found = [future for future, correlation in self._waiting.values() if correlation == result.correlation_id]
        return found[0] if len(found) == 1 else None

    def _forget_failed(self, identity: tuple[str, str], done: asyncio.Task[None]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._handled.pop(identity, None)
