"""What the engine needs of a loaded model, whatever its family: to begin on some problems and take steps."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.problem import Problem, ProblemSpec

Choice = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refined:
    """The answers after one refinement step, B rows."""

    choices: Choice  # [B, L]
    q_halt_logits: NDArray[np.float32]  # [B]


@dataclass(frozen=True, slots=True)
class NoiseStream:
    """Where a trajectory's noise comes from. Sample 0 has none: it is the plain trajectory."""

    seed: int
    sample: int


class Refinement(ABC):
    """Rows of problems on their way, with their carry."""

    @abstractmethod
    def step(self) -> Refined:
        """One supervision step for every row."""

    @abstractmethod
    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""


@dataclass(frozen=True)
class Model(ABC):
    """A network on its device."""

    name: str
    task: str
    architecture: str
    device: str
    sha256: str
    parameters: int
    max_steps: int
    applications_per_step: int
    confidence: Confidence

    @abstractmethod
    def fits(self, spec: ProblemSpec) -> bool:
        """Whether it reads problems of this spec."""

    @abstractmethod
    def begin(self, problems: Sequence[Problem], noise: Sequence[NoiseStream] = ()) -> Refinement:
        """Start on these problems; `noise`: a stream for each, or none at all."""

    def refine(self, problem: Problem, samples: int, seed: int) -> Iterator[Refined]:
        """Refinement steps of one problem without end; the caller stops. The first of `samples` trajectories is the
        plain one, the others get Gaussian noise on z_H and z_L before each step (PTRM, arXiv 2605.19943)."""
        refinement = self.begin([problem] * samples, [NoiseStream(seed, sample) for sample in range(samples)])
        while True:
            yield refinement.step()


def disturb(z_H: Tensor, z_L: Tensor, scale: float, noise: Sequence[NoiseStream], step: int) -> tuple[Tensor, Tensor]:
    """Both (B, …), with each row's noise added."""
    if not scale or not any(stream.sample for stream in noise):
        return z_H, z_L
    drawn = torch.stack([noise_for(stream, step, z_H[0]) for stream in noise], 1)
    drawn = (drawn * scale).to(z_H.device, z_H.dtype)
    return z_H + drawn[0], z_L + drawn[1]


def noise_for(stream: NoiseStream, step: int, like: Tensor) -> Tensor:
    """(2, *like.shape) on CPU, from (seed, sample, step) alone: the same in any batch, on any device."""
    if stream.sample == 0:
        return torch.zeros((2, *like.shape))
    mixed = np.random.SeedSequence([stream.seed, stream.sample, step]).generate_state(1, np.uint64)[0]
    return torch.randn((2, *like.shape), generator=torch.Generator().manual_seed(int(mixed)))
