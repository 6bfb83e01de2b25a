"""CARD.md: what a bundle was trained on, for how long, on what machine, and how good it measured."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from agent_reasoning.evaluation.report import Report
from agent_reasoning.networks.bundle import BundleConfig
from agent_reasoning.tasks import TaskInfo
from agent_reasoning.training.state import TrainConfig, TrainState

TRAINED = """\
# {name}

{summary}
A structured recursive network of {parameters:,} parameters: hidden {hidden}, H_cycles {H_cycles}, L_cycles {L_cycles},
{applications} network applications a refinement step, {max_steps} steps by default.

## Training

`{command}`: {data}; labels by an exact algorithm, or the best that it found
in its time. {instances:,} instances, {steps:,} optimizer steps, {trained:.1f} minutes on {machine}. AdamW at {learning_rate:g} with
warm-up and cosine decay, batch {batch_size}, {how}, EMA {ema}.

{search} Halting: {halting}.
"""

HOW = {
    "recursion": "up to {supervision_steps} supervision steps a batch",
    "deduction": "by deduction, on the states of its own searches",
    "refits": "by what its own searches found, which hold an answer and draw better ones from what the network says of it",
    "waves": "by recursion with targets on the way, as many supervision steps a batch as its longest path takes",
}
NOISE = "Samples after the first get noise of {noise:g} on z_H and z_L before each step."
VIEWS = "Each sample sees the problem in the next of its {views} views."
DEDUCTION = "It searches by deduction with branching: {policy}."

MEASURED = """\

## Measured

Fresh instances, the model alone, one trajectory each; stopped when the exact verifier is satisfied, or at the step
limit. Milliseconds are an instance's share of a batch of 64.

| fresh | instances | step limit | verified | best | mean steps | network applications | ms |
|---|---|---|---|---|---|---|---|
{accuracy}

The trace's confidence, over the answers that callers see: all, then step by step. A trajectory ends when its answer
verifies, and an answer that the verifier has refused before, or had a better one than, counts, at confidence 0. Steps with
too few failures to measure are taken together with all later ones. The map was fitted on other instances like these; on
problems unlike them it means less. *By chance*: the calibration error that perfect beliefs would show on average, where so few
problems are measured, whose answers are right or wrong together.

| fresh | refinement step | answers | failures | AUROC | calibration error | by chance |
|---|---|---|---|---|---|---|
{confidence}
"""


def render_card(
    info: TaskInfo,
    config: BundleConfig,
    training: TrainConfig,
    state: TrainState,
    report: Report,
    puzzles: Sequence[str] = (),
) -> str:
    """puzzles: the names of the files that training drew from; none where the task generated its own instances."""
    network = config.network
    command = f"agent-reasoning train {info.name} --minutes {training.minutes or 0:g} --seed {training.seed}"
    if training.method != info.recipe.method:
        command += f" --method {training.method}"
    if puzzles:
        command = " ".join([command, *(f"--puzzles {name}" for name in puzzles)])
        data = "the files' puzzles, some with more givens"
    else:
        data = "generated instances of {} to {} {}".format(*info.training_sizes, info.size_unit)
    trained = TRAINED.format(
        name=config.name,
        task=info.name,
        summary=info.summary,
        parameters=state.averaged.parameter_count,
        hidden=network.hidden,
        H_cycles=network.H_cycles,
        L_cycles=network.L_cycles,
        applications=network.applications_per_step,
        max_steps=config.max_steps,
        search=" ".join(how_it_searches(config)),
        halting=in_words(config.halting) or "verified, or the step limit",
        command=command,
        data=data,
        instances=state.instances,
        steps=state.step,
        trained=state.seconds / 60,
        machine=state.settings.get("gpu") or machine(training.device),
        learning_rate=training.learning_rate,
        batch_size=state.settings.get("batch_size", training.batch_size),
        how=HOW[training.method].format(supervision_steps=training.supervision_steps),
        ema=training.ema,
    )
    return trained + render_measured(report)


def how_it_searches(config: BundleConfig) -> Iterator[str]:
    views = config.network.spec.views
    if views:
        yield VIEWS.format(views=len(views))
    if config.deduction:
        yield DEDUCTION.format(policy=in_words(config.deduction))
    elif config.noise or not views:
        yield NOISE.format(noise=config.noise)


def render_measured(report: Report) -> str:
    return MEASURED.format(
        accuracy="\n".join(
            f"| {row.instances_of} | {row.instances} | {row.max_steps} | {row.verified:.2%} | {row.best:.2%} "
            f"| {row.mean_steps:.2f} | {row.mean_applications:.1f} | {row.mean_milliseconds:.2f} |"
            for row in report.accuracy
        ),
        confidence="\n".join(
            f"| {name} | {line.step} | {line.answers} | {line.failures} | {in_short(line.auroc)} "
            f"| {line.calibration_error:.3f} | {line.by_chance:.3f} |"
            for name, lines in report.confidence
            for line in lines
        ),
    )


def measured_again(card: str, report: Report, command: str) -> str:
    """The card with what was measured replaced, and the command that did it; how it was trained stays."""
    heading = "\n## Measured\n\n"
    return card.partition(heading)[0] + render_measured(report).replace(heading, f"{heading}`{command}`. ", 1)


def in_words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def in_short(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"


def machine(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s'[: threads > 1]} ({platform.machine()}, {os.cpu_count()} cores)"
