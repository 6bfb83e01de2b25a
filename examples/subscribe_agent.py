"""An agent that a Trigger delivers completed and failed events to, and that acts once on each.

    python examples/subscribe_agent.py [--port 8080] [--ledger results.db]

A broker delivers at least once, and in any order. The receiver drops what it has seen since it started; what was
handled before is in the ledger, which is written in the same step as the work is recorded. A result is acknowledged
after that: if this program dies in between, the broker delivers again and nothing is lost. Ends with SIGTERM or Ctrl-C.
"""

import argparse
import asyncio
import signal
import sqlite3
from contextlib import closing

from agent_reasoning.client import AsyncReasoningClient, Result, ServiceError


class Ledger:
    """What has been done, by the event's identity: (source, id)."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("CREATE TABLE IF NOT EXISTS done (source, id, what, PRIMARY KEY (source, id))")

    def record(self, result: Result, what: str) -> bool:
        """False where it is there already."""
        with self._database:
            row = (result.source, result.id, what)
            return self._database.execute("INSERT OR IGNORE INTO done VALUES (?, ?, ?)", row).rowcount == 1

    def close(self) -> None:
        self._database.close()


def in_words(result: Result) -> str:
    if isinstance(result.outcome, ServiceError):
        return f"failed ({result.outcome.code}): {result.outcome}"
    if not result.outcome.verified:
        return f"unverified, left alone: {result.outcome.violations[0]}"
    return f"verified {result.outcome.task}: {result.outcome.solution}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")
    parser.add_argument("--port", type=int, default=8080, help="where the Trigger delivers")
    parser.add_argument("--ledger", default="results.db", help="an SQLite file, on a volume that outlives the pod")
    arguments = parser.parse_args()
    ended = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)

    with closing(Ledger(arguments.ledger)) as ledger:

        async def handle(result: Result) -> None:
            words = in_words(result)
            if ledger.record(result, words):
                print(f"request {result.causation_id}: {words}", flush=True)
            else:
                print(f"request {result.causation_id}: done before", flush=True)

        async with (
            AsyncReasoningClient() as client,
            client.receiver(arguments.port, arguments.host, handle) as receiver,
        ):
            print(f"listening on port {receiver.port}", flush=True)
            await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
