"""`agent-reasoning solve`: a file's problem, solved here or by a service."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import click

from agent_reasoning.commands.reading import as_request
from agent_reasoning.schemas import ReasonResponse


def solve(
    file: BinaryIO, options: dict[str, Any], url: str | None, models: Path | None, device: str, *, watch: bool
) -> ReasonResponse:
    """`options`: fields of the request that outrank the file's, where they are not None. Raises the package's errors."""
    if file.isatty():
        click.echo("Type or paste a problem (JSON, YAML or text), then Ctrl-D.", err=True)
    request = as_request(file.read(), options)
    if watch:
        from agent_reasoning.commands.watching import watching

        watched: Any = watching(request)
    else:
        watched = nullcontext()
    with watched as show:
        if url:
            from agent_reasoning.commands import remote

            return remote.solve(url, request, show)
        from agent_reasoning.commands import local

        return local.solve(request, models, device, show)


def print_response(response: ReasonResponse, *, as_json: bool) -> None:
    """The answer on standard output; whether it is verified, beside it, where it does not get into a file."""
    if as_json:
        click.echo(response.model_dump_json(indent=1))
        return
    click.echo(response.answer)
    sys.stdout.flush()  # before what is said of it
    state = "verified" if response.verified else "NOT verified"
    click.echo(f"({state}; {response.source}; {response.steps} steps; {response.duration_ms:.1f} ms)", err=True)
