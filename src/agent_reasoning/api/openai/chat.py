"""POST /v1/chat/completions."""

import json
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request, Response
from sse_starlette import ServerSentEvent

from agent_reasoning.api.openai import catalog
from agent_reasoning.api.openai.answering import Face, replies
from agent_reasoning.api.openai.chat_form import UNSUPPORTED, ChatRequest, ask_of
from agent_reasoning.api.openai.conversation import Ask, Reply, Thought
from agent_reasoning.api.openai.errors import body_of
from agent_reasoning.api.openai.form import counting, documented, read_body
from agent_reasoning.api.openai.stream import data, streamed
from agent_reasoning.api.openai.tokens import pieces
from agent_reasoning.api.openai.usage import arguments_of, call_id, usage_of
from agent_reasoning.api.reasoning import GONE, Service, unless_gone
from agent_reasoning.service.functions import Call

router = APIRouter(prefix="/v1", tags=["openai"])


@router.post("/chat/completions", openapi_extra=documented(ChatRequest))
async def chat_completions(request: Request, service: Service) -> Response:
    """The problem in the last user message, answered as OpenAI's chat completions are (docs/agents.md)."""
    body = await read_body(request, ChatRequest, UNSUPPORTED)
    with counting(service):
        ask = ask_of(body)
        face = Face(request, service, request.app.state.functions, catalog.task_for(service, ask.model))
    asks = [replace(ask, seed=(ask.seed + number) % 2**63) for number in range(body.n or 1)]
    envelope = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time())}
    legacy = bool(body.functions and not body.tools)
    if ask.stream:
        chunks = Chunks(
            envelope, asks, legacy=legacy, usage=bool(body.stream_options and body.stream_options.include_usage)
        )
        path = request.url.path
        return await streamed(
            in_turn(asks, face), chunks.events, lambda error: data({"error": body_of(error, path)}), request
        )
    found = await unless_gone(all_of(asks, face), request)
    if found is None:
        return GONE
    choices = [
        {
            "index": index,
            "message": message(reply, legacy=legacy),
            "finish_reason": finish(reply, legacy=legacy),
            "logprobs": None,
        }
        for index, reply in enumerate(found)
    ]
    whole = {
        **envelope,
        "object": "chat.completion",
        "model": found[0].model,
        "choices": choices,
        "usage": usage(ask, found),
    }
    return Response(json.dumps(whole, ensure_ascii=False), media_type="application/json")


async def in_turn(asks: list[Ask], face: Face) -> AsyncGenerator[tuple[int, Thought | Reply]]:
    for index, ask in enumerate(asks):
        async with aclosing(replies(ask, face)) as found:
            async for one in found:
                yield index, one


async def all_of(asks: list[Ask], face: Face) -> list[Reply]:
    return [one async for _, one in in_turn(asks, face) if isinstance(one, Reply)]


def message(reply: Reply, *, legacy: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
    if reply.thoughts:
        made["reasoning_content"] = "".join(reply.thoughts)
    if reply.call is not None and legacy:
        made["function_call"] = function(reply.call)
    elif reply.call is not None:
        made["tool_calls"] = [{"id": call_id(), "type": "function", "function": function(reply.call)}]
    return {**made, **reply.facts}


def finish(reply: Reply, *, legacy: bool) -> str:
    if reply.call is None:
        return reply.finish
    return "function_call" if legacy else "tool_calls"


def function(call: Call) -> dict[str, str]:
    return {"name": call.name, "arguments": arguments_of(call)}


def usage(ask: Ask, found: list[Reply]) -> dict[str, Any]:
    told = usage_of(ask, found)
    return {
        "prompt_tokens": told.asked,
        "completion_tokens": told.reasoned + told.written,
        "total_tokens": told.total,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": told.reasoned},
    }


class Chunks:
    """A completion in pieces."""

    def __init__(self, envelope: dict[str, Any], asks: list[Ask], *, legacy: bool, usage: bool) -> None:
        self._envelope, self._asks, self._legacy, self._usage = envelope, asks, legacy, usage
        self._model = asks[0].model

    async def events(self, source: AsyncIterator[tuple[int, Thought | Reply]]) -> AsyncGenerator[ServerSentEvent]:
        found: list[Reply] = []
        begun = -1
        async for index, one in source:
            self._model = one.model
            if index != begun:
                begun = index
                yield self._chunk(index, {"role": "assistant", "content": None, "refusal": None})
            if isinstance(one, Thought):
                yield self._chunk(index, {"reasoning_content": one.text})
                continue
            found.append(one)
            for delta in self._deltas(one):
                yield self._chunk(index, delta)
            yield self._chunk(index, dict(one.facts), finish(one, legacy=self._legacy))
        if self._usage:
            yield data({**self._head(), "choices": [], "usage": usage(self._asks[0], found)})
        yield ServerSentEvent("[DONE]", sep="\n")

    def _deltas(self, reply: Reply) -> list[dict[str, Any]]:
        if reply.refusal is not None:
            return [{"refusal": piece} for piece in pieces(reply.refusal)]
        if reply.call is None:
            return [{"content": piece} for piece in pieces(reply.text or "")]
        called = function(reply.call)
        parts = [
            {"name": called["name"], "arguments": ""},
            *({"arguments": part} for part in pieces(called["arguments"])),
        ]
        if self._legacy:
            return [{"function_call": part} for part in parts]
        first, *rest = parts
        return [
            {"tool_calls": [{"index": 0, "id": call_id(), "type": "function", "function": first}]},
            *({"tool_calls": [{"index": 0, "function": part}]} for part in rest),
        ]

    def _chunk(self, index: int, delta: dict[str, Any], finished: str | None = None) -> ServerSentEvent:
        choice = {"index": index, "delta": delta, "finish_reason": finished, "logprobs": None}
        return data({**self._head(), "choices": [choice]} | ({"usage": None} if self._usage else {}))

    def _head(self) -> dict[str, Any]:
        return {**self._envelope, "object": "chat.completion.chunk", "model": self._model}
