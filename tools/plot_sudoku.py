"""docs/sudoku-search.svg: what share of the Sudokus each method verifies, by what it costs.

python -m tools.plot_sudoku

From the figures in benchmarks/results; docs/how-it-reasons.md names the commands that measured them.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SETS = {"17clue_eval": "17 givens", "hardest11_eval": "the hardest known, rated 11 and above"}
DEDUCTION, RECURSION, UNTRAINED = "deduction with branching", "recursion with noise", "deduction, untrained weights"
STYLES = {DEDUCTION: ("#1b7f5c", "o-", 5), RECURSION: ("#3566b0", "s--", -12), UNTRAINED: ("#a03c3c", "x", 5)}
"""Colour, marker and line, and how many points above it a point's text stands."""

Line = dict[str, Any]


def lines(file: str, key: str) -> list[Line]:
    found: list[Line] = json.loads((RESULTS / file).read_text())[key]
    return found


def measured() -> dict[str, list[Line]]:
    """method -> its lines, of all sets"""
    untrained = [line for line in lines("sudoku-untrained.json", "search") if "untrained" in line["who"]]
    return {
        DEDUCTION: lines("sudoku-search.json", "search"),
        RECURSION: lines("sudoku-recursion-search.json", "search"),
        UNTRAINED: untrained,
    }


def labels(found: list[Line]) -> list[tuple[str, float, float]]:
    """Text, cost and share of each point; of points that lie on each other the first's, with the samples of all."""
    apart: list[list[Line]] = []
    for line in found:
        if apart and line["mean_applications"] < 1.15 * apart[-1][0]["mean_applications"]:
            apart[-1].append(line)
        else:
            apart.append([line])
    return [
        ("–".join(dict.fromkeys(str(line["samples"]) for line in (group[0], group[-1]))),
         group[0]["mean_applications"], group[0]["verified"])
        for group in apart
    ]  # fmt: skip


def main() -> None:
    mpl.rcParams.update(
        {
            "svg.hashsalt": "sudoku",
            "svg.fonttype": "none",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    figure, panels = plt.subplots(1, len(SETS), figsize=(9.6, 3.6), sharey=True, layout="constrained")
    for panel, (file, title) in zip(panels, SETS.items(), strict=True):
        for method, found in measured().items():
            here = sorted(
                (line for line in found if line["instances_of"].startswith(file)), key=lambda line: line["samples"]
            )
            if not here:
                continue
            color, style, above = STYLES[method]
            costs, shares = [line["mean_applications"] for line in here], [line["verified"] * 100 for line in here]
            fewest, most = min(line["instances"] for line in here), max(line["instances"] for line in here)
            puzzles = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
            panel.plot(costs, shares, style, color=color, label=f"{method} ({puzzles})")
            for samples, cost, share in labels(here):
                panel.annotate(
                    samples, (cost, share * 100), (0, above), textcoords="offset points", ha="center", color=color
                )
        panel.set(title=title, xlabel="network applications a puzzle, mean", xscale="log", ylim=(-12, 112))
        panel.legend(frameon=False, loc="center right", fontsize=8)
    panels[0].set_ylabel("verified, %; beside each point its samples")
    figure.savefig(ROOT / "docs" / "sudoku-search.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
