"""docs/: what the pages say that the commands print is what they print."""

import pytest
from click.testing import CliRunner

from agent_reasoning.cli import main
from tests.conftest import ROOT
from tools.recordings import PAGES, comparable, printed, recordings

RECORDED = [recording for page in PAGES for recording in recordings(page)]


def test_there_are_recordings():
    assert len(RECORDED) >= 5


@pytest.mark.parametrize(("command", "said"), RECORDED, ids=[command for command, _ in RECORDED])
def test_a_command_prints_what_the_page_says(command, said):
    assert comparable(printed(command)) == comparable(said), "`python -m tools.recordings` records them anew"


def test_every_command_is_on_the_page():
    page = (ROOT / "docs" / "cli.md").read_text()

    for name in main.commands:
        assert f"`{name}" in page or f", `{name}" in page, name


@pytest.mark.parametrize("name", main.commands)
def test_every_command_has_help(name):
    done = CliRunner().invoke(main, [name, "--help"])

    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 3
