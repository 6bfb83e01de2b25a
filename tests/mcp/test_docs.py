"""docs/mcp.md does what it says."""

import re
import subprocess
import sys

from agent_reasoning.service.settings import Settings
from tests.conftest import ROOT
from tests.live import environment

PAGE = (ROOT / "docs" / "mcp.md").read_text()


def test_the_program_prints_what_the_page_says(live):
    ((code, printed),) = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.replace("http://localhost:8080", live)],
        env=environment(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == (printed, "")


def test_every_setting_is_in_the_table():
    named = set(re.findall(r"^\| `(MCP_\w+)`", PAGE, re.MULTILINE))

    assert named == {name.upper() for name in Settings.model_fields if name.startswith("mcp_")}
