"""What a completion took, in tokens (see tokens.py), and how a call is written out."""

import json
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from agent_reasoning.api.openai.conversation import Ask, Reply
from agent_reasoning.api.openai.tokens import count
from agent_reasoning.service.functions import Call


class Usage(NamedTuple):
    """Tokens: of the request's text, of the trace, and of what was written out."""

    asked: int
    reasoned: int
    written: int

    @property
    def total(self) -> int:
        return sum(self)


def usage_of(ask: Ask, found: Sequence[Reply]) -> Usage:
    return Usage(
        count(ask.said),
        count(thought for reply in found for thought in reply.thoughts),
        count(said for reply in found for said in _spoken(reply)),
    )


def _spoken(reply: Reply) -> list[str]:
    called = [] if reply.call is None else [reply.call.name, arguments_of(reply.call)]
    return [said for said in (reply.text, reply.refusal, *called) if said]


def arguments_of(call: Call) -> str:
    return json.dumps(call.arguments, ensure_ascii=False)


def call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"
