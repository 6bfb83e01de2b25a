"""Placements by the model alone, by fresh weights, and by heuristics in random orders, at equal numbers of candidates.

    python benchmarks/candidates.py [--count 150] [--json benchmarks/results/candidates.json]

A candidate is an assignment that is drawn and judged: of the model one lane's, step by step, as many as a step draws; the
heuristics (first-fit and best-fit, least used, or stay where you are, by objective) take the workloads in orders near that of size,
drawn anew each time. Shown is the share of instances of which the best that is known is
reached; known is what CP-SAT or any of these has found.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from agent_reasoning.engine.holding import Holding
from agent_reasoning.engine.loading import load_model
from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.evaluation.card import machine
from agent_reasoning.evaluation.search import untrained
from agent_reasoning.evaluation.trajectories import EVALUATION, Alone, held_out
from agent_reasoning.tasks import NEGLIGIBLE, builtin_tasks, to_reach
from agent_reasoning.tasks.packing import best_fit, cost, first_fit, least_used, pack, stay, worst_fit
from agent_reasoning.tasks.placement_solver import best_assignment
from agent_reasoning.tasks.refit import ONE, UNPLACED, Crowd, Refit

MODELS = Path(__file__).resolve().parents[1] / "models"
BUDGETS = (1, 8, 32, 128)
HEURISTICS = {"consolidate": (best_fit, first_fit), "spread": (least_used, worst_fit), "fewest_moves": (stay,)}
EFFORT = 1.0  # of CP-SAT, in seconds of a core
DRAWS = {1: 1, 8: 8, 32: 8, 128: 16}  # of a step, by budget: the others are further steps


def by_model(model, task, cluster, budget, seed):
    """The least objective among `budget` candidates; infinite where none is valid."""
    problem = task.encode(cluster)
    refinement = model.begin([problem], [NoiseStream(seed, 0)])
    holding = Holding(Refit(cluster, DRAWS[budget]), seed)
    for step in range(1, budget // DRAWS[budget] + 1):
        holding.place([Alone(0)], refinement)
        refined = refinement.step()
        cells, width = problem.size
        holding.held[0] = holding.next(0, step, refined.logits[0][:cells, :width])
    reached = float(Crowd([cluster]).costs(ONE, holding.held[0][None])[0][0])
    return reached if reached < UNPLACED else np.inf


def in_random_orders(cluster, rng):
    """The least objective so far, for each of BUDGETS[-1] passes of a heuristic for the objective in orders near that of size."""
    merits = HEURISTICS[cluster.objective]
    ranks = np.argsort(cluster.largest_first)
    reached = np.full(BUDGETS[-1], np.inf)
    for number in range(len(reached)):
        noise = rng.normal(size=len(ranks)) * len(ranks) * 0.15 * (number > 0)
        found = pack(cluster, np.argsort(ranks + noise).tolist(), merits[number % len(merits)])
        reached[number] = np.inf if found is None else cost(cluster, found)
    return np.minimum.accumulate(reached)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="instances a size")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    task, model = builtin_tasks().get("placement"), load_model(MODELS / "placement", "cpu")
    fresh = untrained(model)
    lines = []
    for name, items in held_out(task, options.count, EVALUATION, sizes=task.info.sizes).items():
        found = {who: np.zeros((len(items), len(BUDGETS))) for who in ("model", "untrained weights", "random orders")}
        best = np.zeros(len(items))
        for row, item in enumerate(track(items, name, transient=True)):
            cluster = item.instance
            passes = in_random_orders(cluster, np.random.default_rng(row))
            for column, budget in enumerate(BUDGETS):
                found["model"][row, column] = by_model(model, task, cluster, budget, row)
                found["untrained weights"][row, column] = by_model(fresh, task, cluster, budget, row)
                found["random orders"][row, column] = passes[budget - 1]
            exact, _ = best_assignment(cluster, EFFORT, item.choice.tolist())
            known = [to_reach(task, item), *(each[row].min() for each in found.values())]
            best[row] = min(known if exact is None else [*known, cost(cluster, exact)])
        for who, reached in found.items():
            shares = (reached <= best[:, None] + NEGLIGIBLE).mean(0)
            lines.append(
                {
                    "instances": name,
                    "count": len(items),
                    "who": who,
                    "best": dict(zip(BUDGETS, shares.tolist(), strict=True)),
                }
            )
    table = Table("instances", "who", *(f"{budget} candidates" for budget in BUDGETS))
    for line in lines:
        table.add_row(
            f"{line['instances']} ({line['count']})", line["who"], *(f"{each:.1%}" for each in line["best"].values())
        )
    Console().print(table)
    if options.json:
        result = {"machine": machine("cpu"), "sha256": model.sha256, "count": options.count, "lines": lines}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
