"""Where registered code runs: Monty, an interpreter of its own, in worker processes that are killed when they are late.

Code gets no files, no network, no environment and no host functions. What leaves the sandbox is one string, the result as
JSON, cut to its limit inside; so nothing that the code builds is ever unfolded here.
"""

import asyncio
import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic_monty import (
    CollectString,
    Monty,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySyntaxError,
    ResourceLimits,
)

from agent_reasoning.errors import (
    ConfigurationError,
    FunctionFailed,
    FunctionsError,
    InvalidFunction,
    NotReady,
    Overloaded,
)

SOURCE = "<python-input-0>"  # what Monty calls the first code of a session: the function's own
SHOWN = 500  # characters of an exception's text
# Python, where `json` cannot be changed and slicing cannot be shadowed: whatever the function returns, at most so many
# characters leave. Not ASCII alone, so that a character is one character.
CALL = "from json import dumps as _dumps\n_dumps({name}(**_arguments), allow_nan=False, ensure_ascii=False)[:{most}]"


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one call may use."""

    seconds: float = 2.0
    """of running, in the code and again in the call; sleep counts"""
    memory_bytes: int = 32 * 2**20
    recursion: int = 200
    output_bytes: int = 16_384
    result_characters: int = 65_536
    workers: int = 2
    """calls at the same time, each a process"""
    wait_seconds: float = 5.0
    """for one of them to be free"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a call gave: what JSON can hold, and what was printed."""

    result: Any
    output: str


class Sandbox:
    """A few worker processes. The synchronous pool on threads of its own: the asynchronous one aborts the process at its
    end, now and then (pydantic-monty 1.4.0)."""

    def __init__(self, limits: SandboxLimits) -> None:
        self.limits = limits
        self._free = asyncio.Semaphore(limits.workers)
        self._pool: Monty | None = None

    def start(self) -> None:
        """Takes some milliseconds; once is enough. Raises ConfigurationError where Monty's program cannot be started."""
        if self._pool is not None:
            return
        grace = self.limits.seconds / 2
        pool = Monty(
            min_processes=1,
            max_processes=self.limits.workers,
            checkout_timeout=self.limits.wait_seconds,
            request_timeout=self.limits.seconds + grace,  # whoever has not stopped by then is killed
            feed_duration_limit_grace=grace,
            max_checkouts_per_worker=100,
        )
        try:
            pool.__enter__()
        except (OSError, RuntimeError) as error:
            raise ConfigurationError(f"FUNCTIONS_ENABLED: the sandbox cannot be started: {error}.") from None
        self._pool = pool
        self._threads = ThreadPoolExecutor(self.limits.workers, "sandbox")

    def close(self) -> None:
        """Waits for what runs, which its limits end."""
        if self._pool is not None:
            self._threads.shutdown()
            self._pool.__exit__(None, None, None)
            self._pool = None

    async def check(self, code: str) -> None:
        """Run the code, as every call does before it calls. Raises InvalidFunction with its `line`, Overloaded, NotReady."""
        await self._run(partial(self._feed, code, "None", {}, InvalidFunction))

    async def call(self, name: str, code: str, arguments: dict[str, Any]) -> Ran:
        """Raises FunctionFailed with the `line` where it is known, Overloaded, NotReady."""
        last = CALL.format(name=name, most=self.limits.result_characters + 1)
        text, output = await self._run(partial(self._feed, code, last, arguments, FunctionFailed))
        return Ran(self._result(text), output)

    async def _run(self, work: Callable[[], tuple[Any, str]]) -> tuple[Any, str]:
        if self._pool is None:
            raise NotReady("Functions are not running: the service is starting or ending.")
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded(f"{self.limits.workers} functions are running already; try again shortly.") from None
        done = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Whoever asked may leave: the worker is busy until its limits end it, and nobody else may have its place.
        done.add_done_callback(self._ended)
        return await asyncio.shield(done)

    def _ended(self, done: "asyncio.Future[Any]") -> None:
        self._free.release()
        if not done.cancelled():
            done.exception()  # seen, though nobody may be left to be told

    def _feed(self, code: str, last: str, arguments: dict[str, Any], failure: type[FunctionsError]) -> tuple[Any, str]:
        assert self._pool is not None
        printed = CollectString(max_bytes=self.limits.output_bytes)
        limits = ResourceLimits(
            max_feed_duration_secs=self.limits.seconds,
            max_memory=self.limits.memory_bytes,
            max_recursion_depth=self.limits.recursion,
            max_suspensions=100,
            max_total_sleep_secs=self.limits.seconds / 4,  # sleep is no running time to Monty, and would be free
        )
        try:
            with self._pool.checkout(limits=limits) as session:
                session.feed_run(code, print_callback=printed)
                text = session.feed_run(last, inputs={"_arguments": arguments}, print_callback=printed)
        except MontyCrashedError as error:
            why = "it did not stop in time" if error.timed_out else "it broke the interpreter"
            raise failure(f"The worker process was ended: {why}.") from None
        except (MontySyntaxError, MontyRuntimeError) as error:
            raise told(error, failure) from None
        except MontyError as error:
            raise failure(f"The arguments cannot be given to the function: {shortened(str(error))}") from None
        except TimeoutError:
            raise Overloaded("No sandbox is free; try again shortly.") from None
        except UnicodeError:
            raise failure("Half of a surrogate pair is no character.") from None
        return text, printed.output

    def _result(self, text: Any) -> Any:
        """Raises FunctionFailed."""
        if not isinstance(text, str) or len(text) > self.limits.result_characters:
            raise FunctionFailed(
                f"The result is too large: as JSON it may have {self.limits.result_characters} characters."
            )
        try:
            return json.loads(text, parse_float=finite)
        except (ValueError, RecursionError):
            raise FunctionFailed("The result holds a number that is too large, or is nested too deeply.") from None


def finite(text: str) -> float:
    """Raises ValueError for what only looks finite, such as 1e999."""
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def told(error: MontySyntaxError | MontyRuntimeError, failure: type[FunctionsError]) -> FunctionsError:
    """Monty's error in one sentence, with the last line of the function's own code that it passed."""
    lines = [frame.line for frame in error.traceback() if frame.filename == SOURCE]
    words = shortened(error.display("type-msg"))
    if not lines:  # as when time or output run out: there is no telling where
        return failure(words)
    return failure(f"Line {lines[-1]}: {words}", line=lines[-1])


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
