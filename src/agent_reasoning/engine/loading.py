"""From MODEL_PATH and DEVICE to models."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.model import Model
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.errors import BundleError, ConfigurationError
from agent_reasoning.networks.bundle import WEIGHTS, find_bundles, load_bundle


def load_models(path: Path, device: str) -> list[Model]:
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
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"The calibration in {directory} cannot be used: {error}.") from None
    return StructuredModel.of(bundle, confidence, device, digest(directory / WEIGHTS))


def load_published(
    checkpoint: Path,
    shipped: Path,
    device: str,
    vocabularies: Mapping[int, str],
    H_cycles: int | None = None,
    L_cycles: int | None = None,
) -> list[Model]:
    """A published checkpoint for the task that its vocabulary fits, and the shipped bundles for the others.

    vocabularies: size -> task. Raises CheckpointError or BundleError.
    """
    from agent_reasoning.engine.sequence import PublishedModel  # loads the published networks, which few services run
    from agent_reasoning.networks.checkpoint import load_checkpoint

    network = load_checkpoint(checkpoint, device=device, H_cycles=H_cycles, L_cycles=L_cycles)
    size = network.config.vocab_size
    if size not in vocabularies:
        known = ", ".join(f"{task} ({count})" for count, task in vocabularies.items())
        raise BundleError(
            f"{checkpoint} has a vocabulary of {size} tokens, which fits no task; those known are: {known}."
        )
    network.requires_grad_(False)
    name = f"{type(network).__name__.lower()}-{checkpoint.stem}"
    published = PublishedModel.of(network, name, vocabularies[size], device, digest(checkpoint))
    return [published, *(model for model in load_models(shipped, device) if model.task != published.task)]


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


def spread_threads(models: Sequence[Model]) -> None:
    """One thread for each operation on CPU: small models lose more by waking others than they gain."""
    if all(model.device == "cpu" and model.architecture == "structured" for model in models):
        torch.set_num_threads(1)
