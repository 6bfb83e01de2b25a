"""The functions that are there from the start. They run in the process: they are ours, and bounded."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent_reasoning.service.functions.arithmetic import calculate
from agent_reasoning.service.functions.signature import Parameter, Signature, signature

STAND_IN = "Stand-in without network, for trying function calls out: it knows nothing. "


@dataclass(frozen=True)
class Builtin:
    description: str
    signature: Signature
    function: Callable[..., Any]


def get_current_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


def get_weather(location: str) -> str:
    return f"{STAND_IN}The temperature in {location[:200]} is not known; no weather service was asked."


def search_web(query: str) -> str:
    return f"{STAND_IN}Nothing was searched for {query[:200]!r}."


BUILTIN: dict[str, Builtin] = {
    "calculate": Builtin(
        "Computes an arithmetic expression exactly: numbers, + - * / // % ** ^ (a power), parentheses, pi, e, sqrt, abs,"
        " min, max, floor, ceil, round, exp, log, log10, sin, cos, tan.",
        signature([Parameter("expression", str)]),
        calculate,
    ),
    "get_current_time": Builtin(
        "The service's time now, in UTC, as YYYY-MM-DD HH:MM:SS.", signature([]), get_current_time
    ),
    "get_weather": Builtin(
        STAND_IN + "Takes a location as a weather function would.",
        signature([Parameter("location", str)]),
        get_weather,
    ),
    "search_web": Builtin(
        STAND_IN + "Takes a query as a search function would.",
        signature([Parameter("query", str)]),
        search_web,
    ),
}
