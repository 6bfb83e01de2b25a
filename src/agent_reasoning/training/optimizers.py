"""The published optimizers of TRM and HRM, and their learning-rate schedule."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from agent_reasoning.networks.layers import PuzzleEmbedding


class AdamATan2(Optimizer):
    """Adam whose update is lr * atan2(m̂, √v̂) (arXiv 2407.05872): bounded, indifferent to the scale of the gradient,
    and without an epsilon to choose. Weight decay is decoupled and applies to every parameter, biases too."""

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.1,
    ) -> None:
        _check(lr, weight_decay)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be from 0 to below 1, not {betas}")
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. `closure` is refused: each gradient is used once."""
        _refuse(closure)
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = 0
                    state["mean"] = torch.zeros_like(parameter)
                    state["square"] = torch.zeros_like(parameter)
                state["step"] += 1
                mean, square, gradient = state["mean"], state["square"], parameter.grad
                mean.lerp_(gradient, 1 - beta1)
                square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
                spread = square.sqrt().mul_((1 - beta2 ** state["step"]) ** -0.5)
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(torch.atan2(mean / (1 - beta1 ** state["step"]), spread), alpha=group["lr"])


class SignSGD(Optimizer):
    """Moves the puzzle embedding's rows by lr against the sign of their gradient.

    A row is seen so rarely that moments would be stale. Rows of the last batch only, the blank puzzle's among them;
    gradients of equal identifiers are summed first. Weight decay is decoupled.
    """

    def __init__(self, embedding: PuzzleEmbedding, lr: float = 1e-2, weight_decay: float = 0.1) -> None:
        _check(lr, weight_decay)
        super().__init__([embedding.weights], {"lr": lr, "weight_decay": weight_decay})
        self.embedding = embedding

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update the rows of the last batch that was embedded in training mode; nothing without a gradient."""
        _refuse(closure)
        rows, ids = self.embedding.local_weights, self.embedding.local_ids
        if rows is None or ids is None or rows.grad is None:
            return
        group = self.param_groups[0]
        unique, inverse = torch.unique(ids.long(), return_inverse=True)
        gradient = rows.grad.new_zeros(len(unique), rows.shape[1]).index_add_(0, inverse, rows.grad)
        weights = self.embedding.weights
        kept = weights[unique] * (1 - group["lr"] * group["weight_decay"])
        weights[unique] = kept - group["lr"] * gradient.sign().to(kept.dtype)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the last batch."""
        self.embedding.local_weights = self.embedding.local_ids = None


def learning_rate(step: int, base: float, warmup_steps: int, total_steps: int, min_ratio: float = 1.0) -> float:
    """Linear warm-up, then a cosine from `base` to `min_ratio * base`; with the published `min_ratio` of 1, constant.

    step: counted from 1.
    """
    if step < warmup_steps:
        return base * step / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return base * (min_ratio + (1 - min_ratio) * 0.5 * (1 + math.cos(math.pi * progress)))


def _check(lr: float, weight_decay: float) -> None:
    if lr < 0 or weight_decay < 0:
        raise ValueError(f"lr and weight_decay must be at least 0, not {lr} and {weight_decay}")


def _refuse(closure: Any) -> None:
    if closure is not None:
        raise ValueError("closures are not supported")
