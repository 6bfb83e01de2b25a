"""docs/client.md does what it says: each block of Python is run as a program, and the text after it is what it prints."""

import inspect
import os
import re
import subprocess
import sys

import pytest

from agent_reasoning.client import exceptions
from agent_reasoning.client.settings import ClientSettings
from tests.client.broker import standing_in
from tests.conftest import ROOT
from tests.live import free_port

PAGE = (ROOT / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_every_block_has_its_output():
    assert len(BLOCKS) == PAGE.count("```python") == 7


@pytest.mark.parametrize(("code", "printed"), BLOCKS)
def test_a_block_prints_what_the_page_says(live, code, printed):
    port = str(free_port())
    with standing_in(live, f"http://127.0.0.1:{port}") as broker:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "REASONING_SERVICE_URL": live,
            "KNATIVE_BROKER_URL": broker.url,
        }
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code.replace("8080", port)],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert (done.stdout.replace(port, "8080"), done.stderr) == (printed, "")


def test_the_table_has_every_exception_with_its_code():
    kinds = [
        kind
        for _, kind in inspect.getmembers(exceptions, inspect.isclass)
        if kind.__module__ == exceptions.__name__ and kind not in (exceptions.ServiceError, exceptions.CallFailed)
    ]
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    table = {}
    for names, codes in rows:
        table |= dict(zip(re.findall(r"`(\w+)`", names), re.findall(r"`([\w-]+)`", codes), strict=False))

    assert kinds
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert {kind.__name__: kind.code for kind in kinds} == {
        name: table.get(name) for name in (k.__name__ for k in kinds)
    }


def test_the_table_has_every_variable():
    named = set(re.findall(r"`([A-Z_]+)`", PAGE.partition("## Environment")[2]))

    assert named == {name.upper() for name in ClientSettings.model_fields}
