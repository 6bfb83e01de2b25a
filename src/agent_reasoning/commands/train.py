"""`agent-reasoning train`: train, calibrate, measure, write the bundle."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from agent_reasoning.commands.progress import TrainingProgress, counting
from agent_reasoning.engine.model import pick_device
from agent_reasoning.evaluation.card import render_card
from agent_reasoning.evaluation.report import calibrate, evaluate
from agent_reasoning.networks.bundle import BundleConfig, save_bundle
from agent_reasoning.networks.structured import StructuredConfig
from agent_reasoning.tasks import Task, builtin_tasks
from agent_reasoning.training import loop
from agent_reasoning.training.stream import draw_batch

NOISE = 0.3  # of latents whose mean square is 1: enough to leave a wrong answer, too little to lose a right one


def train(
    task: str,
    minutes: float,
    device: str,
    resume: bool,
    seed: int,
    max_steps: int,
    runs: Path,
    output: Path,
    held_out: int,
) -> None:
    chosen = builtin_tasks().get(task)
    device = pick_device(device)
    if device == "cpu":
        torch.set_num_threads(1)  # measured: a second thread brings these small operations nothing
    config = loop.TrainConfig(StructuredConfig(chosen.info.spec), minutes=minutes, seed=seed, device=device)
    state = loop.start(config)
    path = runs / task / "state.pt"
    if resume:
        state.load(path)
    elif path.exists():
        path.replace(path.with_suffix(".previous.pt"))
    console = Console(stderr=True)
    count = f"{state.network.parameter_count:,} parameters"
    with stopping_on_signals() as stopped, TrainingProgress(console) as progress:
        console.print(f"{task}: {count}, saved to {path} every {config.save_seconds:.0f} s")
        draw = partial(draw_batch, chosen, config.batch_size, seed)
        loop.train(config, state, draw, state_path=path, observe=progress.observe, stopping=stopped.is_set)
    if stopped.is_set():
        console.print(f"Stopped and saved after {state.seconds / 60:.1f} minutes; `train {task} --resume` goes on.")
        raise SystemExit(130)
    publish(chosen, config, state, max_steps, held_out, output / task, console)


@contextmanager
def stopping_on_signals() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM, which end a run at its next batch instead of losing it."""
    stopped = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: stopped.set()) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def publish(
    task: Task[Any],
    config: loop.TrainConfig,
    state: loop.TrainState,
    max_steps: int,
    held_out: int,
    directory: Path,
    console: Console,
) -> None:
    """Calibrate and measure what was trained, and write the bundle."""
    network = state.averaged.eval()
    with counting(console, held_out * len(task.info.sizes) * 2) as observe:
        confidence = calibrate(task, network, max_steps, held_out, observe)
        report = evaluate(task, network, confidence, max_steps, count=held_out, observe=observe)
    name = task.info.name
    bundle = BundleConfig(name, name, config.network, max_steps, NOISE, confidence.to_dict())
    save_bundle(directory, bundle, network, render_card(task.info, bundle, config, state, report))
    console.print(f"Wrote {directory}.")
