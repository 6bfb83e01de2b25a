"""`agent-reasoning calibrate`: a bundle's confidence fitted and measured anew, where a verifier or a generator has changed."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from agent_reasoning.commands.train import measured
from agent_reasoning.evaluation.card import measured_again
from agent_reasoning.networks.bundle import CARD, load_bundle, save_bundle
from agent_reasoning.tasks import builtin_tasks


def calibrate(directory: Path, held_out: int, fit_on: int) -> None:
    """Fitted on `fit_on` instances a size, measured on `held_out` others. Raises BundleError where there is no bundle,
    UnknownTask where it is no task's."""
    bundle = load_bundle(directory)
    task, console = builtin_tasks().get(bundle.config.task), Console(stderr=True)
    calibration, report = measured(task, bundle, held_out, (), "cpu", console, fit_on=fit_on)
    command = f"agent-reasoning calibrate models/{directory.name} --held-out {held_out} --fit-on {fit_on}"
    card = measured_again((directory / CARD).read_text(), report, command)
    save_bundle(directory, replace(bundle.config, calibration=calibration), bundle.network, card)
    console.print(f"Wrote {directory}.")
