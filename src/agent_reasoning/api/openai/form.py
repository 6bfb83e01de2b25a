"""What the two forms of request have in common: reading them, and the functions and formats that they name."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import jsonschema_rs
from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from starlette.exceptions import HTTPException

from agent_reasoning.api.body import check_media_type, parse_json
from agent_reasoning.api.openai.conversation import Choice, Form, Offered
from agent_reasoning.api.openai.errors import Refused
from agent_reasoning.api.openai.structured import Shape
from agent_reasoning.api.reasoning import admitted_body, service_of
from agent_reasoning.errors import InvalidRequest, ReasoningError
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.validation import validate

Body = TypeVar("Body", bound=BaseModel)
MAX_FUNCTIONS = 128
READ_PARTS = ("text", "input_text", "output_text", "refusal")
NOTHING: tuple[Any, ...] = (None, False, 0, [], {})


class Part(BaseModel):
    """A part of a request that clients also send back as they got it, with members that nobody here reads."""

    model_config = ConfigDict(extra="ignore", strict=True)


def _text_of(content: Any) -> Any:
    """The text of a content, whether it is one string or a list of parts. Raises ValueError for what is no text."""
    if not isinstance(content, list):
        return content
    texts = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        text = part.get("refusal" if kind == "refusal" else "text") if isinstance(part, Mapping) else None
        if kind not in READ_PARTS or not isinstance(text, str):
            raise ValueError(f"part {number} is of type {str(kind)[:40]!r}; only text is read")
        texts.append(text)
    return "\n".join(texts)


Content = Annotated[
    str | None,
    BeforeValidator(_text_of),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "array", "items": {"type": "object"}}]}),
]


class FunctionForm(Part):
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = Field(None, description="JSON Schema; left out: it takes none")


class SchemaForm(Part):
    name: str = Field("answer", max_length=64)
    form: dict[str, Any] | None = Field(None, alias="schema")


def documented(model: type[BaseModel]) -> dict[str, Any]:
    """The body of a route that reads it by hand, for /openapi.json."""
    schema = jsonschema_rs.dereference(model.model_json_schema())
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def read_body(request: Request, model: type[Body], unsupported: Collection[str]) -> Body:
    """The body, within the limits of POST /reason. Raises the errors of that, and Refused.

    unsupported: fields of OpenAI's that are refused unless they ask for nothing.
    """
    with counting(await service_of(request)):
        data = parse_json(await admitted_body(request))
        check_media_type(request)
        if isinstance(data, dict):
            _check_fields(data, model, unsupported)
            data = {name: value for name, value in data.items() if name not in unsupported}
        return validate(model, data, InvalidRequest, "request")


@contextmanager
def counting(service: ReasoningService) -> Iterator[None]:
    """What is refused before it reaches the service, which counts the rest, is counted here."""
    try:
        yield
    except (ReasoningError, Refused, HTTPException) as error:
        service.metrics.failed("general", error.code if isinstance(error, ReasoningError) else InvalidRequest.code)
        raise


def _check_fields(data: Mapping[str, Any], model: type[BaseModel], unsupported: Collection[str]) -> None:
    for name, value in data.items():
        if name in unsupported:
            if value not in NOTHING:
                raise Refused(f"{name} is not supported here.", name, "unsupported_parameter")
        elif name not in model.model_fields:
            raise Refused(f"There is no parameter {name[:64]!r}.", name[:64], "unknown_parameter")


def functions_in(tools: Sequence[tuple[str, str, FunctionForm | None]]) -> tuple[Offered, ...]:
    """tools: where each stands, its type, and its function. Raises Refused."""
    offered: dict[str, Offered] = {}
    for where, kind, function in tools:
        if kind != "function" or function is None:
            raise Refused(
                f"{where} is of type {kind[:40]!r}; only functions can be offered.",
                f"{where}.type",
                "unsupported_value",
            )
        if function.name in offered:
            raise Refused(f"Two functions are named {function.name}.", where, "invalid_value")
        offered[function.name] = Offered(function.name, function.parameters or {})
    if len(offered) > MAX_FUNCTIONS:
        raise Refused(
            f"{len(offered)} functions are offered; at most {MAX_FUNCTIONS} may be.", "tools", "invalid_value"
        )
    return tuple(offered.values())


def choice_of(value: Any, offered: Sequence[Offered], param: str = "tool_choice") -> Choice:
    """Every form of `tool_choice`: a mode, a function, or some functions and a mode. Raises Refused."""
    names = {one.name for one in offered}

    def known(name: Any) -> str:
        if not isinstance(name, str) or name not in names:
            raise Refused(f"{param} names {str(name)[:64]!r}, which is not among the tools.", param, "invalid_value")
        return name

    if value is None or value in ("none", "auto"):
        return Choice(value or "auto")
    if value == "required" and offered:
        return Choice("required")
    if value == "required":
        raise Refused(f"{param} is required, but no tools are offered.", param, "invalid_value")
    if isinstance(value, Mapping):
        kind = value.get("type", "function")
        if kind == "function":
            return Choice("required", (known(_name_in(value)),), named=True)
        allowed = value.get("allowed_tools", value)
        if kind == "allowed_tools" and isinstance(allowed, Mapping) and isinstance(allowed.get("tools"), list):
            listed = tuple(known(_name_in(tool)) for tool in allowed["tools"])
            if allowed.get("mode", "auto") in ("auto", "required"):
                return Choice(allowed.get("mode", "auto"), listed)
    raise Refused(
        f"{param} must be none, auto, required, a function that is offered, or allowed_tools.", param, "invalid_value"
    )


def _name_in(tool: Any) -> Any:
    """Of a function, nested as in chat completions or flat as in responses."""
    if not isinstance(tool, Mapping):
        return None
    nested = tool.get("function")
    return nested.get("name") if isinstance(nested, Mapping) else tool.get("name")


def form_of(kind: str, schema: Mapping[str, Any] | None, param: str) -> tuple[Form, Mapping[str, Any] | bool]:
    """The form of the answer. Raises Refused where no answer could be checked against the schema."""
    if kind == "text" or kind == "json_object":
        return kind, True  # type: ignore[return-value]  # it is one of the two
    if kind != "json_schema":
        raise Refused(
            f"{param}.type must be text, json_object or json_schema, not {kind[:40]!r}.",
            f"{param}.type",
            "invalid_value",
        )
    found: Mapping[str, Any] | bool = True if schema is None else schema
    try:
        Shape(found)
    except ValueError as error:
        raise Refused(f"The schema of {param} cannot be used: {error}", param, "invalid_json_schema") from None
    return "json_schema", found
