"""`python -m tools.scaling`: what many replicas would carry, simulated from measured times. It is a model, and no cluster.

Modelled: Poisson arrivals; the activator, which gives a request to the replica with the fewest and holds it back where all
have `containerConcurrency`; replicas whose cores are shared evenly among the requests they hold; Knative's autoscaler (KPA:
mean concurrency over 60 s, or over 6 s in panic; a pod that starts for a while). Left out: networks, slow nodes, the image's
pull, garbage collection. Times of requests are measured on this machine, one at a time on one core, the service's and HTTP's
overhead included as a constant.
"""

import argparse
import asyncio
import heapq
import json
import math
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from agent_reasoning.engine.loading import load_bundles
from agent_reasoning.schemas import ReasonRequest
from agent_reasoning.service.log import configure
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.tasks import builtin_tasks
from benchmarks.serving.stream import make_stream
from tools.manifests.build import ROOT

OVERHEAD_SECONDS = 0.002  # benchmarks/results/serving.json, overhead
OBJECTIVE_SECONDS = 1.0
STABLE_SECONDS, PANIC_SECONDS, TICK_SECONDS = 60.0, 6.0, 2.0  # KPA's defaults
TARGETS = (1.4, 2.1, 3.5, 7.0)
PANIC_FACTOR, DOWN_FACTOR = 2.0, 2.0  # panic-threshold-percentage, max-scale-down-rate


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a deployment; the defaults are the `pro` overlay's."""

    cores: int = 2
    concurrency: int = 32  # containerConcurrency
    target: float = 2.1  # the autoscaler's target times its utilization
    least: int = 2
    most: int = 10
    start_seconds: float = 6.0  # a pod whose image is on the node: 3 s of the service, the rest Kubernetes and probes


@dataclass(slots=True)
class Replica:
    """Processor sharing: what each request it holds has got of the cores, as one clock for all of them."""

    ready_at: float
    clock: float = 0.0
    seen: float = 0.0
    held: list[tuple[float, int]] = field(default_factory=list)  # (clock at which it is done, request)

    def advance(self, now: float, cores: int) -> None:
        self.clock += (now - self.seen) * min(1.0, cores / max(1, len(self.held)))
        self.seen = now

    def next_done(self, cores: int) -> float:
        if not self.held:
            return math.inf
        return self.seen + max(0.0, self.held[0][0] - self.clock) * max(1.0, len(self.held) / cores)


@dataclass(frozen=True, slots=True)
class Run:
    """latencies: seconds, in order of arrival. replicas: (second, number)."""

    latencies: np.ndarray
    replicas: list[tuple[float, int]]

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.latencies, share))


def simulate(arrivals: np.ndarray, work: np.ndarray, shape: Shape, *, scaled: bool = False, fixed: int = 1) -> Run:
    """arrivals: seconds, ascending. work: core seconds of each request. scaled: by KPA, from `shape.least`; else `fixed`."""
    replicas = [Replica(0.0) for _ in range(shape.least if scaled else fixed)]
    waiting: deque[int] = deque()
    done = np.full(len(arrivals), np.nan)
    history: deque[tuple[float, float]] = deque()
    numbers = [(0.0, len(replicas))]
    upcoming, now, tick = 0, 0.0, TICK_SECONDS if scaled else math.inf
    while upcoming < len(arrivals) or waiting or any(replica.held for replica in replicas):
        arrival = arrivals[upcoming] if upcoming < len(arrivals) else math.inf
        finishing = min(replicas, key=lambda replica: replica.next_done(shape.cores))
        finish = finishing.next_done(shape.cores)
        start = min((each.ready_at for each in replicas if waiting and each.ready_at > now), default=math.inf)
        now = min(arrival, finish, tick, start)
        if now == finish:
            finishing.advance(now, shape.cores)
            done[heapq.heappop(finishing.held)[1]] = now
        elif now == arrival:
            waiting.append(upcoming)
            upcoming += 1
        elif now == tick:
            history.append((now, float(len(waiting) + sum(len(replica.held) for replica in replicas))))
            wanted = autoscaled(history, len(replicas), shape)
            scale(replicas, wanted, now, shape)
            numbers.append((now, len(replicas)))
            tick += TICK_SECONDS
        dispatch(waiting, replicas, work, now, shape)
    return Run(done - arrivals, numbers)


