"""Work that is done once for a key, however often and by how many it is asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Literal, TypeVar

from cachetools import TTLCache

Result = TypeVar("Result")
Found = Literal["kept", "running", "begun"]


class Once(Generic[Result]):
    """Results by key. Who asks while the work runs joins it; who asks within the window after it gets the same result.

    The work belongs to nobody who waits: it goes on, and its result is kept, when they have gone. Work that raises is not
    kept, so that who asks again begins it again.
    """

    def __init__(
        self,
        seconds: float,
        max_bytes: int,
        size: Callable[[Result], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """seconds: the window. max_bytes: of all results that are kept together; beyond it the longest unused go first.
        `clock` is an argument so that tests own the time."""
        self._size = size
        self._kept: TTLCache[Hashable, Result] = TTLCache(max_bytes, seconds, timer=clock, getsizeof=size)
        self._running: dict[Hashable, asyncio.Task[Result]] = {}

    @property
    def running(self) -> int:
        return len(self._running)

    def find(self, key: Hashable) -> Found:
        """What asking for this key would meet."""
        return "kept" if key in self._kept else "running" if key in self._running else "begun"

    def forget(self, key: Hashable) -> None:
        """Begin anew when it is asked for again."""
        self._kept.pop(key, None)

    async def result(self, key: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        """The key's result; raises what the work raises. Cancelling who waits does not cancel the work."""
        try:
            return self._kept[key]
        except KeyError:
            return await asyncio.shield(self.begin(key, work))

    def begin(self, key: Hashable, work: Callable[[], Awaitable[Result]]) -> asyncio.Task[Result]:
        """Start the work, or join it where it runs."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._run(key, work))
            self._running[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        return task

    async def _run(self, key: Hashable, work: Callable[[], Awaitable[Result]]) -> Result:
        result = await work()
        if self._size(result) <= self._kept.maxsize:
            self._kept[key] = result
        return result

    def _end(self, key: Hashable, task: "asyncio.Task[Result]") -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # seen, though nobody may be left to be told
