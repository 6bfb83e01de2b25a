"""What long commands show while they run."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from agent_reasoning.training.state import Progress as Now

LOG_SECONDS = 30.0  # between lines where there is no terminal to draw a bar on


@contextmanager
def counting(
    console: Console, total: int, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[str, int], None]]:
    """Yields an observer (what is being done, instances done more) that drives one bar; lines in a log where there is no
    terminal."""
    begun = logged = clock()
    done, turn = 0, threading.Lock()
    with Progress(console=console) as bar:
        line = bar.add_task("", total=total)

        def observe(what: str, more: int) -> None:
            nonlocal done, logged
            with turn:  # measurements tell from several threads
                done += more
                bar.update(line, description=what, completed=done)
                now = clock()
                if not console.is_terminal and now - logged >= LOG_SECONDS:
                    logged = now
                    console.print(f"{now - begun:.0f} s  {done} of {total}  {what}", soft_wrap=True)

        yield observe


class TrainingProgress:
    """A bar with the smoothed loss, exact accuracy and speed; lines in a log where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("train {task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console)
        self._line = self._bar.add_task("", total=1.0)
        self._first: Now | None = None
        self._loss = self._exact = 0.0
        self._logged = 0.0

    def __enter__(self) -> "TrainingProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.stop()

    def observe(self, now: Now) -> None:
        first = self._first = self._first or now
        share = 1.0 if now is first else 0.05
        self._loss += share * (now.loss - self._loss)
        self._exact += share * (now.exact - self._exact)
        speed = (now.instances - first.instances) / max(1e-9, now.seconds - first.seconds)
        words = f"{now.fraction:4.0%}  loss {self._loss:.3f}  exact {self._exact:.1%}  {speed:.0f} instances/s"
        self._bar.update(self._line, completed=now.fraction, description=words)
        if not self._console.is_terminal and now.seconds - self._logged > LOG_SECONDS:
            self._logged = now.seconds
            self._console.print(f"{now.seconds:.0f} s  step {now.step}  {words}")
