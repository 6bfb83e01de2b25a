"""Events under everything that breaks, and their throughput beside POST /reason.

    python -m benchmarks.events [--requests N] [--ends N] [--turns N] [--json FILE]

First the throughput, turn by turn in one run; then requests through a broker in memory (tests/delivery) to the real service
and on to a consumer, while the service is killed and terminated at random moments and started again, connections break, and
the consumer is slow, refuses, and forgets. Exit status 1 where a request did not end in exactly one result.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.events.throughput import measure
from tests.delivery.run import Plan, deliver


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--ends", type=int, default=12, help="how often the service is killed or terminated")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="of a broker's waits; 1: Knative's defaults, 205 s in all"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    throughput = measure(arguments.turns)
    print(json.dumps(throughput, indent=1))
    plan = Plan(arguments.requests, arguments.ends, arguments.scale, seed=arguments.seed)
    outcome = asyncio.run(deliver(plan))
    print(json.dumps(outcome.figures, indent=1))
    for words in outcome.wrong[:20]:
        print(f"WRONG: {words[:1000]}", file=sys.stderr)
    if arguments.json:
        figures = {
            "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
            "date": datetime.now(UTC).date().isoformat(),
            "throughput": throughput,
            "delivery": outcome.figures | {"wrong": len(outcome.wrong)},
        }
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
