"""What it brings to compute only the pairs that are left (networks.packed), beside computing all: Sudokus, by how many are left.

    python -m benchmarks.packed [--json FILE]

Served: slots are narrowed and stepped, as a search does at every step, one at a time and as many as a step takes of one search; over all pairs one
is stepped alone, which makes that a little too cheap.
Trained: the loss of 24 searches and its gradients; over all pairs as on a GPU. Networks of the shipped sizes, untrained: what a step costs does
not depend on its weights. One thread; the two take turns, and the least of all times stands.
"""

import argparse
import itertools
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.engine.packed import LANES_AT_ONCE
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.networks import packed
from agent_reasoning.networks.bundle import Bundle, BundleConfig
from agent_reasoning.networks.dense import UNITS, Units, known, unit_links
from agent_reasoning.networks.structured import StructuredCarry, StructuredConfig, StructuredNetwork
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.training.deduction import deduction_loss

SHARES = (1.0, 0.4, 0.2, 0.1)  # of the wrong candidates are left
SEARCHES = 24
TURNS, STEPS = 7, 30

SUDOKU = builtin_tasks().get("sudoku")
CONFIG = StructuredConfig(SUDOKU.info.spec, SUDOKU.info.recipe.hidden, H_cycles=1, L_cycles=5)


def least(*runs: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each, taking turns."""
    found = [float("inf")] * len(runs)
    for _ in range(TURNS):
        for which, run in enumerate(runs):
            run()
            begun = time.perf_counter()
            for _ in range(repeats):
                run()
            found[which] = min(found[which], (time.perf_counter() - begun) / repeats)
    return found


def serving(config: StructuredConfig, puzzle: Any, candidates: Any, lanes: int = 1) -> Callable[[], Any]:
    network = StructuredNetwork(config, torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    bundle = Bundle(
        BundleConfig("toy", "sudoku", config, 64, deduction={"noise": 0.1} if config.packed else {}), network
    )
    model = StructuredModel.of(bundle, Confidence(), "cpu", "0" * 64)
    pool, slots = model.pool(model.bucket(puzzle), lanes), list(range(lanes))
    pool.enter(slots, model.arrange(puzzle, model.bucket(puzzle)), [NoiseStream(0, 0)] * lanes)
    more = candidates.copy()
    more[0, 0] = True  # a slot that is told nothing new is not packed anew
    turns = itertools.cycle((candidates, more))

    def step() -> None:
        if config.packed:
            left = next(turns)
            for slot in slots:
                pool.narrow(slot, left, None)
        pool.step(slots).read()

    return step


def training(config: StructuredConfig, tokens: Tensor, allowed: Tensor, solution: Tensor) -> Callable[[], Any]:
    network = StructuredNetwork(config, torch.Generator().manual_seed(0))
    carry = torch.randn((2, *allowed.shape, config.hidden), generator=torch.Generator().manual_seed(1))
    sets = packed.Sets.of(unit_links(len(allowed)), UNITS, tuple(allowed.shape))
    alive = torch.ones(len(allowed), dtype=torch.bool)

    def step() -> None:
        network.zero_grad()
        if config.packed:
            pairs = packed.pack(allowed.numpy(), sets)
            rows = tuple(z.flatten(0, 2).index_select(0, pairs.rows) for z in carry)
            _, output = packed.step(network, rows, pairs, packed.embed(network, pairs, tokens))
        else:
            problems = known(tokens, allowed)
            layout = Units.of(allowed)
            _, output = network.step(StructuredCarry(*carry), problems, network.embed(problems), layout)
        deduction_loss(output, allowed, solution, alive).backward()

    return step


def measure() -> list[dict[str, float]]:
    rng = np.random.default_rng(0)
    items = [SUDOKU.generate(rng, 24) for _ in range(SEARCHES)]
    problems = [SUDOKU.encode(item.instance) for item in items]
    is_solution = np.eye(9, dtype=bool)[np.array([item.choice for item in items])]
    lots = rng.random(is_solution.shape)
    tokens = torch.from_numpy(np.array([problem.tokens for problem in problems]))
    solution = torch.from_numpy(is_solution.argmax(-1))
    every = replace(CONFIG, packed=True), CONFIG
    found = []
    for share in track(SHARES, console=Console(stderr=True), description="pairs left"):
        left = np.array([problem.candidates for problem in problems]) & (is_solution | (lots < share))
        packed_alone, all_pairs = (serving(config, problems[0], left[0]) for config in every)
        together = serving(every[0], problems[0], left[0], LANES_AT_ONCE)
        served = least(packed_alone, all_pairs, together, repeats=STEPS)
        trained = least(*(training(config, tokens, torch.from_numpy(left), solution) for config in every), repeats=1)
        found.append({
            "left": float(left.sum() / len(left)),
            "served_ms": served[0] * 1e3, "served_all_ms": served[1] * 1e3,
            "lanes_ms": served[2] * 1e3 / LANES_AT_ONCE,
            "trained_ms": trained[0] * 1e3, "trained_all_ms": trained[1] * 1e3,
        })  # fmt: skip
    return found


def show(found: list[dict[str, float]]) -> None:
    """Milliseconds a step: of one search where it is served, of all of them where they are trained. Behind them, how much that is
    of a step over all pairs."""
    together = f"{LANES_AT_ONCE} at once, each"
    table = Table("pairs left of 729", "served", together, "all pairs", f"trained, {SEARCHES}", "all pairs")
    for line in found:
        by_served, by_trained = line["served_all_ms"], line["trained_all_ms"]
        table.add_row(
            f"{line['left']:.0f}",
            *(f"{line[kind]:.2f} ({line[kind] / by_served:.2f})" for kind in ("served_ms", "lanes_ms")),
            f"{by_served:.2f}",
            f"{line['trained_ms']:.0f} ({line['trained_ms'] / by_trained:.2f})",
            f"{by_trained:.0f}",
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure()
    show(found)
    if given.json:
        machine = f"1 thread of {os.cpu_count()} {platform.machine()} cores"
        given.json.write_text(json.dumps({"machine": machine, "steps": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
