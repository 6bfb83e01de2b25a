"""What commands list, for people: a table as wide as it has to be where a program reads it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST = 400  # characters; a pipe has no width


class Output(Console):
    """Standard output. A reader that has gone is told to whoever prints, and not made an exit here."""

    def __init__(self) -> None:
        super().__init__(highlight=False)
        if not self.is_terminal:
            self.width = WIDEST

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str] = ()) -> None:
    """`right`: the columns that hold numbers."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # not markup, whatever a service says
    Output().print(table)


def print_json(data: Any) -> None:
    Output().print_json(json.dumps(data), ensure_ascii=False)
