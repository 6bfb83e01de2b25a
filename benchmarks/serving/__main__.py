"""Measure the service beside the plain loop and LitServe, on one machine in one run.

    python -m benchmarks.serving [--only offline open overhead] [--soak MINUTES] [--env MAX_QUEUE=32]

Run it from the repository's root with the packages of benchmarks/serving/requirements.txt installed.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from agent_reasoning.engine.loading import load_bundles
from benchmarks.serving import capacity, overhead, reference, report, soak
from benchmarks.serving.report import say
from benchmarks.serving.servers import MODELS, Host, LitServeSetting, have, litserve, ours
from benchmarks.serving.stream import ROOT, Item, make_stream
from benchmarks.serving.windows import Loader, loading

PARTS = ("offline", "open", "overhead")
RESULTS = ROOT / "benchmarks" / "results"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS, help="parts to run (soak: --soak)")
    parser.add_argument("--json", type=Path, default=RESULTS / "serving.json")
    parser.add_argument("--plot", type=Path, default=RESULTS / "serving.png")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a setting of our server")
    parser.add_argument("--problems", type=int, default=1500, help="of the stream, which then begins again")
    parser.add_argument("--offline-problems", type=int, default=600)
    parser.add_argument("--sample", type=int, default=64, help="problems of a task that choose the loop's setting")
    parser.add_argument("--clients", type=int, default=16, help="of part 1")
    parser.add_argument("--warm-up", type=float, default=5.0, help="seconds")
    parser.add_argument("--window", type=float, default=15.0, help="seconds of a window of the search")
    parser.add_argument("--bisections", type=int, default=3, help="windows after the first failure")
    parser.add_argument("--load", type=float, default=30.0, help="seconds at each share of a server's capacity")
    parser.add_argument("--tune", type=float, default=6.0, help="seconds of closed loop for each setting of LitServe")
    parser.add_argument("--litserve", metavar="SIZE,TIMEOUT,WORKERS,THREADS", type=setting, help="do not search for it")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds after which an answer counts as lost")
    parser.add_argument("--overhead-requests", type=int, default=300)
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--rate", type=float, help="of the soak; else 80 %% of our capacity")
    given = parser.parse_args()
    if not have("aiohttp"):
        parser.error("the load generator needs aiohttp: pip install -r benchmarks/serving/requirements.txt")
    if given.soak and not given.rate and "open" not in given.only:
        parser.error("--soak needs --rate where part `open` does not run")
    return given


def setting(text: str) -> LitServeSetting:
    size, timeout, workers, threads = text.split(",")
    return LitServeSetting(int(size), float(timeout), int(workers), int(threads))


def offline(given: argparse.Namespace, host: Host, loader: Loader, items: Sequence[Item]) -> dict[str, Any]:
    models = {model.task: model for model in load_bundles(MODELS, "cpu")}
    items = items[: given.offline_problems]
    figures: dict[str, Any] = {}
    for name, early in (("reference", False), ("reference_early", True)):
        say(f"Offline: static batches, {'until the batch verifies' if early else 'all steps'}")
        figures[name] = reference.measure(models, items, given.sample, stop_early=early)
    say(f"Offline: our server, {given.clients} clients in a closed loop")
    with host() as (_, url):
        loader.closed(url, given.clients, seconds=given.warm_up)
        window = loader.closed(url, given.clients, count=len(items))
    served = window.summary()
    verified = sum(bool(row.get("verified")) for row in window.answered())
    figures["ours"] = {
        **served,
        "clients": given.clients,
        "problems_per_second": served["throughput"],
        # Of all that were posted: an error solves nothing.
        "verified_share": served["verified_share"] * len(window.answered()) / max(1, len(window.rows)),
        "called_verified_share": verified / max(1, len(window.rows)),
    }
    say(f"  {report.window_line(served)}")
    for name in ("reference", "reference_early"):
        ratio = served["throughput"] / figures[name]["problems_per_second"]
        figures[f"ratio_to_{name}"] = ratio
    return figures


def open_loop(given: argparse.Namespace, host: Host, loader: Loader) -> dict[str, Any]:
    durations = capacity.Durations(given.warm_up, given.window, given.load, given.tune, given.bisections)
    figures: dict[str, Any] = {"servers": {}}
    say("Open loop: ours")
    figures["servers"]["ours"] = capacity.measure(host, loader, durations)
    if not have("litserve"):
        say("LitServe is not installed (benchmarks/serving/requirements.txt): ours alone.")
        return figures
    chosen, batched = given.litserve, None
    if chosen is None:
        say("Open loop: the best setting of LitServe, and the best with batches")
        chosen, batched, figures["litserve_tuning"] = capacity.tune_litserve(loader, durations)
    for name, setting in {"litserve": chosen, "litserve_batched": batched}.items():
        if setting is None or (name != "litserve" and setting == chosen):
            continue
        say(f"Open loop: LitServe, {setting}")
        theirs = capacity.measure(partial(litserve, setting), loader, durations)
        figures["servers"][name] = {"setting": str(setting), **theirs}
        if theirs["capacity"]:
            figures[f"capacity_ratio_to_{name}"] = figures["servers"]["ours"]["capacity"] / theirs["capacity"]
    return figures


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the servers end with it
    given = arguments()
    env = dict(pair.split("=", 1) for pair in given.env)
    host: Host = partial(ours, env)
    settings = {name: value if not isinstance(value, Path) else os.path.relpath(value, ROOT)
                for name, value in vars(given).items() if name != "litserve"}  # fmt: skip
    figures: dict[str, Any] = {"machine": report.machine(), "settings": {**settings, "litserve": str(given.litserve)}}
    say(f"Making {given.problems} problems")
    stream = make_stream(given.problems, given.seed)
    figures["stream"] = {"problems": len(stream.items), "description": stream.description}
    say(f"  {stream.description}")
    with loading(stream.items, given.timeout, given.seed) as loader:
        if "offline" in given.only:
            figures["offline"] = offline(given, host, loader, stream.items)
        if "open" in given.only:
            figures["open"] = open_loop(given, host, loader)
        if "overhead" in given.only:
            say("Overhead: one request after another")
            model = next(model for model in load_bundles(MODELS, "cpu") if model.task == "rollout")
            figures["overhead"] = overhead.measure(host, model, given.overhead_requests, given.seed)
        if given.soak:
            rate = given.rate or 0.8 * figures["open"]["servers"]["ours"]["capacity"]
            say(f"Soak: {given.soak:g} minutes at {rate:.1f}/s")
            figures["soak"] = soak.measure(host, loader, rate, given.soak)
    report.show(figures)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(figures, indent=1) + "\n")
    say(f"JSON: {given.json}")
    if "open" in figures:
        report.plot(figures["open"], given.plot)


if __name__ == "__main__":
    main()
