"""What is sent, checked before it is."""

import json
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from agent_reasoning.client.exceptions import InvalidRequest
from agent_reasoning.foreign import reduced
from agent_reasoning.schemas import ReasonRequest, TaskType
from agent_reasoning.validation import validate


class Options(TypedDict, total=False):
    """The optional fields of a request; see ReasonRequest for what they mean."""

    task_type: TaskType
    task: str | None
    max_steps: int | None
    samples: int | None
    seed: int
    require_verified: bool
    source_policy: Literal["best", "model"]
    timeout_seconds: float | None
    conversation_id: str | None


def request_body(question: str, context: Mapping[str, Any] | None, options: Options) -> dict[str, Any]:
    """The body of POST /reason and the data of a `requested` event: what was given, and no default. What other tools
    print is reduced to what is read of it, so that no secret in it is sent.

    Raises InvalidRequest with each place that is wrong.
    """
    try:
        less = reduced(context or {}) if isinstance(context, Mapping | None) else context
        given = {"question": question, "context": less, **options}
    except RecursionError:
        raise InvalidRequest("The context is nested too deeply.") from None
    validate(ReasonRequest, given, InvalidRequest, "request")
    return {name: value for name, value in given.items() if value is not None}


def to_json(body: dict[str, Any]) -> bytes:
    """Raises InvalidRequest: what JSON cannot hold would reach the service as something else, or not at all."""
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"The context cannot be sent as JSON: {error}.") from None
