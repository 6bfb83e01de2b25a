"""`agent-reasoning train`: train, calibrate, measure, write the bundle."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from agent_reasoning.commands.methods import begin, prepared
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
from agent_reasoning.tasks import Recipe, Task, TaskInfo, builtin_tasks
from agent_reasoning.training.labels.sudoku import HELD_OUT, PuzzleFile
from agent_reasoning.training.state import TrainConfig, TrainState

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
    puzzles: tuple[Path, ...],
    method: str | None,
    batch_size: int | None,
) -> None:
    chosen = builtin_tasks().get(task)
    recipe = recipe_of(chosen.info, method)
    device = pick_device(device)
    if device == "cpu":
        torch.set_num_threads(1)  # measured: a second thread brings these small operations nothing
    config = configure(chosen.info, recipe, minutes or MINUTES, seed or 0, device, batch_size)
    files = [puzzle_file(task, path) for path in puzzles]
    state = begin(config)
    path = runs / task / "state.pt"
    if resume:
        state.load(path)
        config = resumed(config, state, minutes, seed)
    elif path.exists():
        path.replace(path.with_suffix(".previous.pt"))
    console = Console(stderr=True)
    count = f"{state.network.parameter_count:,} parameters"
    with stopping_on_signals() as stopped, TrainingProgress(console) as progress:
        console.print(f"{task}, by {config.method}: {count}, saved to {path} every {config.save_seconds:.0f} s")
        with prepared(chosen, config, state, files) as run:
            run(state_path=path, observe=progress.observe, stopping=stopped.is_set)
    if stopped.is_set():
        console.print(f"Stopped and saved after {state.seconds / 60:.1f} minutes; `train {task} --resume` goes on.")
        raise SystemExit(130)
    publish(chosen, recipe, config, state, max_steps or recipe.max_steps, held_out, files, output / task, console)


def recipe_of(info: TaskInfo, method: str | None) -> Recipe:
    """Raises ConfigurationError for a method that the task has no recipe for."""
    recipes = {recipe.method: recipe for recipe in (info.recipe, *info.other_recipes)}
    if method is None:
        return info.recipe
    if method not in recipes:
        raise ConfigurationError(f"{info.name} is not trained by {method}; it is by {' or '.join(recipes)}.")
    return recipes[method]


def resumed(config: TrainConfig, state: TrainState, minutes: float | None, seed: int | None) -> TrainConfig:
    """The run's own length and seed; another length may be asked for. Raises ConfigurationError for another seed or
    method."""
    began = state.settings
    method = began.get("method", "recursion")
    if method != config.method:
        raise ConfigurationError(f"This run was started with --method {method}; it cannot go on by {config.method}.")
    if began.get("packed", False) != config.network.packed:
        raise ConfigurationError("This run was started before networks were packed; it cannot go on by other sums.")
    if seed is not None and seed != began["seed"]:
        raise ConfigurationError(f"This run was started with --seed {began['seed']}; it cannot go on with {seed}.")
    length = minutes or began["minutes"]
    return replace(config, minutes=float(length) if length else None, seed=int(began["seed"] or 0))


def configure(
    info: TaskInfo, recipe: Recipe, minutes: float, seed: int, device: str, batch_size: int | None = None
) -> TrainConfig:
    """The recipe as a configuration."""
    packed = recipe.method == "deduction"  # whose searches take candidates away
    network = StructuredConfig(
        info.spec, recipe.hidden, H_cycles=recipe.H_cycles, L_cycles=recipe.L_cycles, packed=packed
    )
    return TrainConfig(
        network,
        recipe.method,
        minutes=minutes,
        batch_size=batch_size or recipe.batch_size,
        supervision_steps=recipe.supervision_steps,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
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
    recipe: Recipe,
    config: TrainConfig,
    state: TrainState,
    max_steps: int,
    count: int,
    files: Sequence[PuzzleFile],
    directory: Path,
    console: Console,
) -> None:
    """Calibrate and measure what was trained, and write the bundle."""
    name, network = task.info.name, state.averaged.eval()
    bundle = BundleConfig(
        name, name, config.network, max_steps, recipe.noise, dict(recipe.halting), dict(recipe.deduction),
        samples=recipe.samples,
    )  # fmt: skip
    calibration, report = measured(task, Bundle(bundle, network), count, files, config.device, console)
    bundle = replace(bundle, calibration=calibration)
    names = [file.path.name for file in files]
    save_bundle(directory, bundle, network, render_card(task.info, bundle, config, state, report, names))
    console.print(f"Wrote {directory}.")


def measured(
    task: Task[Any],
    bundle: Bundle,
    count: int,
    files: Sequence[PuzzleFile],
    device: str,
    console: Console,
    fit_on: int | None = None,
) -> tuple[dict[str, Any], Report]:
    """Its calibration, fitted on `fit_on` fresh instances a size, or on `count`, and its quality on `count` others."""
    max_steps = bundle.config.max_steps
    to_fit = fresh_instances(task, fit_on or count, CALIBRATION)
    for file in files:
        to_fit[f"{file.path.name}, held out"] = [file.labelled(number) for number in range(min(HELD_OUT, len(file)))]
    to_measure = fresh_instances(task, count, EVALUATION, sizes=task.info.sizes)
    with counting(console, sum(len(items) for sets in (to_fit, to_measure) for items in sets.values())) as observe:
        model = StructuredModel.of(bundle, Confidence(), device, "")
        confidence = calibrate(task, model, max_steps, to_fit, observe)
        report = evaluate(task, replace(model, confidence=confidence), max_steps, to_measure, observe)
    return confidence.to_dict(), report
