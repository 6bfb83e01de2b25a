"""Kubernetes' quantities (`500m`, `1.5`, `4Gi`, `1e3`) as whole numbers of a least unit, exactly.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/. A fraction of a unit is rounded up, as
`resource.Quantity` does: 100.5 bytes are 101.
"""

import json
import re
from collections.abc import Callable, Collection
from fractions import Fraction
from functools import lru_cache
from math import ceil, isfinite
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

RESOURCES = ("cpu", "memory", "gpu")
LEAST = {"cpu": 1000, "memory": 1, "gpu": 1000}
"""How many of the least unit there are in one: millicores, bytes, thousandths of a GPU."""
MOST = 2**49
"""Of the least unit (512Ti of memory): 10,000 of these are less than 2**63."""
LONGEST = 64  # characters; Kubernetes' own are shorter than 20
STEEPEST = 200
"""An exponent beyond it says as much as this one: a number of LONGEST digits is then too large, or next to nothing."""

ALLOWED = (
    "a number that is not negative, with a suffix or none: m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or an exponent, "
    "as in 500m, 1.5, 4Gi or 1e3"
)
SUFFIXES = {
    "": Fraction(1),
    **{name: Fraction(10) ** power for name, power in zip("num", (-9, -6, -3), strict=True)},
    **{name: Fraction(10) ** (3 * power) for power, name in enumerate("kMGTPE", 1)},
    **{f"{name}i": Fraction(1024) ** power for power, name in enumerate("KMGTPE", 1)},
}
FORM = re.compile(r"(\+?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([+-]?[0-9]+)|([numkMGTPE]|[KMGTPE]i)?)")


def least_units(resource: str, value: Any) -> int:
    """How many millicores (cpu), bytes (memory) or thousandths (gpu). Raises ValueError, which says what is allowed."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"a quantity is {ALLOWED}, not {_shown(value)}")
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"a quantity is {ALLOWED}, not {value}")
        value = repr(value)  # the shortest decimal that means this float: what stood in the JSON
    if isinstance(value, int):
        if abs(value) > MOST:  # before it becomes text: that may be long
            raise ValueError(f"a quantity of {resource} is {ALLOWED}, and at most {shown(resource, MOST)}")
        value = str(value)
    return _least_units(resource, value) if len(value) <= LONGEST else _refuse(value)


@lru_cache(4096)
def _least_units(resource: str, text: str) -> int:
    read = FORM.fullmatch(text)
    if read is None:
        return _refuse(text)
    _, number, exponent, suffix = read.groups()
    whole, _, part = number.partition(".")
    amount = Fraction(int(whole + part), 10 ** len(part))
    if exponent is not None:
        amount *= Fraction(10) ** max(-STEEPEST, min(int(exponent), STEEPEST))
    units = ceil(amount * SUFFIXES[suffix or ""] * LEAST[resource])
    if units > MOST:
        raise ValueError(f"{_shown(text)} of {resource} is too much: at most {shown(resource, MOST)} are allowed")
    return units


def _refuse(text: str) -> int:
    raise ValueError(f"a quantity is {ALLOWED}, not {_shown(text)}")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return ascii(value) if len(value) <= 24 else f"{value[:24]!a}… ({len(value)} characters)"
    return "a list or object" if isinstance(value, Collection) else json.dumps(value)


def shown(resource: str, units: int) -> str:
    """For people, rounded to what they read."""
    if resource == "cpu" and 0 < units < 1000:
        return f"{units}m"
    if resource != "memory":
        return f"{units / LEAST[resource]:.15g}"
    power = min(max(0, (units.bit_length() - 1) // 10), 4)
    amount = units / 1024**power
    return f"{amount:.4g}{('', 'Ki', 'Mi', 'Gi', 'Ti')[power]}"


def _of(resource: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        try:
            return least_units(resource, value)
        except ValueError as error:
            # As a ValueError, it would be repeated as "Value error, …".
            raise PydanticCustomError("quantity", "{what}", {"what": str(error)}) from None

    return read


_SCHEMA = WithJsonSchema({"anyOf": [{"type": "string", "maxLength": LONGEST}, {"type": "number", "minimum": 0}]})
Cpu = Annotated[int, BeforeValidator(_of("cpu")), _SCHEMA]
Memory = Annotated[int, BeforeValidator(_of("memory")), _SCHEMA]
Gpu = Annotated[int, BeforeValidator(_of("gpu")), _SCHEMA]
