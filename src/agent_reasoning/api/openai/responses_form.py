"""The request of POST /v1/responses: the part that agents' SDKs use.

https://platform.openai.com/docs/api-reference/responses/create; what is listed there and not here is UNSUPPORTED. Nothing is
kept between requests: the whole conversation comes with each.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from agent_reasoning.api.openai.conversation import Ask, Result
from agent_reasoning.api.openai.errors import Refused
from agent_reasoning.api.openai.form import Content, FunctionForm, Part, choice_of, form_of, functions_in

UNSUPPORTED = {
    "access_programs", "background", "background_options", "context_management", "conversation", "image", "moderation",
    "previous_response_id", "prompt", "top_logprobs",
}  # fmt: skip
ROLES = ("user", "assistant", "system", "developer")


class Item(Part):
    """Of the input: a message, a call, what a call gave, or a trace that is sent back and not looked at."""

    type: str = "message"
    role: str | None = None
    content: Content = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: Content = None


class Tool(FunctionForm):
    type: str = "function"
    name: str = Field("", pattern=r"^[a-zA-Z0-9_-]{0,64}$")


class Format(Part):
    type: str = "text"
    name: str = Field("answer", max_length=64)
    strict: bool | None = None
    form: dict[str, Any] | None = Field(None, alias="schema")


class Text(Part):
    format: Format = Field(default_factory=Format)


class StreamOptions(Part):
    include_obfuscation: bool | None = None


def _as_items(given: Any) -> Any:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


Input = Annotated[
    list[Item],
    BeforeValidator(_as_items),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}, "minItems": 1}]}),
]


class ResponsesRequest(BaseModel):
    """What is not said to have an effect is accepted and has none."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    input: Input = Field(min_length=1, description="the last user message holds the problem")
    instructions: str | None = None
    tools: list[Tool] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = Field(None, description="one call a turn is made at most, which suits both")
    text: Text | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: int | None = Field(None, ge=1, description="of the answer's text; the trace is not cut")
    include: list[str] | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = Field(None, description="nothing is stored, and the response says so")
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    truncation: str | None = None
    user: str | None = None


def ask_of(body: ResponsesRequest) -> Ask:
    """Raises Refused for what only another field shows to be wrong."""
    question, instructions, results = _read(body.input)
    said = [item.content or item.output for item in body.input]
    offered = functions_in(
        [(f"tools[{n}]", one.type, one if one.type == "function" else None) for n, one in enumerate(body.tools or ())]
    )
    given = body.text.format if body.text else Format()
    form, schema = form_of(given.type, given.form, "text.format")
    return Ask(
        model=body.model,
        question=question,
        instructions="\n".join([*([body.instructions] if body.instructions else []), *instructions]),
        results=results,
        said=tuple(text for text in (body.instructions, *said) if text),
        offered=offered,
        choice=choice_of(body.tool_choice, offered),
        form=form,
        schema=schema,
        format_param="text.format",
        limit=body.max_output_tokens,
        stream=bool(body.stream),
    )


def _read(items: list[Item]) -> tuple[str, list[str], tuple[Result, ...]]:
    """The last user message, the instructions, and what functions gave since that message. Raises Refused."""
    question, instructions = "", []
    calls: dict[str | None, Item] = {}
    results: list[Result] = []
    for number, item in enumerate(items):
        match item.type:
            case "message":
                if item.role not in ROLES:
                    where = f"input[{number}].role"
                    raise Refused(f"{where} must be one of {', '.join(ROLES)}.", where, "invalid_value")
                if item.role == "user":
                    question = item.content or ""
                    results.clear()
                elif item.role != "assistant":
                    instructions.append(item.content or "")
            case "function_call":
                calls[item.call_id] = item
            case "function_call_output":
                called = calls.get(item.call_id, Item())
                results.append(Result(called.name or "", called.arguments or "", item.output or ""))
            case "reasoning":
                pass
            case _:
                where = f"input[{number}].type"
                raise Refused(f"{where} {item.type[:40]!r} is not read here.", where, "unsupported_value")
    return question, instructions, tuple(results)
