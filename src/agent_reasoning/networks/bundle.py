"""A model bundle: the directory that ships. `config.json` says what it is, `model.safetensors` holds the weights
(a format that cannot run code), `CARD.md` tells people what it was trained on and how good it is."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from agent_reasoning.errors import BundleError
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork

FORMAT = 1
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "CARD.md"


@dataclass(frozen=True, slots=True)
class BundleConfig:
    """What `config.json` holds beside the network's own sizes."""

    name: str
    task: str
    network: StructuredConfig
    max_steps: int
    """The refinement steps a request gets when nobody says otherwise."""
    noise: float = 0.0
    """Standard deviation of the noise on z_H and z_L before each step, for every sample after the first."""
    halting: dict[str, Any] = field(default_factory=dict)
    """When to stop before `max_steps`; see `engine.halting`."""
    deduction: dict[str, Any] = field(default_factory=dict)
    """How candidates are removed, for a model that was trained to; see `engine.deduction`."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """How q_halt logits become probabilities; see `engine.confidence`."""
    samples: int = 1
    """The trajectories a request gets when nobody says otherwise."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "architecture": "structured",
            "name": self.name,
            "task": self.task,
            "max_steps": self.max_steps,
            "samples": self.samples,
            "noise": self.noise,
            "halting": self.halting,
            **({"deduction": self.deduction} if self.deduction else {}),
            "network": self.network.to_dict(),
            "calibration": self.calibration,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "BundleConfig":
        if not 1 <= data["max_steps"] <= 64:
            raise ValueError(f"max_steps must be from 1 to 64, not {data['max_steps']}")
        samples = int(data.get("samples", 1))
        if not 1 <= samples <= 64:
            raise ValueError(f"samples must be from 1 to 64, not {samples}")
        return cls(
            name=data["name"],
            task=data["task"],
            network=StructuredConfig.from_dict(data["network"]),
            max_steps=int(data["max_steps"]),
            noise=float(data["noise"]),
            halting=data.get("halting", {}),
            deduction=data.get("deduction", {}),
            calibration=data["calibration"],
            samples=samples,
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    config: BundleConfig
    network: StructuredNetwork


def save_bundle(directory: Path, config: BundleConfig, network: StructuredNetwork, card: str) -> None:
    """Write the three files, each whole or not at all: a service may be reading them."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in network.state_dict().items()
    }
    _write(directory / WEIGHTS, save(weights))
    write_config(directory, config)
    _write(directory / CARD, card.encode())


def write_config(directory: Path, config: BundleConfig) -> None:
    _write(directory / CONFIG, (json.dumps(config.to_dict(), indent=1) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_bytes(data)
    partial.replace(path)


def read_config(directory: Path) -> BundleConfig:
    """Raises BundleError, which names the file and what is wrong with it."""
    path = directory / CONFIG
    try:
        data = json.loads(path.read_text())
        if (data.get("format"), data.get("architecture")) != (FORMAT, "structured"):
            raise BundleError(f"{path} is no structured bundle of format {FORMAT}; it says {data.get('format')!r}.")
        return BundleConfig.from_dict(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path} cannot be read as a bundle's configuration: {error!r}.") from None


def load_bundle(directory: Path, device: str = "cpu") -> Bundle:
    """Read a bundle for inference. Raises BundleError where a file is missing or the weights do not fit the sizes."""
    config = read_config(directory)
    path = directory / WEIGHTS
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from None
    # Not on torch's "meta" device: that would load a thousand modules, over a second, to save a millisecond here.
    network = StructuredNetwork(config.network)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise BundleError(f"{path} does not fit its {CONFIG}: {error}") from None
    return Bundle(config, network.to(device).eval().requires_grad_(False))


def find_bundles(path: Path) -> list[Path]:
    """The bundles at `path`: itself, or the directories in it. Raises BundleError if there are none."""
    if not path.is_dir():
        raise BundleError(f"{path} is no directory: MODEL_PATH must name a bundle, or a directory of bundles.")
    if (path / CONFIG).is_file():
        return [path]
    found = sorted(child for child in path.iterdir() if (child / CONFIG).is_file())
    if not found:
        raise BundleError(f"{path} holds no bundle: a bundle is a directory with {CONFIG} and {WEIGHTS}.")
    return found
