"""What checks `calculate`: the same arithmetic a second time, by precedence climbing over fractions (Dijkstra's and
Pratt's method), which shares no code with it. It also decides what is arithmetic at all.
"""

import re
from fractions import Fraction

MAX_BITS = 16_384  # of a power; more than `calculate` allows itself
TOKEN = re.compile(r"\s*(?:((?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?![0-9.]))|(\*\*|[-+*/^()]))")
BINARY = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4, "^": 4}
SIGN = 3  # binds tighter than a product, looser than a power: -2**2 is -4


class NotArithmetic(ValueError):
    """Not numbers, + - * / ** ^ and parentheses, in an order that has a meaning."""


class NotExact(ArithmeticError):
    """Arithmetic, but without a value among the fractions, or with one that is too long."""


def value_of(text: str) -> Fraction:
    """Raises NotArithmetic, NotExact, ZeroDivisionError; RecursionError for thousands of parentheses."""
    tokens = tokens_of(text)
    value = _climb(tokens, 0)
    if tokens:
        raise NotArithmetic(tokens[0])
    return value


def tokens_of(text: str) -> list[str]:
    """Raises NotArithmetic."""
    found, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise NotArithmetic(text[position:])
        found.append(match[1] or match[2])
        position = match.end()
    return found


def _climb(tokens: list[str], loosest: int) -> Fraction:
    """The value of what begins here, up to an operator that binds less tightly than `loosest`. Takes what it reads."""
    left = _operand(tokens)
    while tokens and BINARY.get(tokens[0], -1) >= loosest:
        operator = tokens.pop(0)
        binding = BINARY[operator]
        right = _climb(
            tokens, SIGN if binding == 4 else binding + 1
        )  # powers group to the right, the others to the left
        left = _apply(operator, left, right)
    return left


def _operand(tokens: list[str]) -> Fraction:
    if not tokens:
        raise NotArithmetic("it ends too early")
    word = tokens.pop(0)
    if word in ("-", "+"):
        value = _climb(tokens, SIGN)
        return -value if word == "-" else value
    if word == "(":
        value = _climb(tokens, 0)
        if not tokens or tokens.pop(0) != ")":
            raise NotArithmetic("a parenthesis is not closed")
        return value
    if not word[0].isdigit():
        raise NotArithmetic(word)
    return Fraction(word)


def _apply(operator: str, left: Fraction, right: Fraction) -> Fraction:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if operator == "/":
        return left / right
    if (
        right.denominator != 1
        or abs(right) * max(left.numerator.bit_length(), left.denominator.bit_length()) > MAX_BITS
    ):
        raise NotExact("a power that is no fraction, or a very long one")
    return left ** int(right)
