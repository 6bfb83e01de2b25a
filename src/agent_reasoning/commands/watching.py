"""The refinement while it runs, on standard error: a picture on a terminal, else a line a step."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from agent_reasoning.errors import ReasoningError
from agent_reasoning.schemas import Narrowing, StreamedStep

HOLD_SECONDS = 0.12  # a step takes a millisecond: nobody would see it
MOST_SECONDS = 4.0  # of all that holding; a long search goes on at its own speed
LEVELS = "▁▂▃▄▅▆▇█"
CURVES = 6  # samples that are shown
AROUND = 8  # lines of a terminal that are not for the answer

Words = Callable[[dict[str, Any]], str | None]


@contextmanager
def watching(request: dict[str, Any]) -> Iterator[Callable[[StreamedStep], None]]:
    """Yields what is to be called with each step as it is judged. `request`: the body that is being answered."""
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield lambda step: print_line(console, step)
        return
    picture = Picture(in_words(request), console)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        held = 0.0

        def show(step: StreamedStep) -> None:
            nonlocal held
            picture.add(step)
            live.update(picture.render(), refresh=True)
            if held < MOST_SECONDS:
                held += HOLD_SECONDS
                time.sleep(HOLD_SECONDS)

        yield show
    console.print(picture.summary())


def print_line(console: Console, step: StreamedStep) -> None:
    sample = f" sample {step.sample}" if step.sample else ""
    state = "verified" if step.verified else "not verified"
    narrowed = "" if step.narrowing is None else f"{narrowing_in_words(step.narrowing)}, "
    console.print(
        f"step {step.step}{sample}: {narrowed}{step.changed} changed, confidence {step.confidence:.3f}, {state}:"
        f" {step.intermediate_answer}",
        soft_wrap=True, markup=False, highlight=False,
    )  # fmt: skip


def narrowing_in_words(narrowing: Narrowing) -> str:
    """What a step of a model that deduces came to."""
    if narrowing.event == "guessed":
        return "guessed"
    if narrowing.event == "dead_end":
        return "dead end, went back"
    return f"{narrowing.removed} {'candidate' if narrowing.removed == 1 else 'candidates'} removed"


def in_words(request: dict[str, Any]) -> Words:
    """What says a solution as the task does. A service may know tasks that are not known here: then nothing does."""
    from agent_reasoning.tasks import builtin_tasks

    registry = builtin_tasks()
    try:
        name, context, question = request.get("task"), request["context"], request["question"]
        task = (
            registry.get(name) if name else registry.find(context, question, request.get("task_type", "general")).task
        )
        instance = task.read(context, question)
    except ReasoningError:
        return lambda solution: None
    return lambda solution: task.describe(instance, solution)


@dataclass
class Picture:
    """Curves of confidence, and the answer of the sample that is ahead, with what its last step changed."""

    words: Words
    console: Console
    steps: dict[int, list[StreamedStep]] = field(default_factory=dict)
    """By sample."""

    def add(self, step: StreamedStep) -> None:
        self.steps.setdefault(step.sample, []).append(step)

    @property
    def ahead(self) -> list[StreamedStep]:
        return max(self.steps.values(), key=lambda steps: (steps[-1].verified, steps[-1].confidence))

    def render(self) -> RenderableType:
        ahead = self.ahead
        now = ahead[-1]
        state = ("verified", "bold green") if now.verified else ("not verified yet", "yellow")
        title = Text.assemble((f"Step {now.step}", "bold"), f", {now.changed} changed, ", state)
        if now.narrowing is not None:
            title.append(f"; {narrowing_in_words(now.narrowing)}, {now.narrowing.undecided} undecided")
        answer = self._answer(now)
        before = self._answer(ahead[-2]) if len(ahead) > 1 else answer
        lines = answer.splitlines()[: max(3, self.console.height - AROUND)]
        return Group(title, *self._curves(), Text(), *map(marked, lines, padded(before.splitlines(), len(lines))))

    def _answer(self, step: StreamedStep) -> str:
        return self.words(step.solution) or step.intermediate_answer

    def _curves(self) -> Iterator[Text]:
        best = sorted(self.steps.items(), key=lambda item: item[1] is not self.ahead)[:CURVES]
        for sample, steps in best:
            name = f"sample {sample} " if len(self.steps) > 1 else ""
            yield Text(f"{name}confidence {curve(steps, self.console.width - 40)} {steps[-1].confidence:.3f}")
        if len(self.steps) > CURVES:
            yield Text(f"and {len(self.steps) - CURVES} more samples")

    def summary(self) -> Text:
        """What stays on the terminal."""
        if not self.steps:
            return Text("No step was taken.")
        return Text(f"confidence {curve(self.ahead, self.console.width - 40)}  {len(self.ahead)} steps")


def curve(steps: list[StreamedStep], width: int) -> str:
    return "".join(LEVELS[min(7, int(step.confidence * 8))] for step in steps[-max(8, width) :])


def padded(lines: list[str], count: int) -> list[str]:
    return [*lines, *[""] * max(0, count - len(lines))][:count]


def marked(line: str, before: str) -> Text:
    """The line, with the words that are others than before."""
    text, old = Text(no_wrap=True, overflow="ellipsis"), before.split(" ")
    for number, word in enumerate(line.split(" ")):
        changed = number >= len(old) or old[number] != word
        text.append(" " * (number > 0))
        text.append(word, "bold magenta" if changed else "")
    return text
