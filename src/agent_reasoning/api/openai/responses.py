"""POST /v1/responses."""

import json

from fastapi import APIRouter, Request, Response

from agent_reasoning.api.openai import catalog
from agent_reasoning.api.openai.answering import Face, replies
from agent_reasoning.api.openai.conversation import Ask, Reply
from agent_reasoning.api.openai.form import counting, documented, read_body
from agent_reasoning.api.openai.response_body import ended, envelope, identifier, reasoning_item, spoken_item
from agent_reasoning.api.openai.response_events import Events
from agent_reasoning.api.openai.responses_form import UNSUPPORTED, ResponsesRequest, ask_of
from agent_reasoning.api.openai.stream import streamed
from agent_reasoning.api.reasoning import GONE, Service, unless_gone

router = APIRouter(prefix="/v1", tags=["openai"])


@router.post("/responses", openapi_extra=documented(ResponsesRequest))
async def responses(request: Request, service: Service) -> Response:
    """The problem in the last user message, answered as OpenAI's responses are (docs/agents.md)."""
    body = await read_body(request, ResponsesRequest, UNSUPPORTED)
    with counting(service):
        ask = ask_of(body)
        face = Face(request, service, request.app.state.functions, catalog.task_for(service, ask.model))
    begun = envelope(body)
    if ask.stream:
        events = Events(begun, ask, request.url.path)
        return await streamed(replies(ask, face), events.events, events.failed, request)
    reply = await unless_gone(reply_to(ask, face), request)
    if reply is None:
        return GONE
    status = "incomplete" if reply.finish == "length" else "completed"
    output = [reasoning_item("".join(reply.thoughts), identifier("rs"))] if reply.thoughts else []
    output.append(spoken_item(reply, identifier("fc" if reply.call else "msg"), status))
    return Response(json.dumps(ended(begun, ask, reply, output), ensure_ascii=False), media_type="application/json")


async def reply_to(ask: Ask, face: Face) -> Reply:
    (reply,) = [one async for one in replies(ask, face) if isinstance(one, Reply)]
    return reply
