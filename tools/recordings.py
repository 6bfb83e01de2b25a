"""The recordings of commands in docs/: each `$ agent-reasoning …` in a console block with what it prints after it.

python -m tools.recordings          # record them anew
python -m tools.recordings --check  # say which differ (times aside)
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "docs" / "cli.md", ROOT / "docs" / "getting-started.md", ROOT / "docs" / "tasks.md")
BLOCK = re.compile(r"(?<=```console\n)(\$ (agent-reasoning [^\n]+)\n)((?!\$ )[^`]+)(?=```)")
CHANGING = re.compile(r"\d+\.\d+(?= ms)")


def printed(command: str) -> str:
    """Both outputs, as a terminal would show them, but for what only a terminal gets."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "120"}
    done = subprocess.run(
        ["bash", "-c", f"{command} 2>&1"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def recordings(page: Path) -> list[tuple[str, str]]:
    """(command, what the page says that it prints)"""
    return [(match[2], match[3]) for match in BLOCK.finditer(page.read_text())]


def comparable(output: str) -> str:
    return CHANGING.sub("…", output)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = 0
    for page in PAGES:
        if not check:
            page.write_text(BLOCK.sub(lambda match: match[1] + printed(match[2]), page.read_text()))
            continue
        for command, said in recordings(page):
            if comparable(printed(command)) != comparable(said):
                stale += 1
                print(f"{page.name}: {command} prints something else by now")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
