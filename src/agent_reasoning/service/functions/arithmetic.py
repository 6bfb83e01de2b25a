"""`calculate`: arithmetic by simpleeval, exact where it can be, and bounded by construction.

No clock is needed: an expression has at most MAX_EXPRESSION characters, nothing in it but numbers, operators and the
functions below, and no number on the way may take more than MAX_BITS bits.
"""

import ast
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from simpleeval import InvalidExpression, SimpleEval

from agent_reasoning.errors import FunctionFailed

MAX_EXPRESSION = 500
MAX_BITS = 8192  # 2,467 digits: Python writes no more than 4,300 of an integer
Number = Fraction | float


def calculate(expression: str) -> int | float:
    """The value of `expression`: an int where it is whole, else the nearest float. Raises FunctionFailed.

    Numbers are taken as written and computed with as fractions, so that 0.1 + 0.2 is 0.3. `^` is a power, as `**`.
    """
    return presented(evaluated(expression))


def evaluated(expression: str) -> Number:
    """The value before it is rounded to what JSON holds: a Fraction is exact, a float came from a function such as sqrt."""
    if len(expression) > MAX_EXPRESSION:
        raise FunctionFailed(f"The expression has {len(expression)} characters; at most {MAX_EXPRESSION} are read.")
    if not expression.isascii() or any(letter in expression for letter in "'\"\\#;=\n"):
        raise FunctionFailed("An expression has numbers, + - * / // % ** ^, parentheses and functions such as sqrt(2).")
    try:
        value: Number = _evaluator().eval(expression.replace("^", "**"))
        return value
    except InvalidExpression as error:
        raise FunctionFailed(f"The expression cannot be computed: {error}") from None
    except SyntaxError as error:
        raise FunctionFailed(f"The expression cannot be read: {error.msg}, at character {error.offset}.") from None
    except ZeroDivisionError:
        raise FunctionFailed("The expression divides by zero.") from None
    except OverflowError:
        raise FunctionFailed("The expression holds a number that is too large.") from None
    except (RecursionError, MemoryError):
        raise FunctionFailed("The expression is nested too deeply.") from None
    except (ValueError, TypeError) as error:
        raise FunctionFailed(f"The expression has no value: {error}.") from None


def presented(value: Number) -> int | float:
    """As JSON holds it. Raises FunctionFailed where it is beyond what a float holds."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    try:
        nearest = float(value)
    except OverflowError:
        raise FunctionFailed("The result is too large.") from None
    if value and not nearest:
        raise FunctionFailed("The result is too small: the nearest float is 0.")
    return nearest


def _bounded(value: Any) -> Number:
    """Every number on the way passes here."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise OverflowError
        return value
    if isinstance(value, complex):
        raise ValueError("it is no real number")
    fraction = Fraction(value)
    if max(fraction.numerator.bit_length(), fraction.denominator.bit_length()) > MAX_BITS:
        raise OverflowError
    return fraction


def _power(base: Number, exponent: Number) -> Number:
    if not (isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1):
        return _bounded(float(base) ** float(exponent))
    if abs(base) in (0, 1) and exponent:  # by the exponent's parity: it may be of any length
        if base == 0 and exponent < 0:
            raise ZeroDivisionError
        return base ** (2 + int(exponent % 2))
    # Refused before it is computed: each factor beyond the first bit of the base adds as many bits again.
    width = max(base.numerator.bit_length(), base.denominator.bit_length())
    if (width - 1) * abs(exponent) > MAX_BITS:
        raise OverflowError
    return _bounded(base ** int(exponent))


OPERATORS: dict[type, Callable[..., Number]] = {
    ast.Add: lambda a, b: _bounded(a + b),
    ast.Sub: lambda a, b: _bounded(a - b),
    ast.Mult: lambda a, b: _bounded(a * b),
    ast.Div: lambda a, b: _bounded(a / b),
    ast.FloorDiv: lambda a, b: _bounded(a // b),
    ast.Mod: lambda a, b: _bounded(a % b),
    ast.Pow: _power,
    ast.USub: lambda a: -a,
    ast.UAdd: lambda a: a,
}
FUNCTIONS: dict[str, Callable[..., Number]] = {
    "sqrt": lambda x: _root(x),
    "abs": lambda x: abs(x),
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "floor": lambda x: _bounded(math.floor(x)),
    "ceil": lambda x: _bounded(math.ceil(x)),
    "round": lambda x, *digits: _rounded(x, *digits),
    "exp": lambda x: _bounded(math.exp(x)),
    "log": lambda *numbers: _bounded(math.log(*numbers)),
    "log10": lambda x: _bounded(math.log10(x)),
    "sin": lambda x: math.sin(x),
    "cos": lambda x: math.cos(x),
    "tan": lambda x: math.tan(x),
}
NAMES = {"pi": math.pi, "e": math.e}


def _root(x: Number) -> Number:
    """Exact where the root is a fraction."""
    if isinstance(x, Fraction) and x >= 0:
        root = Fraction(math.isqrt(x.numerator), math.isqrt(x.denominator))
        if root * root == x:
            return root
    return _bounded(math.sqrt(x))


def _rounded(x: Number, digits: Number = Fraction(0)) -> Number:
    places = int(digits)
    if places != digits or abs(places) > 300:
        raise ValueError("round takes a whole number of digits, at most 300")
    return _bounded(round(x, places))


def _evaluator() -> SimpleEval:
    evaluator = SimpleEval(operators=OPERATORS, functions=FUNCTIONS, names=NAMES)
    allowed = (ast.Expr, ast.UnaryOp, ast.BinOp, ast.Call, ast.Name)
    evaluator.nodes = {kind: evaluator.nodes[kind] for kind in allowed} | {ast.Constant: _literal}
    return evaluator


def _literal(node: ast.Constant) -> Number:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidExpression(f"{value!r:.40} is no number.")
    return _bounded(Fraction(str(value)) if math.isfinite(value) else value)  # as it was written: 0.1 is a tenth
