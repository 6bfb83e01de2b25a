"""Serving a structured network from its bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.deduction import Policy
from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.holding import NOTHING
from agent_reasoning.engine.model import Model
from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.engine.packed import PackedPool
from agent_reasoning.engine.pool import Choice, Pool, Rows, TensorPool, zeros
from agent_reasoning.networks.batch import ProblemBatch, Shape, collate, draw_ties, map_tensors, seen, tensors_of
from agent_reasoning.networks.bundle import Bundle
from agent_reasoning.networks.carry import Carry
from agent_reasoning.networks.structured import StructuredNetwork
from agent_reasoning.networks.traced import StepRunner, flatten
from agent_reasoning.problem import Problem, ProblemSpec

ROWS_AT_ONCE = 1024  # pairs: on a CPU what one step touches should stay in its cache
MOST_ROWS = 2**17  # pairs of one pool: at 32 dimensions its slots hold 50 MB, and what the problems are


@dataclass(frozen=True)
class StructuredModel(Model):
    network: StructuredNetwork
    runner: StepRunner
    noise: float

    @classmethod
    def of(cls, bundle: Bundle, confidence: Confidence, device: str, sha256: str) -> "StructuredModel":
        config, network = bundle.config, bundle.network
        if config.deduction and not config.network.packed:
            raise ValueError("candidates are removed by packed networks alone; train it again")
        return cls(
            name=config.name,
            task=config.task,
            architecture="structured",
            device=device,
            sha256=sha256,
            parameters=network.parameter_count,
            max_steps=config.max_steps,
            samples=config.samples,
            applications_per_step=config.network.applications_per_step,
            confidence=confidence,
            network=network,
            runner=StepRunner(network, record=device == "cpu"),
            noise=config.noise,
            halting=Halting(**config.halting),
            deduction=Policy(**config.deduction) if config.deduction else None,
        )

    @property
    def holds(self) -> bool:
        return self.network.config.spec.holds

    def fits(self, spec: ProblemSpec) -> bool:
        return self.network.config.spec == spec

    def bucket(self, problem: Problem) -> Shape:
        return Shape.of(problem, self.network.config.spec).rounded()

    def arrange(self, problem: Problem, bucket: Shape) -> ProblemBatch:
        return collate([problem], self.network.config.spec, bucket)

    def pool(self, bucket: Shape, slots: int) -> Pool:
        capacity = max(1, min(slots, MOST_ROWS // bucket.pairs))
        if self.network.config.packed:
            noise = self.noise if self.deduction is None else self.deduction.noise
            return PackedPool(self.network, self.runner, bucket, capacity, self.device, noise=noise)
        kind = HoldingPool if self.holds else StructuredPool
        return kind(self, bucket, capacity)


class StructuredPool(TensorPool):
    @torch.inference_mode()
    def __init__(self, model: StructuredModel, shape: Shape, capacity: int, *, whole: bool | None = None) -> None:
        config = model.network.config
        carry = (shape.cells, shape.width, config.hidden)
        super().__init__(
            carry,
            torch.float32,
            model.device,
            capacity,
            noise=model.noise,
            rows_at_once=max(1, ROWS_AT_ONCE // shape.pairs),
            threads=1,
            whole=model.device != "cpu" if whole is None else whole,
        )
        self._network, self._run = model.network, model.runner
        self._problems = collate([], config.spec, shape, rows=capacity).to(model.device)
        self._stored = tensors_of(self._problems)
        self._embedded = zeros((capacity, *carry), torch.float32, model.device)
        self.size_bytes = sum(tensor.nbytes for tensor in (*self._stored, self._embedded, self._z_H, self._z_L))

    def _put(self, slot: int, arranged: ProblemBatch, stream: NoiseStream) -> tuple[Tensor, Tensor]:
        spec = self._network.config.spec
        own = draw_ties(seen(arranged, spec.view(stream.sample)), spec, [stream.ties()])
        here = own if self._device == "cpu" else on_device(own, self._device)
        for stored, given in zip(self._stored, tensors_of(here), strict=True):
            stored[slot] = given[0]
        self._embedded[slot] = self._network.embed(here)[0]
        carry = self._network.initial_carry(here)
        return carry.z_H[0], carry.z_L[0]

    def _inputs(self, rows: Rows) -> Sequence[Tensor]:
        problems = self._problems.rows(rows)
        return flatten(problems, self._embedded[rows], problems.wires())

    def _refine(self, inputs: Sequence[Tensor], carry: Carry, into: Carry) -> tuple[Tensor, ...]:
        return self._run(inputs, carry, into)[:2]


class HoldingPool(StructuredPool):
    """Whose network is told what is held, and whose opinions are told."""

    @torch.inference_mode()
    def hold(self, slot: int, held: Choice) -> None:
        told = self._problems.held
        assert told is not None, "the spec says that an answer is held"
        cells = np.flatnonzero(held != NOTHING)
        told[slot] = 0.0
        told[slot, torch.from_numpy(cells), torch.from_numpy(held[cells])] = 1.0

    def _refine(self, inputs: Sequence[Tensor], carry: Carry, into: Carry) -> tuple[Tensor, ...]:
        return self._run(inputs, carry, into)


def on_device(batch: ProblemBatch, device: str) -> ProblemBatch:
    """By way of pinned memory, which the device reads by itself, so that the copy holds nobody up."""
    moved: ProblemBatch = map_tensors(batch, lambda tensor: tensor.pin_memory().to(device, non_blocking=True))
    return moved
