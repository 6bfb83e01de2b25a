"""Which of many labelled things a selector means.

Sets of things are bits of one whole number, so that a selector costs a few operations however many things there are, and is
evaluated once however often it is used.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from agent_reasoning.errors import InvalidContext

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
MOST_COMPARED = 1_000_000
"""Label values that Gt and Lt look at in all: these alone take as long as there are things, for each selector anew."""


@dataclass(frozen=True, slots=True)
class Expression:
    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.operator == "In" and len(self.values) == 1:
            return f"{self.key}={self.values[0]}"
        values = f" {', '.join(self.values[:4])}{', …'[: 3 * (len(self.values) > 4)]}" if self.values else ""
        return f"{self.key} {self.operator}{values}"


def equals(labels: Mapping[str, str]) -> tuple[Expression, ...]:
    return tuple(Expression(key, "In", (value,)) for key, value in sorted(labels.items()))


class LabelIndex:
    """The things are the labels' positions."""

    def __init__(self, labels: Sequence[Mapping[str, str]]) -> None:
        self.everything = (1 << len(labels)) - 1
        self._holders: dict[str, dict[str, list[int]]] = {}
        for thing, of in enumerate(labels):
            for key, value in of.items():
                self._holders.setdefault(key, {}).setdefault(value, []).append(thing)
        self._known: dict[Expression, int] = {}
        self._compared = 0

    def matching(self, expressions: Iterable[Expression]) -> int:
        """Those that match all of them. Raises InvalidContext for an expression that Kubernetes has not."""
        found = self.everything
        for expression in expressions:
            if expression not in self._known:
                self._known[expression] = self._evaluate(expression)
            found &= self._known[expression]
        return found

    def _evaluate(self, expression: Expression) -> int:
        """https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors: what has no such label
        matches NotIn, too."""
        holders = self._holders.get(expression.key, {})
        match expression.operator:
            case "In":
                return bits(thing for value in set(expression.values) for thing in holders.get(value, ()))
            case "NotIn":
                return self.everything & ~self._evaluate(Expression(expression.key, "In", expression.values))
            case "Exists":
                return bits(thing for things in holders.values() for thing in things)
            case "DoesNotExist":
                return self.everything & ~self._evaluate(Expression(expression.key, "Exists"))
            case "Gt" | "Lt":
                return self._compare(expression, holders)
        raise InvalidContext(f"{str(expression)[:80]!r}: there are the operators {', '.join(OPERATORS)}.")

    def _compare(self, expression: Expression, holders: Mapping[str, list[int]]) -> int:
        self._compared += len(holders)
        if self._compared > MOST_COMPARED:
            raise InvalidContext("There are too many different selectors with Gt and Lt, over too many label values.")
        edge = _whole(expression.values[0]) if len(expression.values) == 1 else None
        if edge is None:
            raise InvalidContext(f"{str(expression)[:80]!r}: {expression.operator} takes one whole number.")
        greater = expression.operator == "Gt"
        return bits(
            thing
            for value, things in holders.items()
            if (number := _whole(value)) is not None and (number > edge if greater else number < edge)
            for thing in things
        )


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else None


def bits(things: Iterable[int]) -> int:
    found = 0
    for thing in things:
        found |= 1 << thing
    return found


def members(found: int, things: Sequence[int]) -> tuple[int, ...]:
    """The things whose bits are set."""
    packed = np.frombuffer(found.to_bytes((len(things) + 7) // 8, "little"), np.uint8)
    return tuple(compress(things, np.unpackbits(packed, bitorder="little").tobytes()))
