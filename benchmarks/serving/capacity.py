"""Open loop: the highest rate that a server carries, LitServe's best setting, and latency around that rate.

A server that refuses nobody passes a window of W seconds at up to about 1/W above what it sustains, since its queue
needs time to grow to one second: 7 % at 15 s, and far more in windows of a few seconds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.serving.report import say, window_line
from benchmarks.serving.servers import Host, LitServeSetting, litserve
from benchmarks.serving.windows import Loader

P99_LIMIT_MS, ERROR_LIMIT = 1000.0, 0.01
SHARES = (0.5, 0.8, 1.2)
GROWTH, MOST_WINDOWS = 1.3, 14
FINALISTS = 3

LAYOUTS = ((1, 1), (1, 2), (2, 1))  # workers, threads
BATCH_SIZES, BATCH_TIMEOUTS = (1, 4, 16), (0.0, 0.005, 0.02)
TUNING_CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Durations:
    warm_up: float
    window: float
    load: float
    tune: float
    bisections: int


def carries(summary: dict[str, Any]) -> bool:
    p99 = summary["p99_ms"]
    return p99 is not None and p99 <= P99_LIMIT_MS and summary["error_share"] < ERROR_LIMIT


def search(loader: Loader, url: str, begin: float, seconds: float, bisections: int) -> dict[str, Any]:
    """Up by a factor until a window fails (or down until one holds), then by bisection between the two."""
    windows: list[dict[str, Any]] = []

    def holds(rate: float) -> bool:
        windows.append(loader.open(url, rate, seconds).summary())
        windows[-1]["carried"] = carries(windows[-1])
        say(f"    {window_line(windows[-1])}")
        return bool(windows[-1]["carried"])

    low, high, rate = 0.0, 0.0, begin
    while len(windows) < MOST_WINDOWS and not (low and high):
        if holds(rate):
            low, rate = rate, rate * GROWTH
        else:
            high, rate = rate, rate / GROWTH**2
    for _ in range(bisections if low and high else 0):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if holds(middle) else (low, middle)
    return {"capacity": low, "windows": windows}


def tune_litserve(loader: Loader, durations: Durations) -> tuple[LitServeSetting, LitServeSetting, dict[str, Any]]:
    """A closed loop ranks the settings; the best few then show what they carry. Returns the best, and the best that
    batches at all."""
    ranked: list[tuple[float, LitServeSetting]] = []

    def rank(setting: LitServeSetting) -> None:
        with litserve(setting) as (_, url):
            loader.closed(url, TUNING_CLIENTS, seconds=durations.warm_up)
            throughput = loader.closed(url, TUNING_CLIENTS, seconds=durations.tune).summary()["throughput"]
        say(f"  LitServe, {setting}: {throughput:.1f}/s in a closed loop")
        ranked.append((throughput, setting))
        ranked.sort(key=lambda row: row[0], reverse=True)

    usual = BATCH_TIMEOUTS[1]
    for workers, threads in LAYOUTS:
        for size in BATCH_SIZES:
            rank(LitServeSetting(size, usual if size > 1 else 0.0, workers, threads))
    batched = next(setting for _, setting in ranked if setting.max_batch_size > 1)
    for timeout in BATCH_TIMEOUTS:
        if timeout != usual:
            rank(LitServeSetting(batched.max_batch_size, timeout, batched.workers, batched.threads))
    finals = []
    for throughput, setting in ranked[:FINALISTS]:
        say(f"  LitServe, {setting}:")
        with litserve(setting) as (_, url):
            loader.closed(url, TUNING_CLIENTS, seconds=durations.warm_up)
            found = search(loader, url, throughput * 0.7, durations.window, 1)
        finals.append((found["capacity"], setting))
    best = max(finals, key=lambda row: row[0])[1]
    batched = next(setting for _, setting in ranked if setting.max_batch_size > 1)
    return (
        best,
        batched,
        {
            "closed_loop": [{**asdict(setting), "throughput": throughput} for throughput, setting in ranked],
            "finalists": [{**asdict(setting), "capacity": capacity} for capacity, setting in finals],
        },
    )


def measure(host: Host, loader: Loader, durations: Durations, shares: Sequence[float] = SHARES) -> dict[str, Any]:
    with host() as (_, url):
        warm = loader.closed(url, 16, seconds=durations.warm_up).summary()
        say(f"  warm-up: {warm['throughput']:.1f}/s with 16 clients")
        found = search(loader, url, max(1.0, warm["throughput"] * 0.7), durations.window, durations.bisections)
        say(f"  carries {found['capacity']:.1f}/s")
        loads = []
        for share in shares if found["capacity"] else ():
            loads.append({"share": share, **loader.open(url, share * found["capacity"], durations.load).summary()})
            say(f"    {share:.0%}: {window_line(loads[-1])}")
    return {"warm_up": warm, **found, "loads": loads}
