"""What a receiver does with results: each is handled once, and wakes who waits for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

from agent_reasoning.client.events import Result
from agent_reasoning.client.exceptions import ReceiverClosed

REMEMBERED = 10_000  # identities; a broker's redeliveries end after minutes

Handler = Callable[[Result], Awaitable[None]]


@dataclass(frozen=True, slots=True, eq=False)
class Waiter:
    correlation_id: str
    future: asyncio.Future[Result]


class Inbox:
    """Lives on one event loop."""

    def __init__(self, handler: Handler | None = None) -> None:
        self._handler = handler
        self._handled: OrderedDict[tuple[str, str], asyncio.Task[None]] = OrderedDict()
        self._waiting: dict[str, list[Waiter]] = {}  # by the request's event id

    @contextmanager
    def waiting(self, request_id: str, correlation_id: str) -> Iterator[asyncio.Future[Result]]:
        """A future of the result of the request with this event id; any number may wait for one."""
        waiter = Waiter(correlation_id, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(request_id, []).append(waiter)
        try:
            yield waiter.future
        finally:
            self._waiting[request_id].remove(waiter)
            if not self._waiting[request_id]:
                del self._waiting[request_id]
            waiter.future.cancel()

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
        # Who asked again under the same id, after the first answer came too late, gets the answer by a duplicate.
        self.wake(result)

    def close(self) -> None:
        for waiter in chain.from_iterable(self._waiting.values()):
            if not waiter.future.done():
                waiter.future.set_exception(ReceiverClosed("The receiver was closed while an answer was awaited."))

    async def _handle(self, result: Result) -> None:
        if self._handler is not None:
            await self._handler(result)
        self.wake(result)

    def wake(self, result: Result) -> None:
        """Give the result to all who wait for it, if anybody does."""
        for waiter in self._waiters(result):
            if not waiter.future.done():
                waiter.future.set_result(result)

    def _waiters(self, result: Result) -> list[Waiter]:
        """By `causationid`; by `correlationid` where there is none of the former and one request alone has it."""
        if result.causation_id is not None:
            return self._waiting.get(result.causation_id, [])
        found = [
            waiters
            for waiters in self._waiting.values()
            if any(waiter.correlation_id == result.correlation_id for waiter in waiters)
        ]
        return found[0] if len(found) == 1 else []

    def _forget_failed(self, identity: tuple[str, str], done: asyncio.Task[None]) -> None:
        if done.cancelled() or done.exception() is not None:
            self._handled.pop(identity, None)
