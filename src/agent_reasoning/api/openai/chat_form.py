"""The request of POST /v1/chat/completions.

https://platform.openai.com/docs/api-reference/chat/create; what is listed there and not here is UNSUPPORTED.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agent_reasoning.api.openai.conversation import Ask, Choice, Offered, Result
from agent_reasoning.api.openai.form import Content, FunctionForm, Part, SchemaForm, choice_of, form_of, functions_in

MAX_CHOICES = 8
UNSUPPORTED = {
    "audio", "logit_bias", "logprobs", "moderation", "prediction", "top_logprobs", "web_search_options",
}  # fmt: skip


class CallForm(Part):
    class Function(Part):
        name: str = ""
        arguments: str = ""

    id: str = ""
    function: Function = Field(default_factory=Function)


class Message(Part):
    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: Content = None
    name: str | None = None
    tool_calls: list[CallForm] | None = None
    function_call: CallForm.Function | None = None
    tool_call_id: str | None = None


class Tool(Part):
    type: str = "function"
    function: FunctionForm | None = None


class ResponseFormat(Part):
    type: str = "text"
    json_schema: SchemaForm | None = None


class StreamOptions(Part):
    include_usage: bool = False
    include_obfuscation: bool | None = None


class ChatRequest(BaseModel):
    """What is not said to have an effect is accepted and has none: a problem's answer has no temperature."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str
    messages: list[Message] = Field(min_length=1, description="the last user message holds the problem")
    tools: list[Tool] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = Field(None, description="one call a turn is made at most, which suits both")
    functions: list[FunctionForm] | None = Field(None, description="before `tools`")
    function_call: Any = None
    response_format: ResponseFormat | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=MAX_CHOICES, description="the k-th choice is solved with `seed` + k")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63, description="same request, same seed, same answer")
    stop: str | list[str] | None = None
    max_completion_tokens: int | None = Field(None, ge=1, description="of the answer's text; the trace is not cut")
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    reasoning_effort: str | None = None
    verbosity: str | None = None
    modalities: list[Literal["text"]] | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None


def ask_of(body: ChatRequest) -> Ask:
    """Raises Refused for what only another field shows to be wrong."""
    question, instructions, results = _read(body.messages)
    offered, choice = _functions(body)
    given = body.response_format or ResponseFormat()
    schema = given.json_schema.form if given.json_schema else None
    form, checked = form_of(given.type, schema, "response_format")
    return Ask(
        model=body.model,
        question=question,
        instructions=instructions,
        results=results,
        said=tuple(message.content for message in body.messages if message.content),
        offered=offered,
        choice=choice,
        form=form,
        schema=checked,
        seed=(body.seed or 0) % 2**63,
        stop=tuple(one for one in ([body.stop] if isinstance(body.stop, str) else body.stop or ()) if one),
        limit=body.max_completion_tokens or body.max_tokens,
        stream=bool(body.stream),
    )


def _read(messages: list[Message]) -> tuple[str, str, tuple[Result, ...]]:
    """The last user message, the instructions, and what functions gave since that message."""
    question, instructions = "", []
    calls: dict[str, CallForm.Function] = {}
    results: list[Result] = []
    for message in messages:
        content = message.content or ""
        match message.role:
            case "user":
                question = content
                results.clear()
            case "system" | "developer":
                instructions.append(content)
            case "assistant":
                calls |= {call.id: call.function for call in message.tool_calls or ()}
                if message.function_call:
                    calls[message.function_call.name] = message.function_call
            case "tool" | "function":
                called = calls.get(message.tool_call_id or message.name or "")
                name = called.name if called else message.name or ""
                results.append(Result(name, called.arguments if called else "", content))
    return question, "\n".join(instructions), tuple(results)


def _functions(body: ChatRequest) -> tuple[tuple[Offered, ...], Choice]:
    if body.functions and not body.tools:
        offered = functions_in([(f"functions[{n}]", "function", one) for n, one in enumerate(body.functions)])
        return offered, choice_of(body.function_call, offered, "function_call")
    offered = functions_in([(f"tools[{n}]", one.type, one.function) for n, one in enumerate(body.tools or ())])
    return offered, choice_of(body.tool_choice, offered)
