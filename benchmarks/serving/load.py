"""The load generator, a process of its own: posts bodies and writes one line for each, as answers come in.

It reads its orders as JSON from standard input. Its imports are few, so that a window starts soon.
"""

import asyncio
import itertools
import json
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

NO_ANSWER = 0
IDLE_SECONDS = 2.0  # below the 5 s after which uvicorn closes an idle connection, so that none closes under a request
WORDS = ("verified", "solution", "steps", "source", "halted_by")


@dataclass(frozen=True, slots=True)
class Orders:
    url: str
    bodies: str
    """A file with one body a line."""
    out: str
    first: int
    """The line to begin with; after the last comes the first again."""
    timeout: float
    rate: float | None = None
    """Poisson arrivals for `seconds` (open loop); None: each client posts as soon as it has its answer (closed loop)."""
    seconds: float | None = None
    count: int | None = None
    """Of a closed loop: stop after so many requests; one of `seconds` and `count` is set."""
    clients: int = 1
    seed: int = 0


class Generator:
    def __init__(self, orders: Orders, session: Any, out: TextIO) -> None:
        self.orders, self._session, self._out = orders, session, out
        self._bodies = Path(orders.bodies).read_bytes().splitlines()
        self._begun = 0.0

    async def run(self) -> None:
        self._begun = time.perf_counter() + 0.1
        if self.orders.rate is None:
            numbers = self._closed_numbers()
            await asyncio.gather(*(self._client(numbers) for _ in range(self.orders.clients)))
        else:
            assert self.orders.seconds is not None
            await self._open(self.orders.rate, self.orders.seconds)

    def now(self) -> float:
        return time.perf_counter() - self._begun

    def _more(self, number: int, at: float) -> bool:
        if self.orders.count is not None and number >= self.orders.count:
            return False
        return self.orders.seconds is None or at < self.orders.seconds

    def _closed_numbers(self) -> Iterator[int]:
        return itertools.takewhile(lambda number: self._more(number, self.now()), itertools.count())

    async def _client(self, numbers: Iterator[int]) -> None:
        await asyncio.sleep(max(0.0, -self.now()))
        for number in numbers:
            await self._post(number, self.now())

    async def _open(self, rate: float, seconds: float) -> None:
        """A Poisson process of which the number of arrivals is known: chance must not make the rate another one."""
        rng, running = random.Random(self.orders.seed), set()
        arrivals = sorted(rng.uniform(0, seconds) for _ in range(round(rate * seconds)))
        for number, at in enumerate(arrivals):
            await asyncio.sleep(max(0.0, at - self.now()))
            task = asyncio.create_task(self._post(number, at))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    async def _post(self, number: int, scheduled: float) -> None:
        import aiohttp

        line = (self.orders.first + number) % len(self._bodies)
        row: dict[str, Any] = {"line": line, "scheduled": scheduled, "sent": self.now()}
        try:
            async with self._session.post(self.orders.url, data=self._bodies[line]) as response:
                content, status = await response.read(), response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            row |= {"done": self.now(), "status": NO_ANSWER, "error": f"{type(error).__name__}: {error}"[:200]}
        else:
            row |= {"done": self.now(), "status": status}
            answer = json.loads(content) if status == 200 else {"error": content[:200].decode(errors="replace")}
            row |= {word: answer[word] for word in (*WORDS, "error") if word in answer}
        self._out.write(json.dumps(row) + "\n")


@asynccontextmanager
async def session(timeout: float) -> AsyncIterator[Any]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=timeout),
        headers={"content-type": "application/json"},
        skip_auto_headers=("user-agent", "accept-encoding"),
    ) as opened:
        yield opened


async def generate(orders: Orders) -> None:
    with open(orders.out, "w") as out:
        async with session(orders.timeout) as opened:
            before = cpu_seconds()
            await Generator(orders, opened, out).run()
            out.write(json.dumps({"client_cpu_seconds": cpu_seconds() - before}) + "\n")


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def order(orders: Orders) -> str:
    return json.dumps(asdict(orders))


def main() -> None:
    orders = Orders(**json.load(sys.stdin))
    try:
        import uvloop
    except ImportError:
        asyncio.run(generate(orders))
    else:
        uvloop.run(generate(orders))


if __name__ == "__main__":
    main()
