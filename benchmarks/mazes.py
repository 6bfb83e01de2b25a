"""What generated mazes are like, and how fast they come.

    python benchmarks/mazes.py [--count 300] [--sizes 10,20,30]

Prints, for each size and kind, the median and in brackets the 10th and 90th percentile.
"""

import argparse
import time

import numpy as np

from agent_reasoning.tasks.maze import MazeTask
from agent_reasoning.tasks.maze_world import KINDS
from agent_reasoning.training.labels.maze import targets


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300, help="mazes of a size")
    parser.add_argument("--sizes", default="10,20,30")
    options = parser.parse_args()
    task = MazeTask()
    print("| size, kind | steps | walls, % | shortest paths | cells on any, beyond one | dead ends | loops |")
    print("|---|---|---|---|---|---|---|")
    for size in map(int, options.sizes.split(",")):
        rng = np.random.default_rng(0)
        begun = time.process_time()
        items = [task.generate(rng, size) for _ in range(options.count)]
        seconds = time.process_time() - begun
        for kind in KINDS:
            rows = [measured(item.instance) for item in items if item.kind == kind]
            print(f"| {size}, {kind} ({len(rows)}) | {' | '.join(map(spread, zip(*rows, strict=True)))} |")
        print(f"| {size} | {options.count / seconds:.0f} mazes/s of one core | | | | | |")


def measured(maze):
    found = targets(maze)
    reached = found.from_start >= 0
    padded = np.pad(reached, 1)
    beside = (padded[2:, 1:-1] + 0 + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]) * reached
    steps = int(found.to_goal[maze.start])
    return (
        steps,
        100 * (1 - maze.is_open().mean()),
        ways(maze, found),
        found.on_shortest.sum() - steps - 1,
        (beside == 1).sum(),
        beside.sum() // 2 - reached.sum() + 1,
    )


def ways(maze, found):
    """How many shortest paths there are, exactly."""
    counts = {maze.start: 1}
    for cell in sorted(map(tuple, np.argwhere(found.on_shortest).tolist()), key=lambda cell: found.from_start[cell]):
        row, column = cell
        before = ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
        counts.setdefault(cell, sum(counts.get(other, 0) for other in before
                                    if other in counts and found.from_start[other] < found.from_start[cell]))  # fmt: skip
    return counts[maze.goal]


def spread(values):
    low, middle, high = np.percentile(np.array(values, float), [10, 50, 90])
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"


if __name__ == "__main__":
    main()
