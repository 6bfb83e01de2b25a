"""What goes wrong between a broker and those it delivers to, and within the service: as often as it is told to."""

import asyncio
import json
import random
import signal
import subprocess
from collections import defaultdict
from collections.abc import Mapping

import httpx2

from tests.delivery.broker import Answer, Event, read_event
from tests.live import command, environment, free_port, wait_until_ready


class Service:
    """The real service as a process, at one address, killed and started again."""

    def __init__(self, **changes: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = environment(PORT=str(port), LOG_LEVEL="error", **changes)
        self.kills = self.terminations = 0
        self.exit_codes: list[int] = []

    def start(self) -> None:
        self._process = subprocess.Popen(
            command("serve"), env=self._environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        wait_until_ready(self._process, self.url)

    async def kill(self) -> None:
        """As when a node dies; then another start."""
        self.kills += 1
        await asyncio.to_thread(self._end, signal.SIGKILL)
        await asyncio.to_thread(self.start)

    async def terminate(self) -> None:
        """As when a pod is replaced; then another start."""
        self.terminations += 1
        self.exit_codes.append(await asyncio.to_thread(self._end, signal.SIGTERM))
        await asyncio.to_thread(self.start)

    def stop(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, sig: int) -> int:
        self._process.send_signal(sig)
        self._process.communicate(timeout=90)
        return self._process.returncode


class Line:
    """HTTP to the service that breaks at random: before the request, during it, or after the answer has come."""

    def __init__(self, client: httpx2.AsyncClient, url: str, rng: random.Random, dropped: float) -> None:
        self._client, self._url, self._rng, self._dropped = client, url, rng, dropped
        self.drops = 0
        self.statuses: dict[int, int] = defaultdict(int)

    async def __call__(self, headers: dict[str, str], body: bytes) -> Answer:
        if self._rng.random() >= self._dropped:
            return await self._post(headers, body)
        self.drops += 1
        try:
            async with asyncio.timeout(self._rng.uniform(0, 0.03)):  # the connection is closed wherever it was then
                await self._post(headers, body)
        except TimeoutError:
            pass
        raise ConnectionError("dropped")

    async def _post(self, headers: dict[str, str], body: bytes) -> Answer:
        try:
            response = await self._client.post(self._url, content=body, headers=headers)
        except httpx2.TransportError as error:
            raise ConnectionError(str(error)) from None
        self.statuses[response.status_code] += 1
        return Answer(response.status_code, response.headers, response.content)


class Consumer:
    """Takes results: slowly at times, refusing at times, and at times its acknowledgement is lost, so that it gets the event
    again."""

    def __init__(self, rng: random.Random, *, failing: float, slow: float, lost: float) -> None:
        self._rng, self._failing, self._slow, self._lost = rng, failing, slow, lost
        self.received: dict[str, list[Event]] = defaultdict(list)
        self.refusals = self.lost = 0

    @property
    def answered(self) -> int:
        return len(self.received)

    async def __call__(self, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._rng.random() < self._slow:
            await asyncio.sleep(self._rng.uniform(0, 0.2))
        if self._rng.random() < self._failing:
            self.refusals += 1
            return Answer(self._rng.choice([404, 408, 409, 429, 500, 503]))
        event = read_event(headers, body)
        assert event is not None
        self.received[event.attributes["causationid"]].append(event)
        if self._rng.random() < self._lost:
            self.lost += 1
            raise ConnectionError("the acknowledgement was lost")
        return Answer(202)


def timeless(event: Event) -> tuple[dict[str, str], dict]:
    """What two results of one request must have in common: everything but times."""
    data = json.loads(event.data)
    data.pop("duration_ms", None)
    return {name: value for name, value in event.attributes.items() if name not in ("time", "knativearrivaltime")}, data
