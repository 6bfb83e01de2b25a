"""`python -m benchmarks.hostile`: starts the service, gives it the corpus, and prints what became of each as a table; with
`--write docs/functions.md` into that page, between its markers."""

import argparse
import sys
from pathlib import Path

from agent_reasoning.service.keys import new_key
from benchmarks.hostile.corpus import CORPUS
from benchmarks.hostile.run import run
from tests.live import serving

BEGIN, END = (
    "<!-- hostile code: made by `python -m benchmarks.hostile --write docs/functions.md` -->",
    "<!-- end of hostile code -->",
)
CODE, TOLD = 72, 96  # characters that are shown


def cell(text: str, most: int) -> str:
    line = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text.replace("|", "¦"))
    return line if len(line) <= most else line[: most - 1] + "…"


def table(outcomes: list, seen: object) -> str:
    rows = ["| | code | what became of it | ms |", "|---|---|---|---|"]
    for outcome in outcomes:
        code = cell(" ⏎ ".join(line.strip() for line in outcome.case.code.strip().split("\n")), CODE).replace("`", "'")
        told = cell(outcome.told, TOLD).replace("`", "'")
        rows.append(f"| {outcome.case.kind} | `{code}` | {told} | {outcome.seconds * 1000:.0f} |")
    rows += [
        "",
        f"Meanwhile the service was asked for its health and for an answer {seen.asked} times: {len(seen.failures)} failures.",
    ]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    write = parser.parse_args().write
    key, line = new_key("hostile")
    with serving(FUNCTIONS_ENABLED="true", API_KEYS=line, LOG_LEVEL="error") as (_, url):
        outcomes, seen = run(url, key, CORPUS)
    text = table(outcomes, seen)
    if write is None:
        print(text)
    else:
        before, _, rest = write.read_text().partition(BEGIN)
        write.write_text(before + BEGIN + "\n" + text + "\n" + END + rest.partition(END)[2])
    wrong = [outcome for outcome in outcomes if not outcome.as_expected]
    for outcome in wrong:
        print(f"NOT AS EXPECTED: {outcome}", file=sys.stderr)
    sys.exit(1 if wrong or seen.failures else 0)


if __name__ == "__main__":
    main()
