"""The problems: equal thirds of rollouts, easy Sudokus and hard Sudokus, in a seeded order."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent_reasoning.problem import Problem
from agent_reasoning.tasks import Task, builtin_tasks
from agent_reasoning.training.labels.sudoku import PuzzleFile

ROOT = Path(__file__).resolve().parents[2]
HARD = ROOT.parent / "shared" / "data" / "sudoku" / "17clue_eval.txt.gz"
HARD_GIVENS = 24  # of generated puzzles, where that file is missing
BLOCK = 10  # of each kind in every 30 problems, so that short windows hold equal thirds too

ROLLOUT, EASY, HARDEST = "rollout", "sudoku-easy", "sudoku-hard"


@dataclass(frozen=True, slots=True)
class Item:
    kind: str
    task: Task[Any]
    instance: Any
    problem: Problem
    body: str

    def verify(self, solution: Any) -> bool:
        return isinstance(solution, dict) and self.task.verify(self.instance, solution).valid

    def decode(self, choices: Any) -> dict[str, Any]:
        """`choices` may go on beyond the problem's own cells, as a row of a batch does."""
        return self.task.decode(self.instance, choices[: self.problem.candidates.shape[0]])

    def answered_by(self, solution: Any) -> bool:
        """Whether the solution, right or wrong, speaks of this problem at all."""
        if not isinstance(solution, dict):
            return False
        if self.kind == ROLLOUT:
            named = [name for wave in solution.get("waves", ()) for name in wave]
            return sorted(named) == sorted(self.instance.names)
        digits = [digit for row in solution.get("grid", ()) for digit in row]
        givens = self.instance.givens
        return len(digits) == 81 and all(not given or given == d for given, d in zip(givens, digits, strict=True))


@dataclass(frozen=True, slots=True)
class Stream:
    items: Sequence[Item]
    description: str


def make_stream(count: int, seed: int) -> Stream:
    """`count` problems, rounded up to whole blocks of 30."""
    rng = np.random.default_rng([seed, 0])
    blocks = -(-count // (3 * BLOCK))
    file = PuzzleFile(HARD) if HARD.is_file() else None
    numbers = rng.permutation(len(file)) if file else np.arange(blocks * BLOCK)
    items: list[Item] = []
    for block in range(blocks):
        here = [rollout(rng, len(items) + place, int(rng.integers(16, 25))) for place in range(BLOCK)]
        here += [sudoku(rng, EASY, int(rng.integers(30, 41))) for _ in range(BLOCK)]
        for place in range(BLOCK):
            number = int(numbers[(block * BLOCK + place) % len(numbers)])
            here.append(from_file(file, number) if file else sudoku(rng, HARDEST, HARD_GIVENS))
        items += [here[place] for place in rng.permutation(len(here))]
    hard = f"17 givens, of {HARD.name}" if file else f"{HARD_GIVENS} givens, generated ({HARD.name} is not here)"
    return Stream(
        items, f"equal thirds of rollouts (16 to 24 steps), Sudokus (30 to 40 givens) and hard Sudokus ({hard})"
    )


def rollout(rng: np.random.Generator, number: int, steps: int) -> Item:
    task = builtin_tasks().get("rollout")
    graph = task.generate(rng, steps).instance
    # Names of its own: the answer to another graph of as many steps would otherwise look like an answer to this one.
    graph = dataclasses.replace(graph, names=tuple(f"{number}-{name}" for name in graph.names))
    needs = {name: [graph.names[need] for need in needs] for name, needs in zip(graph.names, graph.needs, strict=True)}
    return item(ROLLOUT, task, graph, {"steps": needs})


def sudoku(rng: np.random.Generator, kind: str, givens: int) -> Item:
    task = builtin_tasks().get("sudoku")
    puzzle = task.generate(rng, givens).instance
    return item(kind, task, puzzle, {"puzzle": "".join(map(str, puzzle.givens))})


def from_file(file: PuzzleFile, number: int) -> Item:
    puzzle = file.labelled(number).instance
    return item(HARDEST, builtin_tasks().get("sudoku"), puzzle, {"puzzle": "".join(map(str, puzzle.givens))})


def item(kind: str, task: Task[Any], instance: Any, context: dict[str, Any]) -> Item:
    body = json.dumps({"question": "Solve this.", "context": context, "samples": 1})
    return Item(kind, task, instance, task.encode(instance), body)
