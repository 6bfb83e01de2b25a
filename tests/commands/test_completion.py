"""Completion, by the shells themselves where they are there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.running import run
from tests.live import environment

BASH = """\
eval "$(agent-reasoning completion bash)"
COMP_WORDS=(agent-reasoning {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_agent_reasoning_completion agent-reasoning
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """\
compdef() {{ :; }}
compadd() {{ while (( $# )) && [[ $1 != -a ]]; do shift; done; printf '%s\\n' "${{(P@)2}}"; }}
_describe() {{ printf '%s\\n' "${{(P@)3%%:*}}"; }}
eval "$(agent-reasoning completion zsh)"
words=(agent-reasoning {words}); CURRENT=$#words
_agent_reasoning_completion
"""
FISH = """\
agent-reasoning completion fish | source
complete -C "agent-reasoning {words}" | string split -f1 \\t
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@pytest.mark.parametrize("shell", SCRIPTS)
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("so", ["solve"]),
        ("tasks ro", ["rollout", "root-cause"]),
        ("solve --sa", ["--samples"]),
        ("completion f", ["fish"]),
    ],
)
def test_a_shell_completes(shell, words, found):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{Path(sys.executable).parent}:{environment()['PATH']}"

    done = subprocess.run(
        [shell, "-c", SCRIPTS[shell].format(words=words)], env={**environment(), "PATH": path}, capture_output=True,
        text=True, timeout=280, check=False,
    )  # fmt: skip

    assert [line.strip() for line in done.stdout.splitlines() if line.strip()] == found, done.stderr


def test_a_shell_that_is_not_known_is_answered_with_those_that_are():
    done = run("completion", "tcsh")

    assert done.returncode == 2
    assert "bash" in done.stderr
