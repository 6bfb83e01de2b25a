"""From MODEL_PATH and DEVICE to models."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.evidence import names
from agent_reasoning.engine.model import Model
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.errors import BundleError, ConfigurationError
from agent_reasoning.networks.bundle import WEIGHTS, find_bundles, load_bundle


@dataclass(frozen=True, slots=True)
class Published:
    """How a published checkpoint is to be served."""

    vocabularies: Mapping[int, str]
    """Size of a vocabulary -> the task that it fits."""
    others: Path
    """The bundles that serve the other tasks."""
    H_cycles: int | None = None
    L_cycles: int | None = None
    int8: bool = False


def load_models(path: Path, device: str, published: Published) -> list[Model]:
    """What MODEL_PATH names: the bundles in a directory, or a published checkpoint and the bundles beside it.

    Raises BundleError or CheckpointError where something cannot be served.
    """
    if not path.is_file():
        return load_bundles(path, device)
    model = load_checkpoint_for_task(path, device, published)
    return [model, *(other for other in load_bundles(published.others, device) if other.task != model.task)]


def load_bundles(path: Path, device: str) -> list[Model]:
    """Every bundle at `path`. Raises BundleError where one cannot be served."""
    models: list[Model] = [load_model(directory, device) for directory in find_bundles(path)]
    names = [model.task for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BundleError(f"{path} holds more than one bundle for {', '.join(twice)}: one a task can be served.")
    return models


def load_model(directory: Path, device: str) -> StructuredModel:
    bundle = load_bundle(directory, device)
    try:
        confidence = Confidence.from_dict(bundle.config.calibration)
        seen, weighed = names(bundle.config.network.spec), confidence.above and confidence.above.names
        if weighed and weighed != seen[: len(weighed)]:  # signs that this engine sees beside them came later
            raise ValueError("it weighs other signs than this engine sees")
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"The calibration in {directory} cannot be used: {error}.") from None
    try:
        return StructuredModel.of(bundle, confidence, device, digest(directory / WEIGHTS))
    except (TypeError, ValueError) as error:
        raise BundleError(f"The halting or deduction policy in {directory} cannot be used: {error}.") from None


def load_checkpoint_for_task(path: Path, device: str, published: Published) -> Model:
    """Raises CheckpointError, or BundleError where its vocabulary fits no task."""
    # The published networks, which few services run, and torch.ao are loaded only here.
    from agent_reasoning.engine.sequence import PublishedModel
    from agent_reasoning.networks.checkpoint import load_checkpoint

    network = load_checkpoint(path, device=device, H_cycles=published.H_cycles, L_cycles=published.L_cycles)
    size, family = network.config.vocab_size, type(network).__name__.lower()
    task = published.vocabularies.get(size)
    if task is None:
        known = ", ".join(f"{name} ({count})" for count, name in published.vocabularies.items())
        raise BundleError(f"{path} has a vocabulary of {size} tokens, which fits no task; those known are: {known}.")
    if published.int8:
        from agent_reasoning.networks.quantize import quantize_int8

        if device != "cpu":
            raise ConfigurationError(f"QUANTIZE=int8 is for the CPU, and the device is {device}.")
        network, family = quantize_int8(network), f"{family}-int8"
    network.requires_grad_(False)
    return PublishedModel.of(network, f"{family}-{path.stem}", task, device, digest(path))


def gpu_uuid(device: str) -> str | None:
    """As NVML names it; None for a CPU."""
    if device == "cpu":
        return None
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
