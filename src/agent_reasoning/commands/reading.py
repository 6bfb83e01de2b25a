"""Somebody's file as a request: JSON, YAML, or plain text that a task knows."""

from collections.abc import Mapping
from typing import Any

from agent_reasoning.api.body import parse_json
from agent_reasoning.errors import InvalidRequest, MalformedBody
from agent_reasoning.service.documents import read_yaml

QUESTION = "Solve this."


def as_request(text: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """A file's content as the body of a request: it may be one already, a context, several YAML documents, or text that a
    task reads. `options` that are not None outrank what it says.

    Raises InvalidRequest, InvalidContext where a task knows the text and finds it broken, UnknownTask.
    """
    if not text.strip():
        raise InvalidRequest("The input is empty.")
    not_json = "The input is not JSON."
    data: Any = None
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            data = parse_json(text)
        except MalformedBody as error:
            not_json = str(error).replace("The body", "The input")
    if data is None:
        data = _written_by_hand(text, not_json, options.get("task"))
    if not isinstance(data, dict):
        raise InvalidRequest("The input holds no problem: an object was expected, with a request or a context.")
    whole = "question" in data and "context" in data
    request = data if whole else {"question": QUESTION, "context": data}
    return request | {name: value for name, value in options.items() if value is not None}


def _written_by_hand(text: bytes, not_json: str, task: str | None) -> Any:
    refused = None
    try:
        data = _documents(text, not_json)
        if isinstance(data, dict):
            return data
    except InvalidRequest as error:
        data, refused = None, error
    # Only now: the tasks bring numpy.
    from agent_reasoning.tasks import builtin_tasks

    context = builtin_tasks().from_text(text.decode(errors="replace"), task)
    if context is None and refused is not None:
        raise refused
    return data if context is None else context


def _documents(text: bytes, not_json: str) -> Any:
    """None where there is nothing in it that could be a problem. Raises InvalidRequest."""
    try:
        found = read_yaml(text)
    except InvalidRequest as error:
        raise InvalidRequest(str(error).replace("This is not YAML", f"{not_json} Nor is it YAML")) from None
    if isinstance(found, dict) and found.keys() == {"documents"}:
        return found if any(isinstance(document, dict) for document in found["documents"]) else None
    return found
