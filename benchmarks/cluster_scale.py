"""Consolidating a real cluster: nodes in use, by best-fit decreasing and after improving neighbourhoods of it for some seconds by
the model, by draws without words, and by CP-SAT in the same neighbourhoods.

    python benchmarks/cluster_scale.py [--nodes 100,1523] [--seconds 1,10] [--seeds 3] [--json benchmarks/results/cluster-scale.json]

Seconds count from the start, which best-fit decreasing makes. In brackets: how many neighbourhoods were looked at.

The cluster is "openb" (Alibaba cluster-trace-gpu-v2023) from ../shared/data/real: all nodes, all pods that run or wait, none of them
placed yet; what a pod wants of a GPU counts as a fraction of all GPUs of its node (a simplification), and `gpu_spec` as the models
that it may run on. A smaller one is drawn from it, nodes and pods in the same share.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.loading import load_model
from agent_reasoning.errors import DeadlineExceeded
from agent_reasoning.evaluation.card import machine
from agent_reasoning.evaluation.search import untrained
from agent_reasoning.service.parts import STEPS, InParts
from agent_reasoning.tasks import builtin_tasks, verdict_on
from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.neighbourhoods import Part, PlacementParts
from agent_reasoning.tasks.placement_solver import best_assignment

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
MODELS = Path(__file__).resolve().parents[1] / "models"
EFFORT = 0.05  # of CP-SAT in a neighbourhood, in seconds of a core


def openb(nodes: int, seed: int = 0) -> Cluster:
    """So many of its nodes, and the same share of its pods."""
    machines, pods = (list(csv.DictReader((DATA / f"openb_{name}.csv").open())) for name in ("nodes", "pods"))
    pods = [pod for pod in pods if pod["pod_phase"] in ("Running", "Pending")]
    rng = np.random.default_rng(seed)
    if nodes < len(machines):
        share = nodes / len(machines)
        machines = [machines[number] for number in np.sort(rng.choice(len(machines), nodes, replace=False))]
        pods = [pods[number] for number in np.sort(rng.choice(len(pods), round(share * len(pods)), replace=False))]
    of_spec: dict[str, tuple[int, ...]] = {}
    for spec in {pod["gpu_spec"] for pod in pods}:
        models = set(spec.split("|"))
        of_spec[spec] = tuple(number for number, each in enumerate(machines) if not spec or each["model"] in models)
    pods = [pod for pod in pods if of_spec[pod["gpu_spec"]]]
    return Cluster(
        ("cpu", "memory", "gpu"),
        tuple(each["sn"] for each in machines),
        tuple((int(each["cpu_milli"]), int(each["memory_mib"]), 1000 * int(each["gpu"])) for each in machines),
        tuple(pod["name"] for pod in pods),
        tuple((int(pod["cpu_milli"]), int(pod["memory_mib"]), int(pod["num_gpu"]) * int(pod["gpu_milli"])) for pod in pods),
        tuple(of_spec[pod["gpu_spec"]] for pod in pods),
        (NOWHERE,) * len(pods),
    )  # fmt: skip


def one_by_one(parts: PlacementParts, end: float, refit: Callable[[int, Part], np.ndarray | None]) -> None:
    for number in count():
        part = parts.next() if time.monotonic() < end else None
        if part is None:
            return
        parts.take(part, refit(number, part))


def numbers(text):
    return [float(part) for part in text.split(",")]


def at_random(parts: PlacementParts, number: int, part: Part) -> np.ndarray:
    """As many draws as the model's search makes, with all nodes wished for alike."""
    cluster, search = parts.problem(part)
    held = search.first()
    words = np.zeros((len(cluster.workloads), len(cluster.nodes)), np.float32)
    for step in range(STEPS):
        held = search.next(held, words, np.random.default_rng([number, step]))
    return held


def exactly(parts: PlacementParts, number: int, part: Part) -> np.ndarray | None:
    found, _ = best_assignment(part.cluster, EFFORT, part.at.tolist())
    return None if found is None else np.array(found)


def by_model(model, task, cluster, parts, seed, seconds):
    engine = Engine([model])
    engine.start()
    try:
        verify = partial(verdict_on, task, cluster)
        search = InParts(engine, task, parts, verify, seed, time.monotonic() + seconds)
        verdict = search.run(for_the_answer=0.0).answer.verdict
    finally:
        engine.stop()
    assert verdict.valid, verdict.violations
    return verdict.objective


def by_others(parts, seconds, refit):
    end = time.monotonic() + seconds
    parts.start()
    one_by_one(parts, end, refit)
    return len(set(parts.choice.tolist()))


def contestants(model, task, cluster, seed, seconds):
    """Name -> (parts, what gives the nodes in use)."""
    found = {}
    for name, each in (("model", model), ("untrained weights", untrained(model))):
        parts = PlacementParts(replace(cluster), seed)
        found[name] = parts, partial(by_model, each, task, cluster, parts, seed, seconds)
    for name, refit in (("at random", at_random), ("CP-SAT", exactly)):
        parts = PlacementParts(replace(cluster), seed)
        found[name] = parts, partial(by_others, parts, seconds, partial(refit, parts))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=numbers, default=[100, 1523])
    parser.add_argument("--seconds", type=numbers, default=[1, 10])
    parser.add_argument("--seeds", type=int, default=3, help="searches of each, whose mean is shown")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    task = builtin_tasks().get("placement")
    model = load_model(MODELS / "placement", "cpu")
    lines = []
    for size in options.nodes:
        cluster = openb(int(size))
        begun = time.monotonic()
        start = PlacementParts(cluster, 0).start()
        about = {
            "nodes": len(cluster.nodes), "pods": len(cluster.workloads), "at_least": cluster.bound,
            "best_fit_decreasing": len(set(start.tolist())), "its_seconds": round(time.monotonic() - begun, 2),
        }  # fmt: skip
        for seconds in options.seconds:
            in_use, looked_at = {}, {}
            for seed in range(options.seeds):
                for name, (parts, run) in contestants(model, task, cluster, seed, seconds).items():
                    try:
                        found = run()
                    except DeadlineExceeded:
                        found = about["best_fit_decreasing"]
                    in_use.setdefault(name, []).append(found)
                    looked_at.setdefault(name, []).append(parts.looked_at)
            means = [{name: float(np.mean(each)) for name, each in of.items()} for of in (in_use, looked_at)]
            lines.append(about | {"seconds": seconds, "in_use": means[0], "neighbourhoods": means[1]})
            show(lines)
    if options.json:
        result = {"machine": machine("cpu"), "sha256": model.sha256, "seeds": options.seeds, "lines": lines}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def show(lines):
    table = Table("nodes", "pods", "seconds", "best-fit", *lines[0]["in_use"], "at least")
    for line in lines:
        cells = [f"{line['in_use'][name]:.1f} ({line['neighbourhoods'][name]:.0f})" for name in line["in_use"]]
        table.add_row(
            str(line["nodes"]), str(line["pods"]), f"{line['seconds']:g}", str(line["best_fit_decreasing"]), *cells,
            f"{line['at_least']:g}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
