"""`agent-reasoning train`: train, calibrate, measure, write the bundle."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from agent_reasoning.commands.progress import TrainingProgress, counting
from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.loading import pick_device
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.errors import ConfigurationError
from agent_reasoning.evaluation.card import render_card
from agent_reasoning.evaluation.report import Report, calibrate, evaluate
from agent_reasoning.evaluation.trajectories import CALIBRATION, EVALUATION
from agent_reasoning.evaluation.trajectories import held_out as fresh_instances
from agent_reasoning.networks.bundle import Bundle, BundleConfig, save_bundle
from agent_reasoning.networks.structured import StructuredConfig
from agent_reasoning.tasks import Task, TaskInfo, builtin_tasks
from agent_reasoning.training import loop
from agent_reasoning.training.labels.sudoku import HELD_OUT, PuzzleFile
from agent_reasoning.training.prefetch import prefetched
from agent_reasoning.training.stream import draw_batch

MINUTES = 15.0  # of a run where nobody says otherwise


def train(
    task: str,
    minutes: float | None,
    device: str,
    resume: bool,
    seed: int | None,
    max_steps: int | None,
    runs: Path,
    output: Path,
    held_out: int,
    puzzles: Path | None,
) -> None:
    chosen = builtin_tasks().get(task)
    device = pick_device(device)
    if device == "cpu":
        torch.set_num_threads(1)  # measured: a second thread brings these small operations nothing
    config = configure(chosen.info, minutes or MINUTES, seed or 0, device)
    file = puzzle_file(task, puzzles) if puzzles else None
    state = loop.start(config)
    path = runs / task / "state.pt"
    if resume:
        state.load(path)
        config = resumed(config, state, minutes, seed)
    elif path.exists():
        path.replace(path.with_suffix(".previous.pt"))
    console = Console(stderr=True)
    count = f"{state.network.parameter_count:,} parameters"
    with stopping_on_signals() as stopped, TrainingProgress(console) as progress:
        console.print(f"{task}: {count}, saved to {path} every {config.save_seconds:.0f} s")
        draw = partial(draw_batch, chosen, config.batch_size, config.seed, source=file.draw if file else None)
        with prefetched(draw) as ahead:
            loop.train(config, state, ahead, state_path=path, observe=progress.observe, stopping=stopped.is_set)
    if stopped.is_set():
        console.print(f"Stopped and saved after {state.seconds / 60:.1f} minutes; `train {task} --resume` goes on.")
        raise SystemExit(130)
    publish(chosen, config, state, max_steps or chosen.info.recipe.max_steps, held_out, file, output / task, console)


def resumed(
    config: loop.TrainConfig, state: loop.TrainState, minutes: float | None, seed: int | None
) -> loop.TrainConfig:
    """The run's own length and seed; another length may be asked for. Raises ConfigurationError for another seed."""
    began = state.settings
    if seed is not None and seed != began["seed"]:
        raise ConfigurationError(f"This run was started with --seed {began['seed']}; it cannot go on with {seed}.")
    return replace(config, minutes=minutes or began["minutes"], seed=int(began["seed"] or 0))


def configure(info: TaskInfo, minutes: float, seed: int, device: str) -> loop.TrainConfig:
    """The task's recipe as a configuration."""
    recipe = info.recipe
    network = StructuredConfig(info.spec, recipe.hidden, H_cycles=recipe.H_cycles, L_cycles=recipe.L_cycles)
    return loop.TrainConfig(
        network,
        minutes=minutes,
        batch_size=recipe.batch_size,
        supervision_steps=recipe.supervision_steps,
        seed=seed,
        device=device,
    )


def puzzle_file(task: str, path: Path) -> PuzzleFile:
    """Raises ConfigurationError for a task that has no such files."""
    if task != "sudoku":
        raise ConfigurationError(f"{task} generates its own instances: --puzzles is for sudoku.")
    return PuzzleFile(path)


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
    count: int,
    file: PuzzleFile | None,
    directory: Path,
    console: Console,
) -> None:
    """Calibrate and measure what was trained, and write the bundle."""
    name, recipe, network = task.info.name, task.info.recipe, state.averaged.eval()
    bundle = BundleConfig(name, name, config.network, max_steps, recipe.noise, dict(recipe.halting))
    calibration, report = measured(task, Bundle(bundle, network), count, file, config.device, console)
    bundle = replace(bundle, calibration=calibration)
    save_bundle(
        directory,
        bundle,
        network,
        render_card(task.info, bundle, config, state, report, file.path.name if file else ""),
    )
    console.print(f"Wrote {directory}.")


def measured(
    task: Task[Any], bundle: Bundle, count: int, file: PuzzleFile | None, device: str, console: Console
) -> tuple[dict[str, Any], Report]:
    """Its calibration, fitted on `count` fresh instances a size, and its quality on as many others."""
    max_steps = bundle.config.max_steps
    to_fit = fresh_instances(task, count, CALIBRATION)
    if file:
        to_fit[f"{file.path.name}, held out"] = [file.labelled(number) for number in range(min(HELD_OUT, len(file)))]
    to_measure = fresh_instances(task, count, EVALUATION, sizes=task.info.sizes)
    with counting(console, sum(len(items) for sets in (to_fit, to_measure) for items in sets.values())) as observe:
        model = StructuredModel.of(bundle, Confidence(), device, "")
        confidence = calibrate(task, model, max_steps, to_fit, observe)
        report = evaluate(task, replace(model, confidence=confidence), max_steps, to_measure, observe)
    return confidence.to_dict(), report
