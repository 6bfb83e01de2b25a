"""Draws how a Sudoku is solved: the candidates that are left at some of the steps, as docs/how-it-reasons.md shows them.

    python -m tools.trace_sudoku [--puzzle 81CHARACTERS] [--models models] [--svg docs/how-it-reasons.svg]

Prints the steps as a Markdown table. One trajectory, as `samples: 1` runs it, but without a limit of steps.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent_reasoning.engine.deduction import Deduction, Narrowing, Opinion
from agent_reasoning.engine.evidence import Evidence
from agent_reasoning.engine.loading import load_model
from agent_reasoning.evaluation.trajectories import Alone
from agent_reasoning.tasks import verdict_on
from agent_reasoning.tasks.sudoku import Sudoku

HARD = "........1..1..2.3..4..5.6.....7.5....5..6.8..7..3....2.6.....9.4.5.9....8....64.."
MOST_STEPS = 4096
ENDS = 12  # steps at either end of the table
SIDE, GAP, TITLE = 198, 26, 22  # of one grid, in pixels
STYLE = """<style>
 text { font-family: ui-monospace, monospace; text-anchor: middle; dominant-baseline: central; fill: #1c2733 }
 .title { font: 12px system-ui, sans-serif; text-anchor: start }
 .given { font-size: 15px; font-weight: 700 } .found { font-size: 15px; fill: #1668b8 } .left { font-size: 6px; fill: #5b6b7b }
 rect { fill: #fff } .thin { stroke: #c3ccd5; stroke-width: .5 } .thick { stroke: #1c2733; stroke-width: 1.2 }
 @media (prefers-color-scheme: dark) {
  rect { fill: #10171f } text { fill: #e6edf3 } .found { fill: #6cb6ff } .left { fill: #8b98a5 }
  .thin { stroke: #36424f } .thick { stroke: #e6edf3 } }
</style>"""


@dataclass(frozen=True)
class Moment:
    """One step: what was left before it, and what came of it."""

    step: int
    candidates: NDArray[np.bool_]
    confidence: float
    narrowing: Narrowing | None


def moments(puzzle: str, models: Path) -> list[Moment]:
    """Raises ValueError where the model does not deduce, or does not find the answer."""
    task, model = Sudoku(), load_model(models / "sudoku", "cpu")
    if model.deduction is None:
        raise ValueError(f"{models / 'sudoku'} holds a model that does not deduce")
    instance = task.read({"puzzle": puzzle})
    problem = task.encode(instance)
    refinement, tree = model.begin([problem]), Deduction(problem.candidates, model.deduction)
    found: list[Moment] = []
    while len(found) < MOST_STEPS:
        tree.place(tree.staff([Alone(0)]), 0, refinement)
        before = tree.at[0].candidates
        refined = refinement.step()
        assert refined.logits is not None
        opinion = Opinion(refined.logits[0], float(refined.q_halt_logits[0]))
        solved = verdict_on(task, instance, refined.choices[0]).valid
        confidence = model.confidence(Evidence(opinion.belief, len(found) + 1))
        if solved:
            answered = np.zeros_like(before)
            answered[np.arange(len(before)), refined.choices[0]] = True
            found += [Moment(len(found) + 1, before, confidence, None), Moment(len(found) + 2, answered, 1.0, None)]
            return found
        found.append(Moment(len(found) + 1, before, confidence, tree.follow(0, opinion)))
    raise ValueError(f"not solved in {MOST_STEPS} steps")


def chosen(found: list[Moment]) -> list[Moment]:
    """The first two, the last two, and others between them."""
    last = len(found) - 1
    return [found[at] for at in sorted({0, min(1, last), last // 3, 2 * last // 3, max(0, last - 1), last})]


def title(moment: Moment, last: bool) -> str:
    if last:
        return "verified"
    return f"before step {moment.step}: {int((moment.candidates.sum(1) > 1).sum())} cells open"


def draw(puzzle: str, shown: list[Moment]) -> str:
    columns = 3
    rows = -(-len(shown) // columns)
    width, height = columns * (SIDE + GAP) - GAP + 8, rows * (SIDE + GAP + TITLE) - GAP + 8
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
             STYLE, f'<rect width="{width}" height="{height}"/>']  # fmt: skip
    for number, moment in enumerate(shown):
        left = 4 + number % columns * (SIDE + GAP)
        top = 4 + number // columns * (SIDE + GAP + TITLE)
        parts.append(f'<text class="title" x="{left}" y="{top + 10}">{title(moment, moment is shown[-1])}</text>')
        parts.append(f'<g transform="translate({left},{top + TITLE})">{grid(puzzle, moment)}</g>')
    return "\n".join([*parts, "</svg>\n"])


def grid(puzzle: str, moment: Moment) -> str:
    cell, parts = SIDE / 9, []
    for line in range(10):
        kind, at = ("thick" if line % 3 == 0 else "thin"), round(line * cell, 1)
        parts.append(f'<path class="{kind}" d="M{at} 0V{SIDE}M0 {at}H{SIDE}"/>')
    for number, candidates in enumerate(moment.candidates):
        row, column = divmod(number, 9)
        digits = np.flatnonzero(candidates)
        if len(digits) == 1:
            kind = "given" if puzzle[number] not in ".0" else "found"
            x, y = (column + 0.5) * cell, (row + 0.5) * cell
            parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{digits[0] + 1}</text>')
            continue
        for digit in digits:
            x, y = (column + (digit % 3 + 0.5) / 3) * cell, (row + (digit // 3 + 0.5) / 3) * cell
            parts.append(f'<text class="left" x="{x:.1f}" y="{y:.1f}">{digit + 1}</text>')
    return "".join(parts)


def table(found: list[Moment]) -> str:
    lines = [
        "| step | what came of it | removed | cells open | guesses deep | confidence |",
        "|---|---|---|---|---|---|",
    ]
    steps = found[:-1]
    for moment in steps if len(steps) <= 2 * ENDS + 1 else [*steps[:ENDS], None, *steps[-ENDS:]]:
        if moment is None:
            lines.append(f"| … | {summary(steps[ENDS:-ENDS])} | | | | |")
            continue
        step = moment.narrowing
        what = (
            "verified" if step is None else step.event.replace("_", " ") + (f", tree {step.tree}" if step.tree else "")
        )
        counts = ("", "", "") if step is None else (step.removed, step.undecided, step.depth)
        lines.append(f"| {moment.step} | {what} | {' | '.join(map(str, counts))} | {moment.confidence:.3f} |")
    return "\n".join(lines)


def summary(steps: list[Moment]) -> str:
    events = [moment.narrowing.event for moment in steps if moment.narrowing]
    return f"{len(steps)} steps more: {events.count('guessed')} guesses, {events.count('dead_end')} dead ends"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--puzzle", default=HARD)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    found = moments(options.puzzle, options.models)
    if options.svg:
        options.svg.write_text(draw(options.puzzle, chosen(found)))
    print(table(found))


if __name__ == "__main__":
    main()
