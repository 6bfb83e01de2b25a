"""What users type. Wires everything; imports torch only in the commands that compute."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem, get_completion_class

from agent_reasoning import __version__
from agent_reasoning.commands.ending import NOT_VERIFIED, VERIFIED, Commands

URL = click.option(
    "--url", envvar="AGENT_REASONING_URL", show_envvar=True,
    help="Ask the service there, with the key in AGENT_REASONING_API_KEY if it wants one; '' for none.",
)  # fmt: skip
MODELS = click.option(
    "--models", type=click.Path(path_type=Path), help="Bundles, or a published checkpoint; default: those that ship."
)
DEVICE = click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N")


def task_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from agent_reasoning.tasks import builtin_tasks

    found = [task.info for task in builtin_tasks().all() if task.info.name.startswith(incomplete)]
    return [CompletionItem(info.name, help=info.summary) for info in found]


def here_or_there(ctx: click.Context) -> None:
    """Raises UsageError where --url is given, and what is for models here."""
    for name in ("models", "device"):
        typed = name in ctx.params and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if typed and ctx.params["url"]:
            raise click.UsageError(f"--{name} is for models here, and --url asks a service.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="agent-reasoning")
def main() -> None:
    """Verified answers to structured problems from tiny recursive models."""
    # Before torch loads: threads that spin while they wait cost the others a hundredfold on a shared machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@main.command()
@click.argument("task", required=False, shell_complete=task_names)
@click.option("--count", type=click.IntRange(1), default=100, show_default=True, help="Requests for each task.")
@click.option("--size", type=click.IntRange(1), help="Of the random problems; default: the task's middle one.")
@click.option("--samples", type=click.IntRange(1, 64), help="Trajectories; default: each model's own number.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@URL
@MODELS
@DEVICE
@click.pass_context
def bench(
    ctx: click.Context, /, as_json: bool, url: str | None, models: Path | None, device: str, **options: Any
) -> None:
    """Measure latency and the share of verified answers on random problems of TASK, or of every task.

    One request at a time. Without --url the engine is asked in this process, without HTTP.
    """
    here_or_there(ctx)
    from agent_reasoning.commands.bench import bench as run

    run(url, models, device, as_json=as_json, **options)


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--held-out", type=click.IntRange(1), default=2000, show_default=True, help="Instances a size.")
@click.option("--fit-on", type=click.IntRange(1), help="Instances a size to fit on; default: as many as to measure.")
def calibrate(bundle: Path, held_out: int, fit_on: int | None) -> None:
    """Fit and measure the confidence of BUNDLE anew (a directory), as after a change of its task."""
    from agent_reasoning.commands.calibrate import calibrate as run

    run(bundle, held_out, fit_on or held_out)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands, options and task names in SHELL.

    \b
    bash:  agent-reasoning completion bash > ~/.local/share/bash-completion/completions/agent-reasoning
    zsh:   agent-reasoning completion zsh > a directory of $fpath, as _agent-reasoning
    fish:  agent-reasoning completion fish > ~/.config/fish/completions/agent-reasoning.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(main, {}, "agent-reasoning", "_AGENT_REASONING_COMPLETE").source())


@main.command("dead-letters")
def dead_letters() -> None:
    """Run the sink for events that could not be delivered; HOST, PORT, LOG_LEVEL and LOG_FORMAT configure it."""
    from agent_reasoning.commands.dead_letters import serve as run

    run()


@main.command()
@click.argument("tasks", metavar="[TASK]...", nargs=-1, shell_complete=task_names)
@click.option("--all", "rivals", is_flag=True, help="The models of all TASKs, or of every task, beside their rivals.")
@MODELS
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
@DEVICE
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
    tasks: tuple[str, ...],
    rivals: bool,
    search: bool,
    samples: tuple[int, ...],
    together: int,
    untrained: bool,
    **options: Any,
) -> None:
    """Measure the model of TASK on fresh instances: accuracy, cost, and how good its confidence is."""
    if len(tasks) != 1 and not rivals:
        raise click.UsageError("Name one TASK, or say --all.")
    if not search and (samples or together > 1 or len(options["puzzles"]) > 1):
        raise click.UsageError("--samples, --together and several --puzzles go with --search.")
    if untrained and not (search or rivals):
        raise click.UsageError("--untrained goes with --search or --all.")
    if search and (rivals or options["published"] or options["int8"]):
        raise click.UsageError("--search is for one TASK and our own models.")
    if search:
        from agent_reasoning.commands.search import search as run_search

        names = ("models", "count", "sizes", "max_steps", "seed", "device", "puzzles")
        wanted = {name: options[name] for name in names}
        figures = run_search(tasks[0], **wanted, samples=samples, together=together, with_untrained=untrained)
    elif rivals:
        from agent_reasoning.commands.compare import evaluate_all

        models, count, seed, device = (options[name] for name in ("models", "count", "seed", "device"))
        figures = evaluate_all(tasks, models, count, seed, device, with_untrained=untrained)
    else:
        from agent_reasoning.commands.evaluate import evaluate as run

        figures = run(tasks[0], **options | {"puzzles": next(iter(options["puzzles"]), None)})
    if options["json_path"]:
        options["json_path"].write_text(json.dumps(figures, indent=1) + "\n")


@main.group()
def keys() -> None:
    """API keys (docs/access.md)."""


@keys.command()
@click.argument("name")
def new(name: str) -> None:
    """Make an API key for the client NAME. It is printed once; the service is given the line, which does not show it."""
    from agent_reasoning.service.keys import new_key

    key, line = new_key(name)
    click.echo(f"key, for the client:          {key}\nline, for API_KEYS_FILE:      {line}")


@main.command()
@URL
@MODELS
@DEVICE
@click.pass_context
def mcp(ctx: click.Context, /, url: str | None, models: Path | None, device: str) -> None:
    """Serve the tasks as tools over MCP, on standard input and output; a host starts it."""
    here_or_there(ctx)
    from agent_reasoning.commands.mcp import relay, serve

    if url:
        relay(url)
    else:
        serve(models, device)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@URL
@MODELS
@click.pass_context
def models(ctx: click.Context, /, as_json: bool, url: str | None, models: Path | None) -> None:
    """List the models: task, parameters, digest, and what their cards say they reach."""
    here_or_there(ctx)
    from agent_reasoning.commands.models import show_models

    show_models(url, models, as_json=as_json)


@main.command()
def serve() -> None:
    """Run the HTTP service; the environment configures it (see the README)."""
    from agent_reasoning.server import serve as run

    run()


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option("--task", help="A task by name; else it is found from the content.", shell_complete=task_names)
@click.option("--question", help="What is wanted, in words.")
@click.option("--samples", type=click.IntRange(1, 64), help="Trajectories; default: the model's own number.")
@click.option("--max-steps", type=click.IntRange(1, 64), help="Refinement steps for each trajectory.")
@click.option("--seed", type=click.IntRange(0), help="Default 0.")
@click.option("--watch", is_flag=True, help="Show the refinement on standard error, slowed down on a terminal.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole response as JSON.")
@URL
@MODELS
@DEVICE
@click.pass_context
def solve(
    ctx: click.Context,
    /,
    file: Any,
    watch: bool,
    as_json: bool,
    url: str | None,
    models: Path | None,
    device: str,
    **request: Any,
) -> None:
    """Solve the problem in FILE (- for standard input): JSON, YAML, or a Sudoku or a maze as text.

    FILE holds a context, or a whole request with `question` and `context`; or what kubectl, docker compose, helm or flux
    print. To a service only what is needed of that is sent: no environment, no annotations, no secrets.

    Exit status: 0 verified, 3 not verified, 2 bad input, 4 no answer (the service cannot be reached, or failed).
    """
    here_or_there(ctx)
    from agent_reasoning.commands.solve import print_response
    from agent_reasoning.commands.solve import solve as run

    response = run(file, request, url, models, device, watch=watch)
    print_response(response, as_json=as_json)
    sys.exit(VERIFIED if response.verified else NOT_VERIFIED)


@main.command()
@click.argument("task", required=False, shell_complete=task_names)
@click.option("--example", is_flag=True, help="Print a request that `solve` takes, alone.")
@click.option("--random", "seed", type=click.IntRange(0), metavar="SEED", help="The same of a random problem.")
@click.option("--size", type=click.IntRange(1), help="Of the random problem; default: the task's middle one.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@URL
def tasks(task: str | None, example: bool, seed: int | None, size: int | None, as_json: bool, url: str | None) -> None:
    """List what can be asked; of TASK, the schema of its context and an example."""
    if not task and (example or seed is not None):
        raise click.UsageError("--example and --random are of one TASK.")
    from agent_reasoning.commands.tasks import show_random, show_task, show_tasks

    if task and seed is not None:
        show_random(task, seed, size)
    elif task:
        show_task(task, url, example=example, as_json=as_json)
    else:
        show_tasks(url, as_json=as_json)


@main.command()
@click.argument("task", shell_complete=task_names)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Length of the whole run; default 15, or the resumed run's.",
)
@DEVICE
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
@click.option(
    "--puzzles",
    type=click.Path(path_type=Path),
    multiple=True,
    help="sudoku: a file of puzzles, one a line (.gz too); may be repeated.",
)
@click.option("--method", type=click.Choice(["recursion", "deduction", "waves"]), help="Default: the task's own.")
@click.option("--batch-size", type=click.IntRange(1), help="Default: the task's, which is for a CPU.")
def train(**options: Any) -> None:
    """Train the model of TASK and write its bundle. Ctrl-C saves the run; --resume goes on."""
    from agent_reasoning.commands.train import train as run

    run(**options)


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)
