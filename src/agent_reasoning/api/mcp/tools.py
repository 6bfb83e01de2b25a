"""Tasks as tools: their descriptions, and calls from and to the service's own words."""

import json
import math
from typing import Any

from mcp_types import CallToolResult, ContentBlock, TextContent, Tool, ToolAnnotations

from agent_reasoning.api.mcp.schema import FIXED, QUESTION, arguments_schema, result_schema
from agent_reasoning.api.problems import describe, passing
from agent_reasoning.errors import InvalidContext, InvalidRequest, ReasoningError
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, TaskDetail
from agent_reasoning.validation import validate

ERROR_META = "io.homelab.reasoning/error"
MAX_DETAILS = 4_000  # characters of what an error lists: a model reads it all

DESCRIPTION = """{summary}

A small model proposes an answer and an exact verifier checks it. Act on the answer only where `verified` is true; where it \
is not, `violations` says what is wrong, and more `samples` or `max_steps` may help. The same call with the same `seed` \
gets the same answer."""


def tool_of(task: TaskDetail) -> Tool:
    return Tool(
        name=task.name,
        title=task.name.replace("-", " ").capitalize(),
        description=DESCRIPTION.format(summary=task.summary),
        input_schema=arguments_schema(task),
        output_schema=result_schema(),
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )


def request_of(task: TaskDetail, arguments: dict[str, Any]) -> ReasonRequest:
    """A call as a request. Raises InvalidRequest with each place that is wrong."""
    if taken := sorted(FIXED & arguments.keys()):
        raise InvalidRequest(f"{' and '.join(taken)} cannot be set: the tool {task.name} is the task.")
    if "context" not in arguments:
        raise InvalidRequest(f"The call of {task.name} lacks `context`, which holds the problem.")
    given = {"question": QUESTION, **arguments, "task": task.name}
    return validate(ReasonRequest, given, InvalidRequest, "call")


def result_of(response: ReasonResponse) -> CallToolResult:
    """The response for programs as it is; for models in words, and as JSON without the trace, which costs them most."""
    return CallToolResult(
        content=[text(in_words(response)), text(response.model_dump_json(exclude={"reasoning_trace"}))],
        structured_content=response.model_dump(mode="json"),
    )


def in_words(response: ReasonResponse) -> str:
    if not response.verified:
        return response.answer  # which begins with that
    proven = ", and proven to be the best" if response.optimal else ""
    return f"Verified{proven} (found by: {response.source}; confidence {response.confidence:.2f}).\n{response.answer}"


def refusal_of(error: Exception, task: TaskDetail, request_id: str | None) -> CallToolResult:
    """What went wrong, as an error of the tool: a model reads it and can do better."""
    if isinstance(error, ReasoningError):
        words, code, fields = str(error), error.code, error.fields
    else:
        words, code, fields = describe(error).detail, "internal", {}
    lines = [words]
    if fields:
        lines.append(f"Details: {json.dumps(fields, ensure_ascii=False)[:MAX_DETAILS]}")
    if isinstance(error, InvalidContext | InvalidRequest):
        example = json.dumps(task.example["context"], ensure_ascii=False)
        lines.append(f"The resource task://{task.name} has the schema. A context that works: {example}")
    wait = getattr(error, "retry_after_seconds", None)
    if wait is not None:
        lines.append(f"The same call may succeed after {max(1, math.ceil(wait))} s.")
    elif passing(error):
        lines.append("The same call may succeed if it is tried again.")
    problem = {"code": code, "request_id": request_id, "retry_after_seconds": wait, **fields}
    return CallToolResult(
        content=[text("\n".join(lines))],
        is_error=True,
        _meta={ERROR_META: {name: value for name, value in problem.items() if value is not None}},
    )


def text(words: str) -> ContentBlock:
    return TextContent(type="text", text=words)
