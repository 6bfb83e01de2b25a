"""Is a wrong answer ever called verified, a right one refused, or one optimal that is not the best? Each task's verifier
against an independent checker.

    python -m benchmarks.fuzz [--count 100000] [--seed 0] [--tasks placement,maze]

Exits with 1 at the first that is wrong.
"""

import argparse
import sys

import numpy as np
from rich.progress import track

from benchmarks.fuzz import maze, placement, rollout, root_cause

TASKS = {"maze": maze, "rollout": rollout, "root-cause": root_cause, "placement": placement}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="answers to problems of each task")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", default=",".join(TASKS))
    options = parser.parse_args()
    for name in options.tasks.split(","):
        of = TASKS[name]
        rng = np.random.default_rng(options.seed)
        verified = optimal = best = 0
        for _ in track(range(options.count), name):
            instance, solution = of.answered(rng)
            verdict = of.verify(instance, solution)
            verified += verdict.valid
            optimal += verdict.optimal
            if verdict.valid != of.is_right(instance, solution):
                sys.exit(f"{instance}\n{solution}\n{verdict}")
            if verdict.valid:
                least = of.best(instance)
                best += verdict.objective == least
                above = verdict.bound is not None and verdict.bound > least
                if above or (verdict.optimal and verdict.objective != least):
                    sys.exit(f"{instance}\n{solution}\n{verdict}: the best has {least}")
        print(f"{name}: {options.count} answers, {verified} called verified, none wrongly; {best} of these were the best, "
              f"{optimal} called optimal, none wrongly")  # fmt: skip


if __name__ == "__main__":
    main()
