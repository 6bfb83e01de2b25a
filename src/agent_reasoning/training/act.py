"""Deep supervision of TRM and HRM as published: each ACT step is one optimizer step, and the carry lives on.

A batch offered to a step only reaches the rows that have halted; the others go on with their puzzle. So the stream of
batches is endless and shuffled, and a puzzle gets between 1 and `halt_max_steps` optimizer steps.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from agent_reasoning.networks.carry import ACTCarry, Batch
from agent_reasoning.networks.checkpoint import Model, save_checkpoint
from agent_reasoning.training.losses import ActLoss, act_loss
from agent_reasoning.training.optimizers import AdamATan2, SignSGD, learning_rate


@dataclass(frozen=True, slots=True)
class ActTrainConfig:
    """How to train. The defaults are the published ones, but for `total_steps`, which is the run's own."""

    total_steps: int
    """Optimizer steps, which are supervision steps; the end of the cosine."""
    lr: float = 1e-4
    lr_warmup_steps: int = 2000
    lr_min_ratio: float = 1.0
    """Where the cosine ends, as a share of `lr`; 1 keeps the rate constant."""
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    puzzle_emb_lr: float = 1e-2
    puzzle_emb_weight_decay: float = 0.1
    ema_rate: float | None = 0.999
    """None: no average, as HRM. It averages what gradients train; the puzzle embedding and initial states are not."""
    seed: int = 0
    """Of the exploration of halting."""


class ActTrainer:
    """Trains `model` in place, one `step` a batch; all batches have the same shape. The model sets the device."""

    def __init__(self, model: Model, config: ActTrainConfig) -> None:
        self.model = model
        self.config = config
        betas = (config.beta1, config.beta2)
        self.optimizer = AdamATan2(model.parameters(), lr=config.lr, betas=betas, weight_decay=config.weight_decay)
        self.puzzle_optimizer: SignSGD | None = None
        if model.puzzle_emb is not None:
            self.puzzle_optimizer = SignSGD(model.puzzle_emb, config.puzzle_emb_lr, config.puzzle_emb_weight_decay)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.carry: ACTCarry | None = None
        self.steps = 0
        self.ema: AveragedModel | None = None
        if config.ema_rate is not None:
            # Its first update copies; made here, it starts the average from the initial weights, as published.
            average = get_ema_multi_avg_fn(config.ema_rate)  # type: ignore[no-untyped-call]
            self.ema = AveragedModel(model, multi_avg_fn=average)
            self.ema.update_parameters(model)

    @property
    def averaged(self) -> Model:
        """The model to evaluate and save, in eval mode: the average where there is one."""
        chosen = self.model if self.ema is None else cast(Model, self.ema.module)
        return chosen.eval()

    def step(self, batch: Batch) -> ActLoss:
        """One supervision step and the optimizer steps that follow from it."""
        self.model.train()
        rows = len(batch["inputs"])
        if self.carry is None:
            self.carry = self.model.initial_carry(rows)
        self.steps += 1
        self._set_learning_rates()
        result = act_loss(self.model, self.carry, batch, self.generator)
        (result.loss / rows).backward()  # type: ignore[no-untyped-call]
        for optimizer in (self.optimizer, self.puzzle_optimizer):
            if optimizer is not None:
                optimizer.step()
                optimizer.zero_grad()
        if self.ema is not None:
            self.ema.update_parameters(self.model)
        self.carry = result.carry
        return result

    def train(
        self, batches: Iterable[Batch], observe: Callable[[int, ActLoss], None] = lambda step, loss: None
    ) -> None:
        """Step through `batches` until they or the configured steps end; `observe` is told after each step."""
        for batch in batches:
            if self.steps >= self.config.total_steps:
                break
            observe(self.steps + 1, self.step(batch))

    def save(self, directory: str | os.PathLike[str]) -> Path:
        """Write the averaged model as a published checkpoint; returns the path of `step_N`."""
        return save_checkpoint(self.averaged, directory, self.steps, asdict(self.config))

    def state_dict(self) -> dict[str, Any]:
        """All that going on needs, but for the stream of batches."""
        carry = self.carry and {name: getattr(self.carry, name) for name in ACTCarry.__dataclass_fields__}
        return {
            "steps": self.steps,
            "model": self.model.state_dict(),
            "ema": self.ema and self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "carry": carry,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict` in a trainer of the same model and configuration."""
        self.steps = state["steps"]
        self.model.load_state_dict(state["model"])
        if self.ema is not None:
            self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.carry = state["carry"] and ACTCarry(**state["carry"])

    def _set_learning_rates(self) -> None:
        config = self.config
        for optimizer, base in ((self.optimizer, config.lr), (self.puzzle_optimizer, config.puzzle_emb_lr)):
            if optimizer is not None:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(
                        self.steps, base, config.lr_warmup_steps, config.total_steps, config.lr_min_ratio
                    )
