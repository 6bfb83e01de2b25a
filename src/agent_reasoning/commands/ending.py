"""How a command ends: exit statuses, errors in words, Ctrl-C, and readers that close a pipe."""

import os
import sys
from typing import Any

import click

from agent_reasoning.errors import ReasoningError

VERIFIED, BAD_INPUT, NOT_VERIFIED, NO_ANSWER = 0, 2, 3, 4
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 and the signal's number, as shells have it

UNANSWERED = frozenset(
    (
        "rate-limited", "overloaded", "not-ready", "deadline-exceeded", "engine-failed", "model-missing", "internal",
        "unauthenticated", "unreachable", "timed-out", "stream-broken", "call-failed", "unexpected-reply",
    )
)  # fmt: skip
"""Codes of errors that say nothing against the input."""


def status_of(error: ReasoningError) -> int:
    if error.code == "not-verified":
        return NOT_VERIFIED
    return NO_ANSWER if error.code in UNANSWERED else BAD_INPUT


class Commands(click.Group):
    """Errors of this package are for the person who typed: their text, and an exit status that says whose turn it is."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # here, where a closed pipe can still be told from a failure
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _close(sys.stdout)
            _close(sys.stderr)
            ctx.exit(PIPE_CLOSED)
        except ReasoningError as error:
            click.echo(f"agent-reasoning: {error}{_reference(error)}", err=True)
            ctx.exit(status_of(error))
        except Exception as error:
            if interrupted(error):
                ctx.exit(INTERRUPTED)
            raise


def interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind it: where it comes while a module is imported, Python may wrap it into another."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _reference(error: ReasoningError) -> str:
    """Where the service's log has more, if the fault may be the service's."""
    request_id = getattr(error, "request_id", None)
    return f" (request {request_id})" if request_id and status_of(error) == NO_ANSWER else ""


def _close(stream: Any) -> None:
    """What it still holds goes nowhere, if nobody reads it: Python would complain about that when it ends."""
    try:
        stream.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
