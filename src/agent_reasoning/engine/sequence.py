"""Serving a published TRM or HRM checkpoint, for a task that states its problems in the published tokens too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.model import Model, NoiseStream, Refined, Refinement, disturb
from agent_reasoning.networks.sequence import SequenceModel
from agent_reasoning.problem import Problem, ProblemSpec

MAX_STEPS = 6  # a budget for CPU, where a step of the published size takes seconds; requests may ask for more
NOISE = 0.3


@dataclass(frozen=True)
class PublishedModel(Model):
    """Its own published evaluation runs `halt_max_steps` and looks at nothing on the way. To stop at a verified
    answer, or after fewer or more steps, is ours."""

    network: SequenceModel

    @classmethod
    def of(cls, network: SequenceModel, name: str, task: str, device: str, sha256: str) -> "PublishedModel":
        config = network.config
        return cls(
            name=name,
            task=task,
            architecture=type(network).__name__.lower(),
            device=device,
            sha256=sha256,
            parameters=network.parameter_count,
            max_steps=MAX_STEPS,
            applications_per_step=config.H_cycles * (config.L_cycles + 1),
            confidence=Confidence(),
            network=network,
        )

    def fits(self, spec: ProblemSpec) -> bool:
        return True  # it was chosen by its vocabulary

    def begin(self, problems: Sequence[Problem], noise: Sequence[NoiseStream] = ()) -> Refinement:
        return PublishedRefinement(self, problems, noise)


class PublishedRefinement(Refinement):
    """All problems have one length, as the published batches do."""

    def __init__(self, model: PublishedModel, problems: Sequence[Problem], noise: Sequence[NoiseStream]) -> None:
        self._model, self._noise = model, list(noise)
        self._step = 0
        published = [problem.published for problem in problems]
        assert all(form is not None for form in published), "the task has no published form"
        inputs = np.stack([form.tokens for form in published if form is not None])
        answers = np.stack([form.answers for form in published if form is not None])
        candidates = np.stack([problem.candidates for problem in problems])
        self._batch = {
            "inputs": torch.from_numpy(inputs).to(model.device),
            "puzzle_identifiers": torch.zeros(len(problems), dtype=torch.int64, device=model.device),
        }
        self._answers = torch.from_numpy(answers).to(model.device)  # (B, V) the token of each candidate
        self._allowed = torch.from_numpy(candidates).to(model.device)
        self._carry = model.network.initial_carry(len(problems))

    @torch.inference_mode()
    def step(self) -> Refined:
        self._step += 1
        if self._step > 1:
            z_H, z_L = disturb(self._carry.z_H, self._carry.z_L, NOISE, self._noise, self._step)
            # A row that is halted would start afresh. How long to go on is for the engine to say.
            self._carry = replace(self._carry, z_H=z_H, z_L=z_L, halted=torch.zeros_like(self._carry.halted))
        self._carry, output = self._model.network.step(self._carry, self._batch)
        cells = output.logits.shape[1]
        of_candidates = output.logits.gather(2, self._answers.unsqueeze(1).expand(-1, cells, -1))
        allowed = of_candidates.masked_fill(~self._allowed, -torch.inf)
        return Refined(allowed.argmax(-1).cpu().numpy(), output.q_halt_logits.float().cpu().numpy())

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        kept = torch.tensor(list(rows), device=self._answers.device)
        self._noise = [self._noise[row] for row in rows] if self._noise else []
        self._batch = {name: tensor[kept] for name, tensor in self._batch.items()}
        self._answers, self._allowed = self._answers[kept], self._allowed[kept]
        carry = self._carry
        self._carry = replace(
            carry,
            z_H=carry.z_H[kept],
            z_L=carry.z_L[kept],
            steps=carry.steps[kept],
            halted=carry.halted[kept],
            data={name: tensor[kept] for name, tensor in carry.data.items()},
        )
