"""Serving a published TRM or HRM checkpoint, for a task that states its problems in the published tokens too."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.model import Model
from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.engine.pool import Pool, Rows, TensorPool
from agent_reasoning.errors import InvalidContext
from agent_reasoning.networks.carry import ACTCarry, Carry
from agent_reasoning.networks.sequence import SequenceModel
from agent_reasoning.problem import Problem, ProblemSpec

MAX_STEPS = 6  # a budget for CPU, where a step of the published size takes seconds; requests may ask for more
NOISE = 0.3
CORES = torch.get_num_threads()


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

    def bucket(self, problem: Problem) -> Hashable:
        return problem.size

    def arrange(self, problem: Problem, bucket: tuple[int, int]) -> "PublishedInputs":
        form = problem.published
        assert form is not None, "the task has no published form"
        config, cells = self.network.config, len(form.tokens)
        if config.fixed_length and config.seq_len != cells:
            raise InvalidContext(f"{self.name} reads problems of {config.seq_len} cells, and this one has {cells}.")
        answers = np.broadcast_to(form.answers, problem.size).copy()
        return PublishedInputs(*map(torch.from_numpy, (form.tokens, answers, problem.candidates)))

    def pool(self, bucket: tuple[int, int], slots: int) -> Pool:
        return PublishedPool(self, bucket, slots)


@dataclass(frozen=True, slots=True)
class PublishedInputs:
    """One problem, or with a dimension in front several."""

    tokens: Tensor  # (S,)
    answers: Tensor  # (S, V) the token of each candidate
    allowed: Tensor  # (S, V) bool


class PublishedPool(TensorPool):
    @torch.inference_mode()
    def __init__(
        self, model: PublishedModel, size: tuple[int, int], capacity: int, *, whole: bool | None = None
    ) -> None:
        network, (cells, width) = model.network, size
        config, device = network.config, model.device
        super().__init__(
            (config.puzzle_positions + cells, config.hidden_size),
            network.H_init.dtype,
            device,
            capacity,
            noise=NOISE,
            rows_at_once=1,  # a step of the published size fills a CPU by itself
            threads=CORES,
            whole=device != "cpu" if whole is None else whole,
        )
        self._network = network
        self._tokens = torch.zeros((capacity, cells), dtype=torch.int64, device=device)
        self._answers = torch.zeros((capacity, cells, width), dtype=torch.int64, device=device)
        self._allowed = torch.ones((capacity, cells, width), dtype=torch.bool, device=device)

        held = self._z_H, self._z_L, self._tokens, self._answers, self._allowed
        self.size_bytes = sum(tensor.nbytes for tensor in held)

    def _put(self, slot: int, arranged: PublishedInputs, stream: NoiseStream) -> tuple[Tensor, Tensor]:
        for stored, given in zip(
            (self._tokens, self._answers, self._allowed),
            (arranged.tokens, arranged.answers, arranged.allowed),
            strict=True,
        ):
            stored[slot] = given.to(self._device)
        return self._network.H_init.expand_as(self._z_H[slot]), self._network.L_init.expand_as(self._z_L[slot])

    def _inputs(self, rows: Rows) -> PublishedInputs:
        return PublishedInputs(self._tokens[rows], self._answers[rows], self._allowed[rows])

    def _refine(self, inputs: PublishedInputs, carry: Carry, into: Carry) -> tuple[Tensor, ...]:
        tokens = inputs.tokens
        count = len(tokens)
        batch = {"inputs": tokens, "puzzle_identifiers": tokens.new_zeros(count)}
        # A row that is halted would start afresh. How long to go on is for the engine to say.
        running = torch.zeros(count, dtype=torch.bool, device=tokens.device)
        steps = torch.zeros(count, dtype=torch.int32, device=tokens.device)
        following, output = self._network.step(ACTCarry(*carry, steps, running, batch), batch)
        of_candidates = output.logits.gather(2, inputs.answers)
        allowed = of_candidates.masked_fill(~inputs.allowed, -torch.inf)
        into[0].copy_(following.z_H)
        into[1].copy_(following.z_L)
        return allowed.argmax(-1), output.q_halt_logits