def dispatch(waiting: deque[int], replicas: list[Replica], work: np.ndarray, now: float, shape: Shape) -> None:
    while waiting:
        ready = [each for each in replicas if each.ready_at <= now and len(each.held) < shape.concurrency]
        if not ready:
            return
        replica = min(ready, key=lambda each: len(each.held))
        request = waiting.popleft()
        replica.advance(now, shape.cores)
        heapq.heappush(replica.held, (replica.clock + work[request], request))


def autoscaled(history: deque[tuple[float, float]], current: int, shape: Shape) -> int:
    now = history[-1][0]
    while history[0][0] < now - STABLE_SECONDS:
        history.popleft()
    stable = float(np.mean([value for _, value in history]))
    panic = float(np.mean([value for at, value in history if at > now - PANIC_SECONDS]))
    wanted = max(math.ceil(stable / shape.target), math.floor(current / DOWN_FACTOR))
    in_panic = math.ceil(panic / shape.target)
    if in_panic >= PANIC_FACTOR * current:
        wanted = max(wanted, in_panic, current)
    return min(shape.most, max(shape.least, wanted))


def scale(replicas: list[Replica], wanted: int, now: float, shape: Shape) -> None:
    while len(replicas) < wanted:
        replicas.append(Replica(now + shape.start_seconds, seen=now))
    for replica in [each for each in replicas if not each.held][: max(0, len(replicas) - wanted)]:
        replicas.remove(replica)  # those at work are drained, which here means kept


def capacity(work: np.ndarray, replicas: int, shape: Shape, seed: int, seconds: float = 60.0) -> float:
    """Requests a second that so many replicas carry with 99 % of the answers within the objective."""
    low, high = 0.0, 3.0 * replicas * shape.cores / float(work.mean())
    for _ in range(9):
        rate = (low + high) / 2
        run = simulate(*load(work, [(seconds, rate)], seed), shape, fixed=replicas)
        low, high = (rate, high) if run.quantile(0.99) <= OBJECTIVE_SECONDS else (low, rate)
    return low


def load(work: np.ndarray, phases: list[tuple[float, float]], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Arrivals of phases of (seconds, requests a second), and work drawn from what was measured."""
    rng = np.random.default_rng(seed)
    parts, begun = [], 0.0
    for seconds, rate in phases:
        gaps = rng.exponential(1 / rate, size=int(rate * seconds * 1.3) + 50)
        times = begun + np.cumsum(gaps)
        parts.append(times[times < begun + seconds])
        begun += seconds
    arrivals = np.concatenate(parts)
    return arrivals, rng.choice(work, size=len(arrivals))


async def measured(count: int) -> np.ndarray:
    """Seconds on one core of each of `count` problems of the benchmark's stream, one at a time."""
    configure("warning", "console")
    service = ReasoningService(builtin_tasks(), load_bundles(ROOT / "models", "cpu"), slots=16, workers=1)
    service.start()
    service.warm_up()
    times = []
    for item in make_stream(count, seed=1).items[:count]:
        begun = time.perf_counter()
        await service.reason(ReasonRequest.model_validate_json(item.body), "scaling")
        times.append(time.perf_counter() - begun)
    service.stop()
    return np.array(times)


def burst(work: np.ndarray, shape: Shape, seed: int) -> dict[str, float]:
    """Two minutes of what one replica and a fifth carry, three of three times that, two as before."""
    usual = 1.2 * capacity(work, 1, shape, seed)
    arrivals, drawn = load(work, [(120, usual), (180, 3 * usual), (120, usual)], seed)
    run = simulate(arrivals, drawn, shape, scaled=True)
    settled = run.latencies[(arrivals > 180) & (arrivals < 300)]
    return {
        "requests a second before": round(usual, 1),
        "requests a second in the burst": round(3 * usual, 1),
        "share over the objective": round(float((run.latencies > OBJECTIVE_SECONDS).mean()), 4),
        "p99 from a minute into the burst": round(float(np.quantile(settled, 0.99)), 3),
        "longest": round(float(run.latencies.max()), 2),
        "replicas, mean": round(float(np.mean([number for _, number in run.replicas])), 2),
        "replicas, most": max(number for _, number in run.replicas),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=600)
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work = asyncio.run(measured(options.problems)) + OVERHEAD_SECONDS
    shape = Shape()
    found = {
        "simulated": True,
        "work seconds": {
            "mean": float(work.mean()),
            **{f"p{q}": float(np.quantile(work, q / 100)) for q in (50, 90, 99)},
        },
        "requests a second": {str(n): round(capacity(work, n, shape, options.seed), 1) for n in options.replicas},
        "burst, by the autoscaler's target": {
            str(target): burst(work, replace(shape, target=target), options.seed) for target in TARGETS
        },
    }
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
