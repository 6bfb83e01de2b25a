"""An event loop on a thread, for the client that is used without one."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from anyio.from_thread import BlockingPortal

ABANDON_SECONDS = 5.0  # how long a program that ends waits, at most, for what it left open

Started = Future[tuple[BlockingPortal, asyncio.AbstractEventLoop]]


class Background:
    """`portal` runs calls on the loop; `release` is awaited there when the loop ends.

    anyio's start_blocking_portal will not do: it waits for its thread when it is collected, which in a program that ends
    without closing it is after the thread was stopped for good, so that the program hangs.
    """

    def __init__(self, name: str, release: Callable[[], Awaitable[None]]) -> None:
        started: Started = Future()
        self._thread = threading.Thread(target=_run, args=(started, release), name=name, daemon=True)
        self._thread.start()
        self._release = release
        self.portal, self._loop = started.result()

    def close(self) -> None:
        """Release, let what is under way end, and return when the thread has ended."""
        self.portal.call(self._release)
        self.portal.call(self.portal.stop)
        self._thread.join()

    def abandon(self) -> None:
        """Cancel what is under way, and end. May be called on any thread, as garbage is collected on any."""
        asyncio.run_coroutine_threadsafe(self.portal.stop(cancel_remaining=True), self._loop)
        if threading.current_thread() is not self._thread:
            self._thread.join(ABANDON_SECONDS)


def _run(started: Started, release: Callable[[], Awaitable[None]]) -> None:
    async def serve() -> None:
        try:
            async with BlockingPortal() as portal:
                started.set_result((portal, asyncio.get_running_loop()))
                await portal.sleep_until_stopped()
        finally:
            await release()

    try:
        asyncio.run(serve())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)  # no loop could be made: no file descriptor is left
