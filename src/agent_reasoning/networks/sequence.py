"""What TRM and HRM have in common: embedding, recursion, read-out, and the supervision step with its carry.

The two differ in their levels, and in how many updates at the end of a step keep their gradient; `trm` and `hrm`
say so. Attribute names are the keys of the published checkpoints.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agent_reasoning.networks import carry as act
from agent_reasoning.networks.carry import ACTCarry, Batch
from agent_reasoning.networks.config import SequenceConfig
from agent_reasoning.networks.layers import (
    CastEmbedding,
    CastLinear,
    Level,
    PuzzleEmbedding,
    rotary_tables,
    truncated_normal_,
    wide,
)

Q_BIAS = -5.0  # a fresh model believes nothing


@dataclass(frozen=True, slots=True)
class StepOutput:
    """What one supervision step says, on the graph where gradients are on. B rows, S cells, V tokens."""

    logits: Tensor  # (B, S, V) float32 (float64 in a float64 model)
    q_halt_logits: Tensor  # (B,) float32; > 0 is "I believe this answer"
    q_continue_logits: Tensor | None  # (B,) float32; None without ACT
    target_q_continue: Tensor | None = None  # (B,) in [0, 1], no gradient; only in training, only where it is learnt


class SequenceModel(nn.Module):
    """A published recursive model over token sequences. `TRM` and `HRM` are the two."""

    H_init: Tensor
    L_init: Tensor
    config: SequenceConfig
    H_level: Level
    L_level: Level

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        self.config = config
        D, dtype = config.hidden_size, config.dtype
        self.register_buffer("H_init", torch.empty(D, dtype=dtype))
        self.register_buffer("L_init", torch.empty(D, dtype=dtype))
        self.embed_tokens = CastEmbedding(config.vocab_size, D, dtype)
        self.lm_head = CastLinear(D, config.vocab_size, bias=False)
        self.q_head = CastLinear(D, 2)
        self.puzzle_emb: PuzzleEmbedding | None = None
        self.embed_pos: CastEmbedding | None = None
        if config.puzzle_emb_ndim:
            self.puzzle_emb = PuzzleEmbedding(config.num_puzzle_identifiers, config.puzzle_emb_ndim, dtype)
        if config.pos_encodings == "learned":
            assert config.positions is not None  # the configuration is checked
            self.embed_pos = CastEmbedding(config.positions, D, dtype)

    @property
    def gradient_L_updates(self) -> int:
        """How many L updates at the end of a step keep their gradient; of the H updates it is always the last."""
        raise NotImplementedError

    @property
    def parameter_count(self) -> int:
        """Trained by gradient descent: without the puzzle embedding and the initial states."""
        return sum(parameter.numel() for parameter in self.parameters())

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """The published initialisation: truncated normals; the puzzle embedding 0; the halting head says -5."""
        for module in self.modules():
            if isinstance(module, CastLinear | CastEmbedding):
                module.reset_parameters(generator)
        for initial in (self.H_init, self.L_init):
            drawn = torch.empty_like(initial, dtype=torch.float32)
            truncated_normal_(drawn, 1.0, generator)
            initial.copy_(drawn)
        self.q_head.weight.zero_()
        self.q_head.bias.fill_(Q_BIAS)
        if self.puzzle_emb is not None:
            self.puzzle_emb.weights.zero_()

    def initial_carry(self, batch_size: int) -> ACTCarry:
        """A carry whose every row takes its puzzle from the first batch, which also brings the length."""
        return act.initial_carry(batch_size, self.H_init)

    def step(
        self, carry: ACTCarry, batch: Batch, *, generator: torch.Generator | None = None
    ) -> tuple[ACTCarry, StepOutput]:
        """One supervision step: H_cycles * (L_cycles + 1) applications of a level.

        Returns the next carry, detached, and the outputs. In eval mode a row halts at `halt_max_steps` and nowhere
        before, as in the published evaluation (TRM's paper stops at q_halt > 0; its code does so in training only).
        In training mode it also halts when the halting head says so; `generator` draws the exploration, and without
        one nothing is explored. Raises ValueError for a batch that does not fit the model or the carry.
        """
        self._check(batch)
        config = self.config
        carry = act.refill(carry, batch, self.H_init, self.L_init, config.puzzle_positions)
        x = self.embed(carry.data)
        z_H, z_L = self.recur(carry.z_H, carry.z_L, x)
        logits, q = self.read_out(z_H)
        steps = carry.steps + 1
        last = halted = steps >= config.halt_max_steps
        target = None
        if self.training and config.use_act and config.halt_max_steps > 1:
            # TRM's halting head answers "is it right?"; HRM's two are the values of stopping and of going on (§2.5).
            threshold = q[:, 1] if config.learns_to_continue else 0.0
            halted = last | (q[:, 0] > threshold)
            if generator is not None:
                halted = halted & (steps >= act.exploration_minimum(
                    len(steps), config.halt_exploration_prob, config.halt_max_steps, generator, steps.device
                ))  # fmt: skip
            if config.learns_to_continue:
                target = self._value_of_continuing(z_H, z_L, x, last)
        output = StepOutput(logits, q[:, 0], q[:, 1] if config.use_act else None, target)
        return ACTCarry(z_H.detach(), z_L.detach(), steps, halted, carry.data), output

    def embed(self, data: Batch) -> Tensor:
        """(B, P + S, D): the question; the same at every recursion."""
        x: Tensor = self.embed_tokens(data["inputs"])
        if self.puzzle_emb is not None:
            of_puzzle = self.puzzle_emb(data["puzzle_identifiers"])
            P, D = self.config.puzzle_positions, self.config.hidden_size
            of_puzzle = F.pad(of_puzzle, (0, P * D - of_puzzle.shape[1])).view(-1, P, D)
            x = torch.cat([of_puzzle, x], 1)
        if self.embed_pos is not None:
            x = math.sqrt(0.5) * (x + self.embed_pos.all_rows())
        return math.sqrt(self.config.hidden_size) * x

    def recur(self, z_H: Tensor, z_L: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Improve the answer once (TRM Fig. 3 `deep_recursion`; HRM §2.2). All (B, P + S, D)."""
        config = self.config
        rotary = None
        if config.pos_encodings == "rope" and not config.mlp_t:
            rotary = rotary_tables(x.shape[1], config.head_dim, config.rope_theta, x.device)
        training = torch.is_grad_enabled()
        for cycle in range(config.H_cycles):
            # The earlier updates only bring the state nearer the solution; on the graph they would multiply memory.
            last = cycle == config.H_cycles - 1
            for update in range(config.L_cycles):
                keeps = last and config.L_cycles - update <= self.gradient_L_updates
                with torch.set_grad_enabled(training and keeps):
                    z_L = self.L_level(z_L, z_H + x, rotary)
            with torch.set_grad_enabled(training and last):
                z_H = self.H_level(z_H, z_L, rotary)  # no x: in TRM its absence says which job this is (§4.3)
        return z_H, z_L

    def read_out(self, z_H: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, V) logits of the cells, and (B, 2) halt and continue, from the first position."""
        logits = self.lm_head(z_H[:, self.config.puzzle_positions :])
        return wide(logits), wide(self.q_head(z_H[:, 0]))

    @torch.no_grad()
    def _value_of_continuing(self, z_H: Tensor, z_L: Tensor, x: Tensor, last: Tensor) -> Tensor:
        """(B,) what the halting head will say one step on: of halting, where that would be all that is left."""
        q = self.read_out(self.recur(z_H, z_L, x)[0])[1]
        return torch.where(last, q[:, 0], q.amax(1)).sigmoid()

    def _check(self, batch: Batch) -> None:
        needed = ["inputs", *(["puzzle_identifiers"] if self.puzzle_emb is not None else [])]
        for key in needed:
            if key not in batch:
                raise ValueError(f"the batch lacks {key!r}; it holds {', '.join(batch) or 'nothing'}")
        inputs = batch["inputs"]
        if inputs.ndim != 2:
            raise ValueError(f"batch['inputs'] must be (rows, cells), not {tuple(inputs.shape)}")
        if self.config.fixed_length and inputs.shape[1] != self.config.seq_len:
            raise ValueError(f"this model reads {self.config.seq_len} cells, not {inputs.shape[1]}")
        sizes = {"inputs": self.config.vocab_size, "puzzle_identifiers": self.config.num_puzzle_identifiers}
        for key in needed:
            # On a GPU the comparison would wait for the device at every step; there an out-of-range index asserts.
            if batch[key].device.type == "cpu" and batch[key].numel():
                low, high = (int(end) for end in batch[key].aminmax())
                if low < 0 or high >= sizes[key]:
                    raise ValueError(f"batch[{key!r}] must be from 0 to {sizes[key] - 1}, and has {low} to {high}")
