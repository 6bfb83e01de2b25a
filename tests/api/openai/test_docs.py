"""docs/agents.md does what it says: each block of Python is run as a program, and the text after it is what it prints."""

import json
import os
import re
import subprocess
import sys

import httpx2
import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "agents.md").read_text()
PROGRAMS = re.findall(r"## ([^\n]*)\n\n```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), [one[1:] for one in PROGRAMS], ids=[one[0] for one in PROGRAMS])
def test_a_program_prints_what_the_page_says(live, code, printed):
    done = subprocess.run(
        [sys.executable, "-c", code.replace("http://localhost:8080", live)],
        env={"PATH": os.environ["PATH"], "OPENAI_AGENTS_DISABLE_TRACING": "1"},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == (printed, "")


def test_the_command_gives_what_the_page_shows(live):
    body = json.loads(re.search(r"localhost:8080/v1/chat/completions [^\n]* -d '(.*?)'\n", PAGE, re.DOTALL).group(1))

    message = httpx2.post(f"{live}/v1/chat/completions", json=body, timeout=120).json()["choices"][0]["message"]

    for shown in (message["content"], message["reasoning_content"]):
        assert json.dumps(shown, ensure_ascii=False) in PAGE
