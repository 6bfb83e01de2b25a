"""What the service costs: start-up beside `import torch`, memory, and the time of one request.

    python benchmarks/service.py [--json FILE]

Start-up is measured pair by pair (the service, then the import), so that a machine that slows down slows both.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from agent_reasoning.tasks import builtin_tasks  # noqa: E402
from tests.live import serving  # noqa: E402

PAIRS, REQUESTS, SIZES = 5, 200, (8, 16, 24, 32, 64)


def seconds(action):
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def start_up():
    def service():
        with serving(LOG_LEVEL="error"):
            pass

    def torch():
        subprocess.run([sys.executable, "-c", "import torch"], check=True)

    service(), torch()  # a warm-up: the files are read from disk once
    pairs = [(seconds(service), seconds(torch)) for _ in range(PAIRS)]
    return {
        "ready_seconds": statistics.median(a for a, _ in pairs),
        "import_torch_seconds": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def bodies(size):
    rollout, rng = builtin_tasks().get("rollout"), np.random.default_rng([3, size])
    for _ in range(REQUESTS):
        graph = rollout.generate(rng, size).instance
        needs = {name: [graph.names[n] for n in needs] for name, needs in zip(graph.names, graph.needs, strict=True)}
        yield json.dumps({"question": "?", "context": {"steps": needs}, "samples": 1}).encode()


def post(url, body):
    request = urllib.request.Request(f"{url}/reason", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.loads(response.read())


def requests():
    rows = []
    with serving(LOG_LEVEL="error") as (process, url):
        for size in SIZES:
            for body in list(bodies(size))[:10]:
                post(url, body)
            times, answers = [], []
            for body in bodies(size):
                begun = time.perf_counter()
                answers.append(post(url, body))
                times.append((time.perf_counter() - begun) * 1000)
            rows.append(
                {
                    "steps": size,
                    "requests": REQUESTS,
                    "verified": sum(answer["verified"] for answer in answers) / REQUESTS,
                    "p50_ms": statistics.median(times),
                    "p99_ms": float(np.percentile(times, 99)),
                    "mean_refinement_steps": statistics.mean(answer["steps"] for answer in answers),
                }
            )
            print(f"  {size} steps: p50 {rows[-1]['p50_ms']:.1f} ms", file=sys.stderr)
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))
    return {"latency": rows, "resident_mib": resident}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", **start_up(), **requests()}
    ready, imported = figures["ready_seconds"], figures["import_torch_seconds"]
    print(f"/ready after {ready:.2f} s; import torch {imported:.2f} s; ratio {figures['ratio']:.2f}")
    print(f"resident memory {figures['resident_mib']:.0f} MiB")
    print("| steps | requests | verified | p50 ms | p99 ms | mean refinement steps |\n|---|---|---|---|---|---|")
    for row in figures["latency"]:
        print(
            f"| {row['steps']} | {row['requests']} | {row['verified']:.1%} | {row['p50_ms']:.1f} | {row['p99_ms']:.1f} "
            f"| {row['mean_refinement_steps']:.2f} |"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
