"""When a function that the caller offers is called, and with what. No network here writes prose: nothing is guessed.

A function can take the problem (it is a tool that works on it) or the answer (it is how the caller wants to be told). Its
arguments are what is known under the names that its parameters give, and are checked against its schema before it is called.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agent_reasoning.api.openai.conversation import Ask, Offered
from agent_reasoning.api.openai.errors import Refused
from agent_reasoning.api.openai.extraction import Posed
from agent_reasoning.api.openai.structured import Shape
from agent_reasoning.service.functions import Call

WORDS = ("question", "query", "text", "input", "prompt", "message")  # parameters that mean what the user has said
# What SDKs wrap an answer in that is no object of its own.
WRAPPERS = {"response", "result", "answer", "output", "value", "final_answer"}
CONTEXTS = ("context", "problem")


def asking(ask: Ask, posed: Posed | None, task: str | None, computed: Call | None) -> Call | None:
    """The call of a function that takes what was asked: one that is named for it, or where a call is required, any that
    takes it. computed: what a function of ours would be called with. Raises Refused for a schema that cannot be used."""
    offered = ask.callable
    if computed is not None:
        named = [one for one in offered if one.name == computed.name]
        for one in named or (offered if ask.choice.mode == "required" else ()):
            if (arguments := _shape(one).fill(computed.arguments)) is not None and arguments:
                return Call(one.name, arguments)
    if posed is None:
        return None
    named = [one for one in offered if task is not None and is_named_for(one.name, task)]
    call = _first(named, posed, lone=True)
    if call is None and ask.choice.mode == "required":
        call = _first(offered, posed, lone=ask.choice.named)
    return call


def is_named_for(function: str, task: str) -> bool:
    """`solve_sudoku` and `findRootCause` are named for sudoku and root-cause."""
    return set(_words(task)) <= set(_words(function))


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())


def _first(functions: Iterable[Offered], posed: Posed, *, lone: bool) -> Call | None:
    """lone: whether a single parameter of any name takes the context, or the one value in it."""
    context = dict(posed.context)
    data = context | {name: context for name in CONTEXTS if name not in context}
    rest = {name: posed.question for name in WORDS if name not in data and posed.question}
    whole = [*context.values(), context] if len(context) == 1 else [context]
    for function in functions:
        arguments = _shape(function).fill(data | rest, whole if lone else ())
        if arguments and not set(arguments) <= set(rest):  # the words alone are not the problem
            return Call(function.name, arguments)
    return None


def telling(ask: Ask, known: Mapping[str, Any], lone: list[Any]) -> Call | None:
    """The call of a function that takes the answer, where one must be called."""
    if ask.choice.mode != "required":
        return None
    for function in ask.callable:
        arguments = _shape(function).fill(known, lone, WRAPPERS)
        if arguments:
            return Call(function.name, arguments)
    return None


def as_a_last_resort(ask: Ask) -> Call | None:
    """Where a call is required and there is neither a problem nor an answer: a function that needs nothing, or takes the
    user's words. Raises Refused where there is none."""
    if ask.choice.mode != "required":
        return None
    words = dict.fromkeys(WORDS, ask.question)
    for function in ask.callable:
        _, required = _shape(function).names()
        arguments = _shape(function).fill(words) if required else {}
        if arguments is not None and _shape(function).takes(arguments):
            return Call(function.name, arguments)
    names = ", ".join(function.name for function in ask.callable)
    raise Refused(
        f"A call is required, but the last user message holds nothing to call {names} with. It takes arguments from a problem"
        " (see GET /tasks), from its answer, or from a question that is arithmetic.",
        "tool_choice", "no_arguments",
    )  # fmt: skip


def _shape(function: Offered) -> Shape:
    try:
        return Shape(function.parameters or {"type": "object"})
    except ValueError as error:
        raise Refused(
            f"The parameters of {function.name} cannot be used: {error}", "tools", "invalid_function_parameters"
        ) from None
