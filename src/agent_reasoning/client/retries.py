"""Trying again, within the time that the caller gave."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx2
import stamina

from agent_reasoning.client.exceptions import (
    CallFailed,
    CallTimedOut,
    PublishFailed,
    ServiceError,
    ServiceUnreachable,
    UnexpectedReply,
)
from agent_reasoning.client.settings import shown_url

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how soon. The wait before try n + 1 is initial * 2**(n - 1), plus up to `jitter`, at most `max`."""

    attempts: int = 5
    wait_initial_seconds: float = 0.1
    wait_max_seconds: float = 5.0
    wait_jitter_seconds: float = 1.0


def may_succeed_later(error: Exception) -> bool:
    """Whether the same call may be answered another time. A call has no effects beyond its answer, so that one of
    which nobody knows whether it arrived may be sent again."""
    if isinstance(error, ServiceUnreachable):
        return True
    if isinstance(error, UnexpectedReply):
        return error.status in (429, 502, 503, 504)  # a proxy's; the service's own 504 is the caller's deadline
    return isinstance(error, ServiceError) and error.status in (429, 503)


def may_be_taken_later(error: Exception) -> bool:
    """What Knative itself delivers again (knative/eventing pkg/kncloudevents/retries.go, SelectiveRetry)."""
    if not isinstance(error, PublishFailed):
        return False
    return error.status is None or error.status >= 500 or error.status in (404, 408, 409, 429)


async def persist(
    attempt: Callable[[], Awaitable[Result]],
    may_help: Callable[[Exception], bool],
    *,
    retry: Retry,
    deadline: float,
    late: Callable[[], CallFailed],
) -> Result:
    """`attempt`, again while that may help, `retry` allows it and `deadline` (on the event loop's clock) has not passed.

    Raises what the last attempt raised, or `late()` where the deadline passes while one is under way.
    """
    loop = asyncio.get_running_loop()
    failed: Exception | None = None

    def decide(error: Exception) -> bool | float:
        if not may_help(error):
            return False
        asked: float | None = getattr(error, "retry_after", None)
        if asked is None:
            return True
        # Those who were refused together would otherwise come back together.
        wait = asked + random.uniform(0, retry.wait_jitter_seconds)
        return wait if loop.time() + wait < deadline else False

    try:
        async with asyncio.timeout_at(deadline):
            async for tried in stamina.retry_context(
                on=decide,
                attempts=retry.attempts,
                timeout=None,
                wait_initial=retry.wait_initial_seconds,
                wait_max=retry.wait_max_seconds,
                wait_jitter=retry.wait_jitter_seconds,
            ):
                with tried:
                    failed = None
                    try:
                        return await attempt()
                    except Exception as error:
                        failed = error
                        raise
    except TimeoutError as error:
        if isinstance(error, CallFailed):
            raise
        # What failed before the wait for the next try says more than that time is up.
        raise failed or late() from None
    raise AssertionError("stamina ends with a result or an exception")


def timed_out(seconds: float, what: str, request_id: str | None = None) -> CallTimedOut:
    error = CallTimedOut(f"{what} did not answer within {seconds:g} seconds.")
    error.request_id = request_id
    return error


def unreachable(url: httpx2.URL | str, cause: Exception, request_id: str | None = None) -> ServiceUnreachable:
    error = ServiceUnreachable(f"{shown_url(url)} cannot be reached: {str(cause) or type(cause).__name__}.")
    error.request_id = request_id
    return error
