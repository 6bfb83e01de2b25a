"""A loaded model: a network on its device, and the refinement of one problem by it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.errors import BundleError, ConfigurationError
from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.bundle import WEIGHTS, Bundle, find_bundles, load_bundle
from agent_reasoning.networks.structured import StructuredCarry
from agent_reasoning.problem import Problem

Choice = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Refined:
    """One refinement step's answers, K trajectories of one problem."""

    choices: Choice  # [K, L]
    q_halt_logits: NDArray[np.float32]  # [K]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Model:
    bundle: Bundle
    confidence: Confidence
    device: str
    sha256: str

    @property
    def name(self) -> str:
        return self.bundle.config.name

    @property
    def task(self) -> str:
        return self.bundle.config.task

    @property
    def max_steps(self) -> int:
        return self.bundle.config.max_steps

    @property
    def parameters(self) -> int:
        return self.bundle.network.parameter_count

    @property
    def applications_per_step(self) -> int:
        return self.bundle.config.network.applications_per_step

    def refine(self, problem: Problem, samples: int, seed: int) -> Iterator[Refined]:
        """Refinement steps without end; the caller stops. The first trajectory is the plain one, the others get
        Gaussian noise on z_H and z_L before each step (PTRM, arXiv 2605.19943)."""
        network = self.bundle.network
        with torch.inference_mode():
            batch = collate([problem] * samples, self.bundle.config.network.spec).to(self.device)
            carry, x = network.initial_carry(batch), network.embed(batch)
        step = 0
        while True:
            step += 1
            with torch.inference_mode():
                carry = self._disturb(carry, seed, step)
                carry, output = network.step(carry, batch, x)
                choices = output.logits.argmax(-1).cpu().numpy()
                q_halt_logits = output.q_halt_logits.cpu().numpy()
            yield Refined(choices, q_halt_logits)

    def _disturb(self, carry: StructuredCarry, seed: int, step: int) -> StructuredCarry:
        samples = carry.z_H.shape[0]
        if samples == 1 or not self.bundle.config.noise:
            return carry
        noise = torch.stack([noise_for(seed, sample, step, carry.z_H[0]) for sample in range(samples)], 1)
        noise = noise.to(self.device) * self.bundle.config.noise
        return StructuredCarry(carry.z_H + noise[0], carry.z_L + noise[1])


def noise_for(seed: int, sample: int, step: int, like: Tensor) -> Tensor:
    """(2, *like.shape) on CPU, from (seed, sample, step) alone: the same in any batch, on any device."""
    if sample == 0:
        return torch.zeros((2, *like.shape))
    mixed = np.random.SeedSequence([seed, sample, step]).generate_state(1, np.uint64)[0]
    return torch.randn((2, *like.shape), generator=torch.Generator().manual_seed(int(mixed)))


def load_models(path: Path, device: str) -> list[Model]:
    """Every bundle at `path`. Raises BundleError where one cannot be served."""
    models = [load_model(directory, device) for directory in find_bundles(path)]
    names = [model.task for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BundleError(f"{path} holds more than one bundle for {', '.join(twice)}: one a task can be served.")
    return models


def load_model(directory: Path, device: str) -> Model:
    bundle = load_bundle(directory, device)
    try:
        confidence = Confidence.from_dict(bundle.config.calibration)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"The calibration in {directory} cannot be used: {error}.") from None
    return Model(bundle, confidence, device, hashlib.sha256((directory / WEIGHTS).read_bytes()).hexdigest())


def pick_device(wanted: str) -> str:
    """`auto` is cuda where there is one, else cpu. Raises ConfigurationError for a device that is not here."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        number = int(wanted.partition(":")[2] or 0)
        if number >= count:
            raise ConfigurationError(
                f"DEVICE={wanted}, but this machine has {count} usable CUDA devices; use cpu or auto."
            )
    return wanted


def spread_threads(models: Sequence[Model]) -> None:
    """One thread for each operation on CPU: these models are so small that waking others costs more than they bring."""
    if all(model.device == "cpu" for model in models):
        torch.set_num_threads(1)
