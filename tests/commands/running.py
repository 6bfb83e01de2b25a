"""The command line as a process of its own, as somebody types it."""

import os
import pty
import subprocess

from tests.live import command, environment

SUDOKU = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
HARDEST = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
"""Takes the model longer than any test waits."""
STEPS = '{"steps": {"database": [], "api": ["database"]}}'
LONG = ("solve", "-", "--samples", "64", "--max-steps", "64")


def run(*arguments, text=None, timeout=280, **changes):
    return subprocess.run(
        command(*arguments), input=text, env=environment(**changes), capture_output=True, text=True, timeout=timeout,
        check=False,
    )  # fmt: skip


def started(*arguments, **changes):
    """With pipes."""
    return subprocess.Popen(
        command(*arguments), env=environment(**changes), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def on_a_terminal(*arguments, typed=b"", until=b"", then=b"", **changes):
    """(exit status, what the terminal showed): `typed` at once, `then` when `until` has been shown."""
    line, variables = command(*arguments), environment(**{"TERM": "xterm-256color", **changes})
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(line[0], line, variables)
    os.write(terminal, typed)
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
            if then and until in shown:
                os.write(terminal, then)
                then = b""
    except OSError:
        pass  # Linux' end of a terminal whose last process has gone
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()
