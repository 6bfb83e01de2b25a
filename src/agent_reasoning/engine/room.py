"""Whether another job may come in: counted by those who submit, in any thread, and by the engine."""

import threading
from collections.abc import Callable

from agent_reasoning.errors import NotReady, Overloaded


class Room:
    """There is always room for `slots` + `max_queue` jobs, though one with many samples takes slots from others, which
    then wait, and though jobs that come at once wait for a moment each: who counts requests in front of the engine
    (Knative's containerConcurrency) must be able to tell from their number alone that none will be refused.
    """

    def __init__(self, slots: int, max_queue: int) -> None:
        self.max_queue = max_queue
        self.capacity = slots + max_queue
        self._lock = threading.Lock()
        self._waiting = 0
        self._unanswered = 0
        self._closed = False

    @property
    def waiting(self) -> int:
        """Jobs without a slot."""
        return self._waiting

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Nobody comes in from now on."""
        with self._lock:
            self._closed = True

    def check(self) -> None:
        """Raises Overloaded where `enter` would."""
        if self._waiting >= self.max_queue and self._unanswered >= self.capacity:
            raise Overloaded(f"{self._waiting} requests are waiting; try again shortly.")

    def enter(self, hand_over: Callable[[], None], *, is_part: bool) -> None:
        """Let a job in that has no slot yet: `hand_over` is called before anybody can close. A part of a request that has others
        here, too, takes no room from requests. Raises Overloaded, NotReady."""
        with self._lock:
            if self._closed:
                raise NotReady("The engine is not running.")
            self.check()
            self._waiting += 1
            self._unanswered += not is_part
            hand_over()

    def answered(self) -> None:
        """A job that is no part."""
        with self._lock:
            self._unanswered -= 1

    def left_queue(self) -> None:
        """A job no longer waits, be it that it got slots or has gone."""
        with self._lock:
            self._waiting -= 1

    def waits_again(self, jobs: int) -> None:
        with self._lock:
            self._waiting += jobs
