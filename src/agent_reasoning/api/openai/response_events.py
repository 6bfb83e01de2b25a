"""A response as the events of its stream: each item is announced, brought piece by piece, and closed."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from sse_starlette import ServerSentEvent

from agent_reasoning.api.openai.conversation import Ask, Reply, Thought
from agent_reasoning.api.openai.errors import body_of
from agent_reasoning.api.openai.response_body import Item, content_part, ended, identifier, reasoning_item, spoken_item
from agent_reasoning.api.openai.stream import data
from agent_reasoning.api.openai.tokens import pieces


class Events:
    """https://platform.openai.com/docs/api-reference/responses-streaming"""

    def __init__(self, begun: dict[str, Any], ask: Ask, path: str) -> None:
        self._response, self._ask, self._path = begun, ask, path
        self._number = 0
        self._output: list[Item] = []

    async def events(self, source: AsyncIterator[Thought | Reply]) -> AsyncGenerator[ServerSentEvent]:
        reply: Reply | None = None
        thoughts: list[str] = []
        key = identifier("rs")
        begun = False
        async for one in source:
            if not begun:
                begun = True
                self._response["model"] = one.model
                yield self._event("response.created", response=dict(self._response))
                yield self._event("response.in_progress", response=dict(self._response))
            if isinstance(one, Reply):
                reply = one
                continue
            if not thoughts:
                for event in self._reasoning_begins(key):
                    yield event
            thoughts.append(one.text)
            yield self._event("response.reasoning_summary_text.delta", **self._summary(key), delta=one.text)
        assert reply is not None
        for event in (*self._reasoning_ends(key, "".join(thoughts)), *self._spoken(reply)):
            yield event
        whole = ended(self._response, self._ask, reply, self._output)
        yield self._event(f"response.{whole['status']}", response=whole)

    def failed(self, error: Exception) -> ServerSentEvent:
        told = body_of(error, self._path)
        failure = {"code": "server_error", "message": told["message"]}  # the client knows no code of ours here
        return self._event("response.failed", response={**self._response, "status": "failed", "error": failure})

    def _reasoning_begins(self, key: str) -> Iterator[ServerSentEvent]:
        yield self._event("response.output_item.added", output_index=0, item=reasoning_item("", key))
        yield self._event(
            "response.reasoning_summary_part.added", **self._summary(key), part={"type": "summary_text", "text": ""}
        )

    def _reasoning_ends(self, key: str, text: str) -> Iterator[ServerSentEvent]:
        if not text:
            return
        item = reasoning_item(text, key)
        yield self._event("response.reasoning_summary_text.done", **self._summary(key), text=text)
        yield self._event("response.reasoning_summary_part.done", **self._summary(key), part=item["summary"][0])
        yield self._event("response.output_item.done", output_index=0, item=item)
        self._output.append(item)

    def _summary(self, key: str) -> dict[str, Any]:
        return {"item_id": key, "output_index": 0, "summary_index": 0}

    def _spoken(self, reply: Reply) -> Iterator[ServerSentEvent]:
        index = len(self._output)
        item = spoken_item(
            reply, identifier("fc" if reply.call else "msg"), "incomplete" if reply.finish == "length" else "completed"
        )
        empty: dict[str, Any] = {"arguments": ""} if reply.call else {"content": []}
        yield self._event(
            "response.output_item.added", output_index=index, item={**item, **empty, "status": "in_progress"}
        )
        where = {"item_id": item["id"], "output_index": index}
        yield from self._call(item, where) if reply.call else self._content(reply, {**where, "content_index": 0})
        yield self._event("response.output_item.done", output_index=index, item=item)
        self._output.append(item)

    def _call(self, item: Item, where: dict[str, Any]) -> Iterator[ServerSentEvent]:
        kind = "response.function_call_arguments"
        for piece in pieces(item["arguments"]):
            yield self._event(f"{kind}.delta", **where, delta=piece)
        yield self._event(f"{kind}.done", **where, name=item["name"], arguments=item["arguments"])

    def _content(self, reply: Reply, where: dict[str, Any]) -> Iterator[ServerSentEvent]:
        part = content_part(reply)
        member = "refusal" if part["type"] == "refusal" else "text"
        kind = "response.refusal" if member == "refusal" else "response.output_text"
        extra: dict[str, Any] = {} if member == "refusal" else {"logprobs": []}
        yield self._event("response.content_part.added", **where, part={**part, member: ""})
        for piece in pieces(part[member]):
            yield self._event(f"{kind}.delta", **where, delta=piece, **extra)
        yield self._event(f"{kind}.done", **where, **{member: part[member]}, **extra)
        yield self._event("response.content_part.done", **where, part=part)

    def _event(self, kind: str, **members: Any) -> ServerSentEvent:
        event = {"type": kind, "sequence_number": self._number, **members}
        self._number += 1
        return data(event, kind)
