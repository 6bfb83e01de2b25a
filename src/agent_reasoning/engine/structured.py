"""Serving a structured network from its bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.model import Model, NoiseStream, Refined, Refinement, disturb
from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.bundle import Bundle
from agent_reasoning.networks.structured import StructuredCarry, StructuredNetwork
from agent_reasoning.problem import Problem, ProblemSpec


@dataclass(frozen=True)
class StructuredModel(Model):
    network: StructuredNetwork
    noise: float

    @classmethod
    def of(cls, bundle: Bundle, confidence: Confidence, device: str, sha256: str) -> "StructuredModel":
        config, network = bundle.config, bundle.network
        return cls(
            name=config.name,
            task=config.task,
            architecture="structured",
            device=device,
            sha256=sha256,
            parameters=network.parameter_count,
            max_steps=config.max_steps,
            applications_per_step=config.network.applications_per_step,
            confidence=confidence,
            network=network,
            noise=config.noise,
        )

    def fits(self, spec: ProblemSpec) -> bool:
        return self.network.config.spec == spec

    def begin(self, problems: Sequence[Problem], noise: Sequence[NoiseStream] = ()) -> Refinement:
        return StructuredRefinement(self, problems, noise)


class StructuredRefinement(Refinement):
    @torch.inference_mode()
    def __init__(self, model: StructuredModel, problems: Sequence[Problem], noise: Sequence[NoiseStream]) -> None:
        self._model, self._problems, self._noise = model, list(problems), list(noise)
        self._step = 0
        self._collate()
        self._carry = model.network.initial_carry(self._batch)

    def _collate(self) -> None:
        network = self._model.network
        self._batch = collate(self._problems, network.config.spec).to(self._model.device)
        self._embedded = network.embed(self._batch)

    @torch.inference_mode()
    def step(self) -> Refined:
        self._step += 1
        z_H, z_L = disturb(self._carry.z_H, self._carry.z_L, self._model.noise, self._noise, self._step)
        self._carry, output = self._model.network.step(StructuredCarry(z_H, z_L), self._batch, self._embedded)
        return Refined(output.logits.argmax(-1).cpu().numpy(), output.q_halt_logits.cpu().numpy())

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        kept = list(rows)
        self._problems = [self._problems[row] for row in kept]
        self._noise = [self._noise[row] for row in kept] if self._noise else []
        self._collate()
        _, cells, width = self._batch.present.shape
        self._carry = StructuredCarry(self._carry.z_H[kept, :cells, :width], self._carry.z_L[kept, :cells, :width])
