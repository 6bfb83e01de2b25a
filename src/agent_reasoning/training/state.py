"""Where a training run stands, and what all ways to train share. Torch and the networks alone: it runs where nothing else of
the package's requirements is installed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train. `minutes` and `steps` end the run, whichever comes first; at least one is needed."""

    network: StructuredConfig
    method: str = "recursion"
    minutes: float | None = None
    steps: int | None = None
    batch_size: int = 64
    supervision_steps: int = 8
    """By recursion the most that a batch gets; each batch draws from 1 to this."""
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    ema: float = 0.999
    seed: int = 0
    device: str = "cpu"
    save_seconds: float = 120.0


@dataclass(slots=True)
class TrainState:
    """Where a run stands."""

    network: StructuredNetwork
    averaged: StructuredNetwork
    optimizer: torch.optim.Optimizer
    batches: int = 0  # taken from the stream so far
    step: int = 0  # optimizer steps = supervision steps
    instances: int = 0
    seconds: float = 0.0
    autocast: bool | None = None  # None: not measured yet
    settings: dict[str, float | str | None] = field(default_factory=dict)  # what the run was started with
    beside: nn.Module | None = None  # what is trained with the network and not served
    world: dict[str, Any] = field(default_factory=dict)  # where a method's own states stand; tensors and numbers

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}")
        torch.save(
            {
                "network": self.network.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "batches": self.batches,
                "step": self.step,
                "instances": self.instances,
                "seconds": self.seconds,
                "autocast": self.autocast,
                "settings": self.settings,
                "beside": self.beside.state_dict() if self.beside is not None else {},
                "world": self.world,
            },
            partial,
        )
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Raises ConfigurationError if there is no run to resume, or it was of another shape."""
        try:
            saved = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(saved["network"])
            self.averaged.load_state_dict(saved["averaged"])
            self.optimizer.load_state_dict(saved["optimizer"])
            if self.beside is not None:
                self.beside.load_state_dict(saved["beside"])
        except FileNotFoundError:
            raise ConfigurationError(f"There is no run to resume: {path} does not exist.") from None
        except Exception as error:  # torch's reader of a damaged file raises whatever it stumbles over
            raise ConfigurationError(f"{path} is damaged, or a run of another configuration: {error}") from None
        self.batches, self.step = saved["batches"], saved["step"]
        self.instances, self.seconds = saved["instances"], saved["seconds"]
        self.autocast, self.settings = saved["autocast"], saved["settings"]
        self.world = saved.get("world", {})


@dataclass(frozen=True, slots=True)
class Progress:
    """What an observer is told after each batch."""

    step: int
    instances: int
    seconds: float
    fraction: float  # of the whole run, 0 to 1
    loss: float
    exact: float  # share of the batch that is right after its last supervision step
    size: int  # cells of the batch's problems


def settings(config: TrainConfig) -> dict[str, float | str | None]:
    """What a resumed run keeps to, and what its card tells of it."""
    gpu = torch.cuda.get_device_name(config.device) if config.device.startswith("cuda") else None
    return {
        "method": config.method,
        "minutes": config.minutes,
        "seed": config.seed,
        "batch_size": config.batch_size,
        "packed": config.network.packed,
        "gpu": gpu,
    }


def start(config: TrainConfig, beside: nn.Module | None = None) -> TrainState:
    network = StructuredNetwork(config.network, torch.Generator().manual_seed(config.seed)).to(config.device)
    averaged = StructuredNetwork(config.network).to(config.device).requires_grad_(False)
    averaged.load_state_dict(network.state_dict())
    parameters = [*network.parameters(), *(beside.to(config.device).parameters() if beside is not None else ())]
    optimizer = torch.optim.AdamW(
        parameters, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay
    )
    return TrainState(network, averaged, optimizer, beside=beside)


def fraction_done(config: TrainConfig, state: TrainState) -> float:
    by_time = state.seconds / (60 * config.minutes) if config.minutes else 0.0
    by_steps = state.step / config.steps if config.steps else 0.0
    return min(1.0, max(by_time, by_steps))


def schedule(step: int, warmup_steps: int, done: float) -> float:
    """Linear warm-up, then a cosine over the whole run down to a hundredth."""
    return min(1.0, (step + 1) / warmup_steps) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, decay: float | Tensor) -> None:
    """EMA (TRM §4.7); the decay grows in, or the first thousand steps would average in the random start."""
    for ours, theirs in zip(averaged.parameters(), network.parameters(), strict=True):
        ours.lerp_(theirs, 1 - decay)


def faster_autocast(network: nn.Module, trial: Callable[[], Tensor], device: torch.device) -> bool:
    """Whether bf16 autocast makes a forward and backward pass of this loss faster here, by trying both: some processors have
    the instructions, others emulate them many times slower."""
    seconds = {}
    for enabled in (False, True):
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
                loss = trial()
            loss.backward()  # type: ignore[no-untyped-call]
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - begin)
        seconds[enabled] = min(times)
    network.zero_grad(set_to_none=True)
    return seconds[True] < seconds[False]
