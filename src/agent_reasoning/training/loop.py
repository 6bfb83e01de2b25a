"""Training a structured network: deep supervision with a detached carry (TRM §2.4), AdamW, EMA.

`train` reads top to bottom. All that must survive an interruption is in one state dict, saved whole.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.training.objective import step_loss
from agent_reasoning.training.stream import LabelledBatch


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train. `minutes` and `steps` end the run, whichever comes first; at least one is needed."""

    network: StructuredConfig
    minutes: float | None = None
    steps: int | None = None
    batch_size: int = 64
    supervision_steps: int = 8
    """The most that a batch gets; each batch draws from 1 to this."""
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
    settings: dict[str, float | None] = field(default_factory=dict)  # what the run was started with

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
            },
            partial,
        )
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Raises ConfigurationError if there is no run to resume, or it was of another shape."""
        try:
            saved = torch.load(path, weights_only=True)
            self.network.load_state_dict(saved["network"])
            self.averaged.load_state_dict(saved["averaged"])
            self.optimizer.load_state_dict(saved["optimizer"])
        except FileNotFoundError:
            raise ConfigurationError(f"There is no run to resume: {path} does not exist.") from None
        except Exception as error:  # torch's reader of a damaged file raises whatever it stumbles over
            raise ConfigurationError(f"{path} is damaged, or a run of another configuration: {error}") from None
        self.batches, self.step = saved["batches"], saved["step"]
        self.instances, self.seconds = saved["instances"], saved["seconds"]
        self.autocast, self.settings = saved["autocast"], saved["settings"]


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


def start(config: TrainConfig) -> TrainState:
    network = StructuredNetwork(config.network, torch.Generator().manual_seed(config.seed)).to(config.device)
    averaged = StructuredNetwork(config.network).to(config.device).requires_grad_(False)
    averaged.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=config.weight_decay
    )
    return TrainState(network, averaged, optimizer)


def train(
    config: TrainConfig,
    state: TrainState,
    draw: Callable[[int], LabelledBatch],
    *,
    state_path: Path | None = None,
    observe: Callable[[Progress], None] = lambda progress: None,
    stopping: Callable[[], bool] = lambda: False,
) -> TrainState:
    """Go on from `state` until the configured end, or until `stopping()`; saves every `save_seconds` and at the end.

    `draw(i)` is batch i, a pure function: a resumed run sees what an uninterrupted one would have seen.
    """
    if config.minutes is None and config.steps is None:
        raise ConfigurationError("Training needs an end: minutes or steps.")
    network, device = state.network.train(), torch.device(config.device)
    state.settings = {"minutes": config.minutes, "seed": config.seed}
    if state.autocast is None:
        state.autocast = faster_autocast(state, draw(state.batches), device)
    began, saved_at = time.monotonic() - state.seconds, time.monotonic()
    while (done := fraction_done(config, state)) < 1 and not stopping():
        batch = draw(state.batches)
        problems, labels = batch.problems.to(device), batch.labels.to(device)
        depth = 1 + torch.randint(
            config.supervision_steps,
            (),
            generator=torch.Generator().manual_seed(config.seed * 1_000_003 + state.batches),
        )
        carry = network.initial_carry(problems)
        for _ in range(int(depth)):
            for group in state.optimizer.param_groups:
                group["lr"] = config.learning_rate * schedule(state.step, config.warmup_steps, done)
            with torch.autocast(device.type, torch.bfloat16, enabled=state.autocast):
                carry, output = network.step(carry, problems)
            loss = step_loss(output, labels, batch.judge, batch.alike)
            state.optimizer.zero_grad(set_to_none=True)
            loss.total.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            state.optimizer.step()
            average(state.averaged, network, min(config.ema, (1 + state.step) / (10 + state.step)))
            state.step += 1
        state.batches += 1
        state.instances += len(labels)
        state.seconds = time.monotonic() - began
        progress = Progress(
            state.step, state.instances, state.seconds, fraction_done(config, state), loss.total.item(),
            loss.exact.float().mean().item(), labels.shape[-1],
        )  # fmt: skip
        observe(progress)
        if state_path and time.monotonic() - saved_at > config.save_seconds:
            state.save(state_path)
            saved_at = time.monotonic()
    if state_path:
        state.save(state_path)
    return state


def fraction_done(config: TrainConfig, state: TrainState) -> float:
    by_time = state.seconds / (60 * config.minutes) if config.minutes else 0.0
    by_steps = state.step / config.steps if config.steps else 0.0
    return min(1.0, max(by_time, by_steps))


def schedule(step: int, warmup_steps: int, done: float) -> float:
    """Linear warm-up, then a cosine over the whole run down to a hundredth."""
    return min(1.0, (step + 1) / warmup_steps) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


@torch.no_grad()
def average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """EMA (TRM §4.7); the decay grows in, or the first thousand steps would average in the random start."""
    for ours, theirs in zip(averaged.parameters(), network.parameters(), strict=True):
        ours.lerp_(theirs, 1 - decay)


def faster_autocast(state: TrainState, batch: LabelledBatch, device: torch.device) -> bool:
    """Whether bf16 autocast makes a forward and backward pass faster here, by trying both: some processors have the
    instructions, others emulate them many times slower."""
    problems, labels = batch.problems.to(device), batch.labels.to(device)
    seconds = {}
    for enabled in (False, True):
        times = []
        for _ in range(3):
            begin = time.perf_counter()
            with torch.autocast(device.type, torch.bfloat16, enabled=enabled):
                _, output = state.network.step(state.network.initial_carry(problems), problems)
            step_loss(output, labels).total.backward()  # type: ignore[no-untyped-call]
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - begin)
        seconds[enabled] = min(times)
    state.network.zero_grad(set_to_none=True)
    return seconds[True] < seconds[False]
