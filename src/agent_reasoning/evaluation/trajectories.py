"""Running a network over held-out instances the way the service does: step by step, until the verifier is satisfied."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.structured import StructuredCarry, StructuredNetwork
from agent_reasoning.tasks import Labelled, Task

BATCH = 64
# The third number keeps these instances apart from training's, whose seeds have two numbers.
CALIBRATION, EVALUATION = 1, 2


@dataclass(slots=True)
class Trajectory:
    """One instance under one trajectory without noise."""

    size: int
    q_halt_logits: list[float] = field(default_factory=list)  # one a step
    repeats: list[bool] = field(default_factory=list)  # one a step: the verifier has refused this answer before
    verified: bool = False  # at the last step; no step after a verified one
    exact: bool = False  # the last answer is the label
    seconds: float = 0.0  # its share of the batches it was in

    @property
    def steps(self) -> int:
        return len(self.q_halt_logits)


def held_out(task: Task[Any], size: int, count: int, purpose: int, seed: int = 0) -> list[Labelled[Any]]:
    rng = np.random.default_rng([seed, size, purpose])
    return [task.generate(rng, size) for _ in range(count)]


def run(
    task: Task[Any],
    network: StructuredNetwork,
    instances: list[Labelled[Any]],
    max_steps: int,
    observe: Callable[[int], None] = lambda count: None,
) -> list[Trajectory]:
    """Refine each instance until it verifies or has had `max_steps`; `observe` is told how many are done."""
    trajectories = []
    for start in range(0, len(instances), BATCH):
        chunk = instances[start : start + BATCH]
        trajectories += _run_batch(task, network, chunk, max_steps)
        observe(len(chunk))
    return trajectories


@torch.inference_mode()
def _run_batch(
    task: Task[Any], network: StructuredNetwork, instances: list[Labelled[Any]], max_steps: int
) -> list[Trajectory]:
    problems = [task.encode(item.instance) for item in instances]
    found = [Trajectory(size=problem.size[0]) for problem in problems]
    refused: list[set[bytes]] = [set() for _ in instances]
    open_rows = list(range(len(instances)))
    device = network.H_init.device
    batch = collate(problems, task.info.spec).to(device)
    carry = network.initial_carry(batch)
    for _ in range(max_steps):
        begun = time.perf_counter()
        carry, output = network.step(carry, batch)
        choices, logits = output.logits.argmax(-1).cpu().numpy(), output.q_halt_logits.cpu().numpy()
        share = (time.perf_counter() - begun) / len(open_rows)
        kept = []
        for place, row in enumerate(open_rows):
            item, trajectory = instances[row], found[row]
            choice = choices[place][: len(item.choice)]
            trajectory.repeats.append(choice.tobytes() in refused[row])
            refused[row].add(choice.tobytes())
            trajectory.q_halt_logits.append(float(logits[place]))
            trajectory.seconds += share
            trajectory.exact = bool((choice == item.choice).all())
            trajectory.verified = task.verify(item.instance, task.decode(item.instance, choice)).valid
            if not trajectory.verified:
                kept.append(place)
        if not kept:
            break
        if len(kept) < len(open_rows):
            open_rows = [open_rows[place] for place in kept]
            cells, width = batch.tokens.shape[1], batch.present.shape[2]
            batch = collate([problems[row] for row in open_rows], task.info.spec).to(device)
            smaller = (slice(None), slice(batch.tokens.shape[1]), slice(batch.present.shape[2]))
            assert batch.tokens.shape[1] <= cells
            assert batch.present.shape[2] <= width
            carry = StructuredCarry(carry.z_H[kept][smaller], carry.z_L[kept][smaller])
    return found
