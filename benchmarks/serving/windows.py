"""One window of load on one server: started, awaited, checked answer by answer, and summed up."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.load import NO_ANSWER, Orders, order
from benchmarks.serving.stream import ROOT, Item

REFUSED = 503
Row = dict[str, Any]


@dataclass(slots=True)
class Loader:
    """Runs the load generator over the stream, each window from where the last one ended."""

    items: Sequence[Item]
    folder: Path
    timeout: float
    seed: int
    _next: int = field(default=0, init=False)
    _windows: int = field(default=0, init=False)
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._bodies.write_text("".join(item.body + "\n" for item in self.items))

    @property
    def _bodies(self) -> Path:
        return self.folder / "bodies.jsonl"

    def closed(self, url: str, clients: int, seconds: float | None = None, count: int | None = None) -> "Window":
        """`count`: that many from the first problem on, rather than the next ones for `seconds`."""
        return self.start(url, clients=clients, seconds=seconds, count=count, first=0 if count else None).wait()

    def open(self, url: str, rate: float, seconds: float) -> "Window":
        return self.start(url, rate=rate, seconds=seconds).wait()

    def start(
        self,
        url: str,
        *,
        rate: float | None = None,
        seconds: float | None = None,
        count: int | None = None,
        clients: int = 1,
        first: int | None = None,
    ) -> "Running":
        self._windows += 1
        out = self.folder / f"window-{self._windows}.jsonl"
        begin = self._next if first is None else first
        orders = Orders(f"{url}/reason", str(self._bodies), str(out), begin, self.timeout,
                        rate, seconds, count, clients, self.seed + self._windows)  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.serving.load"], cwd=ROOT, stdin=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        process.stdin.write(order(orders))
        process.stdin.close()
        self._process = process
        return Running(self, process, orders)

    def end(self) -> None:
        """No load may go on where this process is stopped amid a window."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def passed(self, requests: int) -> None:
        self._next = (self._next + requests) % len(self.items)


@dataclass(frozen=True, slots=True)
class Running:
    loader: Loader
    process: subprocess.Popen[str]
    orders: Orders

    def wait(self) -> "Window":
        if self.process.wait() != 0:
            raise RuntimeError(f"The load generator ended with {self.process.returncode}.")
        out = Path(self.orders.out)
        with out.open() as lines:
            *rows, last = (json.loads(line) for line in lines)
        out.unlink()
        self.loader.passed(len(rows))
        return Window(self.loader.items, rows, self.orders, last["client_cpu_seconds"])


@dataclass(frozen=True, slots=True)
class Window:
    items: Sequence[Item]
    rows: Sequence[Row]
    orders: Orders
    client_cpu_seconds: float

    def answered(self) -> list[Row]:
        return [row for row in self.rows if row["status"] == 200]

    def seconds(self) -> float:
        """As long as the load lasted; where it was a number of requests, until the last answer."""
        return self.orders.seconds or max((row["done"] for row in self.rows), default=0.0)

    def summary(self) -> dict[str, Any]:
        answered, seconds = self.answered(), self.seconds()
        refused = [row for row in self.rows if row["status"] == REFUSED]
        in_time = [row for row in answered if row["done"] <= seconds]
        total = max(1, len(self.rows))
        return {
            "requests": len(self.rows),
            "asked_rate": self.orders.rate,
            "offered_rate": len(self.rows) / seconds if seconds else 0.0,
            "throughput": len(in_time) / seconds if seconds else 0.0,
            **quantiles(answered, ""),
            "error_share": 1 - len(answered) / total,
            "refused_share": len(refused) / total,
            **quantiles(refused, "refused_"),
            "lost": sum(row["status"] == NO_ANSWER for row in self.rows),
            **self.checked(),
            "errors": self.errors(),
            "client_late_p99_ms": percentile([row["sent"] - row["scheduled"] for row in self.rows], 99),
            "client_cpu_share": self.client_cpu_seconds / max((row["done"] for row in self.rows), default=1.0),
        }

    def checked(self) -> dict[str, Any]:
        """Every answer against the problem that was posted, by the task's own verifier."""
        valid = wrong = crossed = 0
        by_kind: dict[str, list[bool]] = {}
        for row in self.answered():
            item, solution = self.items[row["line"]], row.get("solution")
            holds = item.verify(solution)
            valid += holds
            wrong += bool(row.get("verified")) and not holds
            crossed += not item.answered_by(solution)
            by_kind.setdefault(item.kind, []).append(holds)
        return {
            "verified_share": valid / max(1, len(self.answered())),
            "verified_by_kind": {kind: sum(all_) / len(all_) for kind, all_ in sorted(by_kind.items())},
            "wrong_called_verified": wrong,
            "crossed": crossed,
        }

    def errors(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for row in self.rows:
            if row["status"] != 200:
                what = f"{row['status']}" if row["status"] else row["error"]
                found[what] = found.get(what, 0) + 1
        return found


def quantiles(rows: Sequence[Row], prefix: str) -> dict[str, float | None]:
    """From the scheduled arrival on, so that a client held up by the server counts as waiting."""
    latencies = [row["done"] - row["scheduled"] for row in rows]
    return {f"{prefix}p50_ms": percentile(latencies, 50), f"{prefix}p99_ms": percentile(latencies, 99)}


def percentile(seconds: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(seconds, percent)) * 1000 if len(seconds) else None


@contextmanager
def loading(items: Sequence[Item], timeout: float, seed: int) -> Iterator[Loader]:
    with tempfile.TemporaryDirectory() as folder:
        loader = Loader(items, Path(folder), timeout, seed)
        try:
            yield loader
        finally:
            loader.end()
