"""What users type. Wires everything; imports torch only in the commands that compute."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from agent_reasoning import __version__
from agent_reasoning.errors import ReasoningError

VERIFIED, BAD_INPUT, NOT_VERIFIED = 0, 2, 3


class Failing(click.Group):
    """Errors of this package are for the person who typed: their text, and exit status 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ReasoningError as error:
            click.echo(f"agent-reasoning: {error}", err=True)
            ctx.exit(BAD_INPUT)


@click.group(cls=Failing, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="agent-reasoning")
def main() -> None:
    """Verified answers to structured problems from tiny recursive models."""
    # Before torch loads: threads that spin while they wait cost the others a hundredfold on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@main.command()
def serve() -> None:
    """Run the HTTP service; the environment configures it (see the README)."""
    from agent_reasoning.server import serve as run

    run()


@main.command("dead-letters")
def dead_letters() -> None:
    """Run the sink for events that could not be delivered; HOST, PORT, LOG_LEVEL and LOG_FORMAT configure it."""
    from agent_reasoning.commands.dead_letters import serve as run

    run()


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option("--task", help="A task by name; else it is found from the content.")
@click.option("--question", help="What is wanted, in words.")
@click.option("--samples", type=click.IntRange(1, 64), help="Trajectories; default 1.")
@click.option("--max-steps", type=click.IntRange(1, 64), help="Refinement steps for each trajectory.")
@click.option("--seed", type=click.IntRange(0), help="Default 0.")
@click.option(
    "--models", type=click.Path(path_type=Path), help="Bundles, or a published checkpoint; default: those that ship."
)
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the whole response as JSON.")
def solve(file: Any, models: Path | None, device: str, as_json: bool, **request: Any) -> None:
    """Solve the problem in FILE (JSON or YAML; - for standard input), without the service.

    FILE holds a context, or a whole request with `question` and `context`. Exit status: 0 verified, 3 not verified,
    2 bad input.
    """
    from agent_reasoning.commands.solve import solve as run

    response = run(file.read(), models, device, request)
    if as_json:
        click.echo(response.model_dump_json(indent=1))
    else:
        state = "verified" if response.verified else "NOT verified"
        click.echo(response.answer)
        click.echo(f"({state}; {response.source}; {response.steps} steps; {response.duration_ms:.1f} ms)", err=True)
    sys.exit(VERIFIED if response.verified else NOT_VERIFIED)


@main.command()
@click.argument("task")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Length of the whole run; default 15, or the resumed run's.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N")
@click.option("--resume", is_flag=True, help="Go on with the last run of this task.")
@click.option("--seed", type=click.IntRange(0), help="Default 0, or the resumed run's.")
@click.option("--max-steps", type=click.IntRange(1, 64), help="The bundle's own step limit; default: the task's.")
@click.option(
    "--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs are saved."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Where the bundle goes.",
)
@click.option(
    "--held-out",
    type=click.IntRange(1),
    default=2000,
    show_default=True,
    help="Instances a size, to calibrate and to measure.",
)
@click.option("--puzzles", type=click.Path(path_type=Path), help="sudoku: a file of puzzles, one a line (.gz too).")
def train(**options: Any) -> None:
    """Train the model of TASK and write its bundle. Ctrl-C saves the run; --resume goes on."""
    from agent_reasoning.commands.train import train as run

    run(**options)


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--held-out", type=click.IntRange(1), default=2000, show_default=True, help="Instances a size.")
def calibrate(bundle: Path, held_out: int) -> None:
    """Fit and measure the confidence of BUNDLE anew (a directory), as after a change of its task."""
    from agent_reasoning.commands.calibrate import calibrate as run

    run(bundle, held_out)


@main.command()
@click.argument("task", required=False)
@click.option("--all", "every", is_flag=True, help="Every model beside its baseline and its rivals.")
@click.option(
    "--models", type=click.Path(path_type=Path), help="Bundles, or a published checkpoint; default: those that ship."
)
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True, help="Instances a size.")
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(1),
    multiple=True,
    help="A problem size (may be repeated); default: the task's.",
)
@click.option("--max-steps", type=click.IntRange(1, 64), help="Refinement steps; default: the bundle's own.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the figures there, too.")
@click.option(
    "--puzzles",
    type=click.Path(path_type=Path),
    multiple=True,
    help="sudoku: a file of puzzles, one a line (.gz too); with --search it may be repeated.",
)
@click.option("--search", is_flag=True, help="Through the engine, by samples: what more trajectories bring and cost.")
@click.option(
    "--samples",
    type=click.IntRange(1, 64),
    multiple=True,
    help="With --search: trajectories (may be repeated); default 1, 4, 16 and 64.",
)
@click.option(
    "--together",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="With --search: problems under way at once; more are faster, but the seconds are then not a lone caller's.",
)
@click.option("--untrained", is_flag=True, help="With --search or --all: beside the same search by untrained weights.")
@click.option("--published", is_flag=True, help="A published checkpoint as its authors evaluate: all steps, no stop.")
@click.option("--int8", is_flag=True, help="A published checkpoint with int8 weights, on CPU.")
def evaluate(
    every: bool, search: bool, samples: tuple[int, ...], together: int, untrained: bool, **options: Any
) -> None:
    """Measure the model of TASK on fresh instances: accuracy, cost, and how good its confidence is."""
    if every == bool(options["task"]):
        raise click.UsageError("Name a TASK, or say --all.")
    if not search and (samples or together > 1 or len(options["puzzles"]) > 1):
        raise click.UsageError("--samples, --together and several --puzzles go with --search.")
    if untrained and not (search or every):
        raise click.UsageError("--untrained goes with --search or --all.")
    if search and (every or options["published"] or options["int8"]):
        raise click.UsageError("--search is for one TASK and our own models.")
    if search:
        from agent_reasoning.commands.search import search as run_search

        names = ("task", "models", "count", "sizes", "max_steps", "seed", "device", "puzzles")
        wanted = {name: options[name] for name in names}
        figures = run_search(**wanted, samples=samples, together=together, with_untrained=untrained)
    elif every:
        from agent_reasoning.commands.compare import evaluate_all

        models, count, seed, device = (options[name] for name in ("models", "count", "seed", "device"))
        figures = evaluate_all(models, count, seed, device, with_untrained=untrained)
    else:
        from agent_reasoning.commands.evaluate import evaluate as run

        figures = run(**options | {"puzzles": next(iter(options["puzzles"]), None)})
    if options["json_path"]:
        options["json_path"].write_text(json.dumps(figures, indent=1) + "\n")


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)
