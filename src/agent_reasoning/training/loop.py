"""Training a structured network: deep supervision with a detached carry (TRM §2.4), AdamW, EMA.

`train` reads top to bottom. All that must survive an interruption is in one state dict, saved whole.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.networks.structured import StructuredNetwork
from agent_reasoning.training.objective import step_loss
from agent_reasoning.training.state import (
    Progress,
    TrainConfig,
    TrainState,
    average,
    faster_autocast,
    fraction_done,
    schedule,
    settings,
)
from agent_reasoning.training.stream import LabelledBatch


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
    state.settings = settings(config)
    if state.autocast is None:
        state.autocast = faster_autocast(network, _trial(network, draw(state.batches), device), device)
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


def _trial(network: StructuredNetwork, batch: LabelledBatch, device: torch.device) -> Callable[[], Tensor]:
    problems, labels = batch.problems.to(device), batch.labels.to(device)
    return lambda: step_loss(network.step(network.initial_carry(problems), problems)[1], labels).total
