"""Streams of server-sent events as OpenAI's clients read them."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import structlog
from fastapi import Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from agent_reasoning.api.reasoning import GONE, HEARTBEAT_SECONDS, unless_gone
from agent_reasoning.errors import ReasoningError

log = structlog.get_logger("agent_reasoning.api.openai")

Item = TypeVar("Item")


async def streamed(
    source: AsyncGenerator[Item],
    render: Callable[[AsyncIterator[Item]], AsyncGenerator[ServerSentEvent]],
    failed: Callable[[Exception], ServerSentEvent],
    request: Request,
) -> Response:
    """What fails before there is anything to send is an ordinary error; later it is an event. A reader that leaves takes
    its problem off the engine."""
    first = await unless_gone(anext(source), request)
    if first is None:
        await source.aclose()
        return GONE

    async def whole() -> AsyncIterator[Item]:
        yield first
        async for item in source:
            yield item

    async def events() -> AsyncIterator[ServerSentEvent]:
        async with aclosing(source):
            try:
                async with aclosing(render(whole())) as rendered:
                    async for event in rendered:
                        yield event
            except Exception as error:
                if not isinstance(error, ReasoningError):
                    log.exception("stream.failed")
                yield failed(error)

    return EventSourceResponse(events(), ping=HEARTBEAT_SECONDS)


def data(value: Any, event: str | None = None) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(value, ensure_ascii=False, separators=(",", ":")), event=event, sep="\n")
