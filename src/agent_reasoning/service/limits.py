"""How much one client may send."""

import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from agent_reasoning.errors import RateLimited


class RateLimiter:
    """In memory: one process a pod, so a pod's limits are its own."""

    def __init__(self, rate: str) -> None:
        """rate: `N/second`, `N/minute`, `N/hour`, or `off`."""
        self._rate = rate
        self._limit = None if rate == "off" else parse(rate)
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)

    def check(self, client: str) -> None:
        """Count one request of `client`. Raises RateLimited."""
        if self._limit is None or self._limiter.hit(self._limit, client):
            return
        wait = max(0.0, self._limiter.get_window_stats(self._limit, client).reset_time - time.time())
        raise RateLimited(f"This client may send {self._rate.replace('/', ' requests a ')}.", retry_after_seconds=wait)

    def refund(self, client: str) -> None:
        """Take back the last request of `client` that was counted: it was refused for want of room."""
        if self._limit is None:
            return
        key = self._limit.key_for(client)
        with self._storage.locks[key]:  # the library has no word for it; its entries are the newest first
            if entries := self._storage.events.get(key):
                entries.pop(0)
