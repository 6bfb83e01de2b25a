"""What more trajectories of one problem bring, through the engine as the service runs it: by samples, what verifies, what is
wrong all the same, and what it costs."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.evaluation.comparison import timed
from agent_reasoning.evaluation.rivals import Rival
from agent_reasoning.networks.structured import StructuredNetwork
from agent_reasoning.networks.traced import StepRunner
from agent_reasoning.tasks import NEGLIGIBLE, Labelled, Task, to_reach, verdict_on

FOREVER = 3600.0  # seconds; what ends a search here is its budget
SAMPLES = (1, 4, 16, 64)


@dataclass(frozen=True, slots=True)
class Searched:
    """One line of the table."""

    who: str
    instances_of: str
    instances: int
    samples: int
    """0, as all that a model costs, for an algorithm."""
    max_steps: int
    verified: float
    wrong: int
    """Verified, and yet another answer than the exact solver's, or with an objective a worse one: must be 0."""
    mean_applications: float
    p50_seconds: float
    p99_seconds: float
    together: int
    """Problems under way at the same time: the seconds are a lone caller's where it is 1."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def search(
    task: Task[Any],
    model: StructuredModel,
    who: str,
    instances_of: str,
    items: Sequence[Labelled[Any]],
    samples: int,
    max_steps: int,
    *,
    together: int = 1,
    observe: Callable[[int], None] = lambda count: None,
) -> Searched:
    """Each instance as a request of so many samples with seed 0, without a deadline, on all cores."""

    def one(item: Labelled[Any]) -> tuple[bool, bool, int, float]:
        begun = time.perf_counter()
        arranged = engine.arrange(task.info.name, task.encode(item.instance))
        verify = partial(verdict_on, task, item.instance)
        outcome = engine.submit(
            arranged, verify, max_steps=max_steps, samples=samples, seed=0, timeout_seconds=FOREVER,
            search=task.search(item.instance),
        ).result()  # fmt: skip
        seconds = time.perf_counter() - begun
        observe(1)
        verdict = outcome.answer.verdict
        known = to_reach(task, item)
        if known is None or verdict.objective is None:
            wrong = not np.array_equal(outcome.answer.choice, item.choice)
        else:
            wrong = verdict.objective > known + NEGLIGIBLE
        return verdict.valid, verdict.valid and wrong, outcome.applications, seconds

    engine = Engine([model], max_queue=together)
    engine.start()
    try:
        with ThreadPoolExecutor(together) as callers:
            found = list(callers.map(one, items))
    finally:
        engine.stop()
    return _line(who, instances_of, samples, max_steps, together, found)


def beside(task: Task[Any], rival: Rival, who: str, instances_of: str, items: Sequence[Labelled[Any]]) -> Searched:
    """The same instances by a classical algorithm, one after another."""
    found = []
    for item in items:
        verdict, seconds = timed(task, rival, item)
        known = to_reach(task, item)
        costlier = known is not None and verdict.objective is not None and verdict.objective > known + NEGLIGIBLE
        found.append((verdict.valid, verdict.valid and costlier, 0, seconds))
    return _line(who, instances_of, 0, 0, 1, found)


def _line(
    who: str, instances_of: str, samples: int, max_steps: int, together: int,
    found: Sequence[tuple[bool, bool, int, float]],
) -> Searched:  # fmt: skip
    """found: for each instance whether it is verified, and wrong all the same; network applications; seconds."""
    verified, wrong, applications, seconds = zip(*found, strict=True)
    return Searched(
        who, instances_of, len(found), samples, max_steps, sum(verified) / len(found), sum(wrong),
        sum(applications) / len(found), float(np.quantile(seconds, 0.5)), float(np.quantile(seconds, 0.99)), together,
    )  # fmt: skip


def untrained(model: StructuredModel, seed: int = 0) -> StructuredModel:
    """The same search by fresh weights: what of the answers is the search's and not the model's."""
    network = StructuredNetwork(model.network.config, torch.Generator().manual_seed(seed)).eval()
    network = network.requires_grad_(False).to(model.device)
    return replace(model, network=network, runner=StepRunner(network, record=model.device == "cpu"), sha256="")
