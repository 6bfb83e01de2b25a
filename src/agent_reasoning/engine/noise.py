"""Gaussian noise from (seed, sample, step) alone: the same on any device, in any slot, beside any other trajectory.

A counter-based generator: each number is a hash of its own place, so nothing is carried from one draw to the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), on signed integers that wrap.
_GOLDEN, _MIX_1, _MIX_2 = (value - 2**64 for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_24_BITS = 2**24


@dataclass(frozen=True, slots=True)
class NoiseStream:
    """Where a trajectory's noise comes from. Sample 0 has none: it is the plain trajectory."""

    seed: int
    sample: int

    def ties(self) -> np.random.Generator:
        """What tells a problem's interchangeable parts apart; sample 0 has its own, too."""
        return np.random.default_rng([self.seed, self.sample])

    def key(self, step: int) -> int:
        """What `gaussians` draws from at this step (from 1); 0 without noise."""
        if self.sample == 0:
            return 0
        return int(
            np.random.SeedSequence([self.seed, self.sample, step]).generate_state(1, np.uint64).view(np.int64)[0]
        )


def gaussians(keys: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(B,) int64 -> two independent (B, count) float32 of standard normals; zeros where the key is 0."""
    h = keys.unsqueeze(1) + torch.arange(1, count + 1, device=keys.device) * _GOLDEN
    h = (h ^ _shifted(h, 30)) * _MIX_1
    h = (h ^ _shifted(h, 27)) * _MIX_2
    h = h ^ _shifted(h, 31)
    radius = torch.sqrt(-2 * torch.log(((h & (_24_BITS - 1)) + 1).float() / _24_BITS))  # Box and Muller
    angle = _shifted(h, 40).float() * (2 * math.pi / _24_BITS)
    radius = radius * (keys != 0).unsqueeze(1)
    return radius * torch.cos(angle), radius * torch.sin(angle)


def _shifted(h: Tensor, by: int) -> Tensor:
    """h >> by, without the copies of the sign."""
    shifted: Tensor = (h >> by) & (2 ** (64 - by) - 1)
    return shifted


def disturbed(z_H: Tensor, z_L: Tensor, scale: float, keys: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Both (B, …), with each row's noise added (PTRM, arXiv 2605.19943)."""
    if not scale or not any(keys):
        return z_H, z_L
    drawn = gaussians(torch.tensor(keys, device=z_H.device), z_H[0].numel())
    noise_H, noise_L = ((noise * scale).to(z_H.dtype).view(z_H.shape) for noise in drawn)
    return z_H + noise_H, z_L + noise_L
