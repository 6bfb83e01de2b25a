"""What is asked, whichever of OpenAI's two forms it came in; and what is replied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agent_reasoning.service.functions import Call

Mode = Literal["none", "auto", "required"]
Form = Literal["text", "json_object", "json_schema"]


@dataclass(frozen=True, slots=True)
class Offered:
    """A function of the caller's. parameters: its JSON Schema; empty where it takes none."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the offered functions may, or must, be called. `named`: this very one."""

    mode: Mode = "auto"
    allowed: tuple[str, ...] | None = None
    named: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a function of the caller's gave. `arguments`: what it was called with, as text."""

    name: str
    arguments: str
    content: str


@dataclass(frozen=True, slots=True)
class Ask:
    """question: the last user message. instructions: the system's. results: of the calls since that message.

    said: all the text of the request, which usage counts. form, schema: of the answer, which the field `format_param` asks
    for. limit: tokens of its text.
    """

    model: str
    question: str
    instructions: str = ""
    results: tuple[Result, ...] = ()
    said: tuple[str, ...] = ()
    offered: tuple[Offered, ...] = ()
    choice: Choice = Choice()
    form: Form = "text"
    schema: Mapping[str, Any] | bool = True
    format_param: str = "response_format"
    seed: int = 0
    stop: tuple[str, ...] = ()
    limit: int | None = None
    stream: bool = False

    @property
    def callable(self) -> tuple[Offered, ...]:
        """The functions that may be called."""
        if self.choice.mode == "none":
            return ()
        allowed = self.choice.allowed
        return tuple(one for one in self.offered if allowed is None or one.name in allowed)


@dataclass(frozen=True, slots=True)
class Thought:
    """A line of the trace, while the model is at it."""

    model: str
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """text: the answer; None where there is a refusal or a call in its place. thoughts: the trace, a line a step.

    facts: for programs, beside what OpenAI's form has. finish: `length` where the limit cut the text.
    """

    model: str
    text: str | None = None
    refusal: str | None = None
    call: Call | None = None
    thoughts: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    finish: Literal["stop", "length"] = "stop"
