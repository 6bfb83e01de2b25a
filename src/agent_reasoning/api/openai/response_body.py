"""The object that POST /v1/responses answers with, whole or on its way."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from agent_reasoning.api.openai.conversation import Ask, Reply
from agent_reasoning.api.openai.responses_form import ResponsesRequest
from agent_reasoning.api.openai.usage import arguments_of, call_id, usage_of

Item = dict[str, Any]


def identifier(kind: str) -> str:
    """kind: `resp`, `rs`, `msg` or `fc`."""
    return f"{kind}_{uuid.uuid4().hex}"


def envelope(body: ResponsesRequest) -> dict[str, Any]:
    """A response that has just begun: what was asked comes back with it."""
    return {
        "id": identifier("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": body.model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": body.temperature,
        "text": {"format": _format(body)},
        "tool_choice": body.tool_choice or "auto",
        "tools": [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters, "strict": None}
            for tool in body.tools or ()
        ],
        "top_p": body.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": body.user,
    }  # fmt: skip


def _format(body: ResponsesRequest) -> dict[str, Any]:
    given = body.text.format if body.text else None
    if given is None or given.form is None:
        return {"type": given.type if given else "text"}
    return {"type": given.type, "name": given.name, "schema": given.form, "strict": given.strict}


def reasoning_item(text: str, key: str) -> Item:
    return {"id": key, "type": "reasoning", "summary": [{"type": "summary_text", "text": text}] if text else []}


def spoken_item(reply: Reply, key: str, status: str) -> Item:
    """The call, or else the message."""
    if reply.call is not None:
        arguments = arguments_of(reply.call)
        return {
            "id": key, "type": "function_call", "status": status, "call_id": call_id(), "name": reply.call.name,
            "arguments": arguments,
        }  # fmt: skip
    return {"id": key, "type": "message", "role": "assistant", "status": status, "content": [content_part(reply)]}


def content_part(reply: Reply) -> dict[str, Any]:
    if reply.refusal is not None:
        return {"type": "refusal", "refusal": reply.refusal}
    return {"type": "output_text", "text": reply.text or "", "annotations": [], "logprobs": []}


def ended(begun: dict[str, Any], ask: Ask, reply: Reply, output: Sequence[Item]) -> dict[str, Any]:
    """The response as it stands at its end. The facts about the answer stand beside OpenAI's own members."""
    told = usage_of(ask, [reply])
    cut = reply.finish == "length"
    return {
        **reply.facts,
        **begun,
        "model": reply.model,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": list(output),
        "usage": {
            "input_tokens": told.asked,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": told.reasoned + told.written,
            "output_tokens_details": {"reasoning_tokens": told.reasoned},
            "total_tokens": told.total,
        },
    }
