"""Sending what nobody waits for: in the background, bounded, retried, and counted."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Generic, Literal, TypeVar

import stamina
import structlog

Item = TypeVar("Item")
Outcome = Literal["delivered", "refused", "given-up", "dropped", "lost"]

SENDERS = 8  # one that waits before it tries again must not hold up the others
FIRST_WAIT_SECONDS = 0.2
JITTER_SECONDS = 1.0
HASTY_WAIT_SECONDS = 0.25

log = structlog.get_logger("agent_reasoning.publisher")


class Publisher(Generic[Item]):
    """A bounded queue and a few senders.

    `send` raises where an item did not arrive; `may_retry` says of what it raised whether trying again can help. `count` is
    told of each item how it ended: `delivered`; `refused` (trying again cannot help); `given-up` (`retry_seconds` of trying
    did not); `dropped` (the queue was full); `lost` (the process ended). `give_up` is called with each item that was refused
    or given up.
    """

    def __init__(
        self,
        send: Callable[[Item], Awaitable[None]],
        may_retry: Callable[[Exception], bool],
        *,
        count: Callable[[Outcome], None] = lambda outcome: None,
        give_up: Callable[[Item], None] = lambda item: None,
        limit: int = 1000,
        retry_seconds: float = 300.0,
        longest_wait_seconds: float = 10.0,
    ) -> None:
        self._send, self._may_retry, self._count, self._give_up = send, may_retry, count, give_up
        self.limit = limit
        self._retry_seconds = retry_seconds
        self._wait, self._jitter = longest_wait_seconds, JITTER_SECONDS
        self._queue: asyncio.Queue[Item] = asyncio.Queue()
        self._sending = 0
        self._senders: list[asyncio.Task[None]] = []
        self._ends = 0.0  # on the loop's clock: until when an attempt may go on though the senders are told to end
        self._failing = False

    @property
    def depth(self) -> int:
        """Items that have not arrived yet."""
        return self._queue.qsize() + self._sending

    def start(self) -> None:
        self._senders = [asyncio.ensure_future(self._run()) for _ in range(SENDERS)]

    def offer(self, item: Item) -> None:
        """Queue an item; where the queue is full it is dropped. Returns at once, whatever becomes of it."""
        if self.depth >= self.limit:
            self._count("dropped")
            log.warning("publisher.dropped", waiting=self.depth)
            return
        self.accept(item)

    def accept(self, item: Item) -> None:
        """Queue an item for which room was kept."""
        self._queue.put_nowait(item)

    async def flush(self, seconds: float) -> None:
        """Send what is left, with shorter waits, then end; what has not arrived after `seconds` is lost."""
        self._ends = asyncio.get_running_loop().time() + seconds
        earlier = self._tell_to_end()
        self._wait, self._jitter = HASTY_WAIT_SECONDS, HASTY_WAIT_SECONDS
        self.start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._ends):
                await self._queue.join()
        await asyncio.gather(*earlier, *self._tell_to_end(), return_exceptions=True)
        if self.depth:
            log.error("publisher.lost", count=self.depth)
        while not self._queue.empty():
            self._queue.get_nowait()
            self._queue.task_done()
            self._count("lost")

    def _tell_to_end(self) -> list[asyncio.Task[None]]:
        """Senders that wait stop at once; an attempt under way is let end, for it would arrive twice if it were made again."""
        told, self._senders = self._senders, []
        for sender in told:
            sender.cancel()
        return told

    async def _run(self) -> None:
        while True:
            item = await self._queue.get()
            self._sending += 1
            try:
                await self._deliver(item)
            except asyncio.CancelledError:
                self._queue.put_nowait(item)  # for who comes after; it may arrive twice, never not at all
                raise
            finally:
                self._sending -= 1
                self._queue.task_done()
            if told_to_end():
                return

    async def _deliver(self, item: Item) -> None:
        try:
            async for attempt in stamina.retry_context(
                self._retryable, attempts=None, timeout=self._retry_seconds, wait_initial=FIRST_WAIT_SECONDS,
                wait_max=self._wait, wait_jitter=self._jitter,
            ):  # fmt: skip
                with attempt:
                    await self._attempt(item)
        except Exception as error:
            outcome: Outcome = "given-up" if self._may_retry(error) else "refused"
            log.error("publisher.undelivered", outcome=outcome, reason=repr(error)[:300])
            self._count(outcome)
            self._give_up(item)
            return
        self._count("delivered")
        if self._failing:
            self._failing = False
            log.info("publisher.recovered", waiting=self.depth)

    async def _attempt(self, item: Item) -> None:
        """What `send` raises; CancelledError where the sender has been told to end and the item has not arrived."""
        attempt = asyncio.ensure_future(self._send(item))
        try:
            await asyncio.shield(attempt)
        except asyncio.CancelledError:
            try:
                await asyncio.wait({attempt}, timeout=max(0.0, self._ends - asyncio.get_running_loop().time()))
            finally:
                attempt.cancel()
            if not attempt.done() or attempt.cancelled():
                raise
            error = attempt.exception()
            if isinstance(error, Exception) and not self._may_retry(error):
                raise error from None
            if error is not None:
                raise

    def _retryable(self, error: Exception) -> bool:
        again = self._may_retry(error)
        if again and not self._failing:  # said once, not for each item and attempt of an outage
            self._failing = True
            log.warning("publisher.failing", reason=repr(error)[:300])
        return again


def told_to_end() -> bool:
    """Whether this task has been cancelled, though what it was at has come to its end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
