"""Batches of generated instances, with labels."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent_reasoning.networks.batch import ProblemBatch, collate, draw_ties
from agent_reasoning.tasks import Labelled, Task, is_best, to_reach, verdict_on

IGNORED = -100  # the label of a padded cell
TRAINING = 3  # the third number of these instances' seeds; evaluation's are others

Judge = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
Alike = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    problems: ProblemBatch
    labels: Tensor  # (B, K, L) int64: K answers that are equally good, some of them repeated; IGNORED for padded cells
    judge: Judge | None = None
    """(B, L) answers -> (B,) whether each is as good as a label: with an objective many others may be."""
    alike: tuple[Alike, ...] = ()
    """For each problem the sets of candidates that are interchangeable."""


def collate_labelled(task: Task[Any], instances: list[Labelled[Any]]) -> LabelledBatch:
    problems = collate([task.encode(item.instance) for item in instances], task.info.spec)
    most = 1 + max(len(item.alternatives) for item in instances)
    labels = np.full((len(instances), most, problems.tokens.shape[1]), IGNORED, np.int64)
    for row, item in enumerate(instances):
        labels[row, :, : len(item.choice)] = item.choice
        for number, choice in enumerate(item.alternatives, 1):
            labels[row, number, : len(choice)] = choice
    judge = partial(_as_good, task, instances)
    return LabelledBatch(problems, torch.from_numpy(labels), judge, tuple(item.alike for item in instances))


def _as_good(task: Task[Any], instances: list[Labelled[Any]], choices: NDArray[np.int64]) -> NDArray[np.bool_]:
    found = np.zeros(len(instances), bool)
    for row, (item, answered) in enumerate(zip(instances, choices, strict=True)):
        choice = answered[: len(item.choice)]
        if any(np.array_equal(choice, label) for label in (item.choice, *item.alternatives)):
            found[row] = True
            continue
        known = to_reach(task, item)
        found[row] = known is not None and is_best(verdict_on(task, item.instance, choice), known)
    return found


Source = Callable[[np.random.Generator], Labelled[Any]]


def draw_batch(task: Task[Any], batch_size: int, seed: int, number: int, source: Source | None = None) -> LabelledBatch:
    """Batch `number`, from (seed, number) alone; from `source`, or the task's own generator.

    Generated instances of a batch have one size, drawn from the task's training sizes: padding costs time.
    """
    rng = np.random.default_rng([seed, number])
    batch = collate_labelled(task, _instances(task, batch_size, seed, number, source))
    return replace(batch, problems=draw_ties(batch.problems, task.info.spec, [rng] * batch_size))


def _instances(task: Task[Any], batch_size: int, seed: int, number: int, source: Source | None) -> list[Labelled[Any]]:
    rng = np.random.default_rng([seed, number, TRAINING])
    smallest, largest = task.info.training_sizes
    size = int(rng.integers(smallest, largest + 1))
    return [source(rng) if source else task.generate(rng, size) for _ in range(batch_size)]
