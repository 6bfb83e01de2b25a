"""`agent-reasoning solve`: the service's own use case, without the service."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

from agent_reasoning.api.body import parse_json
from agent_reasoning.commands.loading import load
from agent_reasoning.errors import InvalidRequest, MalformedBody
from agent_reasoning.schemas import ReasonRequest, ReasonResponse
from agent_reasoning.service.documents import read_yaml
from agent_reasoning.service.log import configure
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.validation import validate


def solve(text: bytes, models: Path | None, device: str, options: dict[str, Any]) -> ReasonResponse:
    """Raises the package's errors; options: `task`, `question`, `samples`, `max_steps`, `seed`."""
    configure("warning", "console")
    request = validate(ReasonRequest, as_request(text, options), InvalidRequest, "request")
    registry = builtin_tasks()
    service = ReasoningService(registry, load(models, device, registry))
    service.start()
    try:
        return asyncio.run(service.reason(request, uuid.uuid4().hex))
    finally:
        service.stop()


def as_request(text: bytes, options: dict[str, Any]) -> dict[str, Any]:
    """A file's content as the body of a request: it may be one already, a context, or several YAML documents."""
    data = read_documents(text)
    if not isinstance(data, dict):
        raise InvalidRequest("The input holds no problem: an object was expected, with a request or a context.")
    whole = "question" in data and "context" in data
    request = data if whole else {"question": "Solve this.", "context": data}
    return request | {name: value for name, value in options.items() if value is not None}


def read_documents(text: bytes) -> Any:
    """JSON as the service reads it, or YAML; several documents become one object that lists them.

    Raises InvalidRequest. A name that stands twice in an object is refused, as over HTTP: most readers silently keep
    the last, and the answer would be to another question than the file's.
    """
    if not text.strip():
        raise InvalidRequest("The input is empty.")
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            return parse_json(text)
        except MalformedBody as error:
            not_json = str(error).replace("The body", "The input")
    else:
        not_json = "The input is not JSON."
    try:
        found = read_yaml(text)
    except InvalidRequest as error:
        why = str(error)
        raise InvalidRequest(why.replace("This is not YAML", f"{not_json} Nor is it YAML")) from None
    return {"documents": []} if found is None else found
