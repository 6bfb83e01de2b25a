"""What one supervision step hands to the next, and the carry of adaptive computation time (ACT), of TRM and HRM.

B rows, S cells, P puzzle positions, D hidden. A row is `halted` when it is done with its puzzle; the next step gives it
the puzzle that the batch offers in that row and starts it afresh, so that "new" and "reused" are one path.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Carry = tuple[Tensor, Tensor]
"""z_H (the answer so far) and z_L (the reasoning latent), of the same shape: (…, D)."""

Batch = Mapping[str, Tensor]
"""`inputs` (B, S) integer tokens, `puzzle_identifiers` (B,) integers (only read by a model with a puzzle embedding),
and in training `labels` (B, S), -100 where no label is."""


@dataclass(frozen=True, slots=True)
class ACTCarry:
    """Before its first step, z_H and z_L have no positions and `data` is empty: the first batch brings the length."""

    z_H: Tensor  # (B, P + S, D) the answer so far, embedded ("y" in TRM §4.2); detached
    z_L: Tensor  # (B, P + S, D) the reasoning latent ("z"); detached
    steps: Tensor  # (B,) int32, supervision steps that this row's puzzle has had
    halted: Tensor  # (B,) bool, the next step starts a new puzzle in this row
    data: Batch  # the puzzles that the rows are at


def initial_carry(batch_size: int, H_init: Tensor) -> ACTCarry:
    """All rows halted, no state yet."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    device = H_init.device
    empty = torch.empty(batch_size, 0, H_init.shape[0], dtype=H_init.dtype, device=device)
    steps = torch.zeros(batch_size, dtype=torch.int32, device=device)
    return ACTCarry(empty, empty, steps, torch.ones(batch_size, dtype=torch.bool, device=device), {})


def refill(carry: ACTCarry, batch: Batch, H_init: Tensor, L_init: Tensor, puzzle_positions: int) -> ACTCarry:
    """Start the batch's puzzle in every halted row; the other rows keep theirs, and the batch's row is dropped.

    Raises ValueError where the batch does not fit the carry: another number of rows, or, while some row is not
    halted, other keys or another length.
    """
    B, S = batch["inputs"].shape
    for key, value in batch.items():
        if value.shape[:1] != (len(carry.steps),):
            raise ValueError(
                f"batch[{key!r}] has shape {tuple(value.shape)}, but the carry has {len(carry.steps)} rows"
            )
    shape = (B, puzzle_positions + S, H_init.shape[0])
    same = carry.z_H.shape == shape and {k: v.shape for k, v in batch.items()} == {
        k: v.shape for k, v in carry.data.items()
    }
    steps = carry.steps.masked_fill(carry.halted, 0)
    if not same:
        if not bool(carry.halted.all()):
            raise ValueError("the batch's keys and shapes changed while rows of the carry are not halted")
        return ACTCarry(H_init.expand(shape), L_init.expand(shape), steps, carry.halted, dict(batch))
    fresh = carry.halted.view(-1, 1, 1)
    data = {}
    for key, value in batch.items():
        data[key] = torch.where(carry.halted.view(-1, *[1] * (value.ndim - 1)), value, carry.data[key])
    return ACTCarry(
        torch.where(fresh, H_init, carry.z_H), torch.where(fresh, L_init, carry.z_L), steps, carry.halted, data
    )


def exploration_minimum(
    rows: int, probability: float, most: int, generator: torch.Generator, device: torch.device
) -> Tensor:
    """(rows,) the fewest supervision steps a row must take: with `probability` uniform in 2 to `most`, else 0.

    It makes training see what more steps would have brought (HRM §2.5).
    """
    explores = torch.rand(rows, generator=generator, device=generator.device) < probability
    minimum = torch.randint(2, most + 1, (rows,), generator=generator, device=generator.device)
    return (minimum * explores).to(device)
