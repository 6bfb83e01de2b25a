"""Somebody's file as a request: JSON, YAML, or plain text that a task knows."""

from collections.abc import Mapping
from typing import Any

from agent_reasoning.api.body import parse_json
from agent_reasoning.errors import InvalidRequest, MalformedBody

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
        data = read_yaml(text, not_json)
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


def read_yaml(text: bytes, not_json: str) -> Any:
    """Several documents become one object that lists them; None where there are none.

    Raises InvalidRequest. A name that stands twice in an object is refused, as over HTTP: most readers silently keep
    the last, and the answer would be to another question than the file's.
    """
    import yaml  # a large import, for people's own files only

    class UniqueLoader(yaml.SafeLoader):
        pass

    def mapping(loader: UniqueLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise InvalidRequest(f"An object names the same thing twice: {', '.join(twice[:12])}.")
        loader.flatten_mapping(node)
        return loader.construct_mapping(node, deep=True)

    UniqueLoader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        documents = list(yaml.load_all(text, UniqueLoader))
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise InvalidRequest(f"{not_json} Nor is it YAML: {' '.join(str(error).split())}") from None
    documents = [document for document in documents if document is not None]
    if len(documents) == 1:
        return documents[0]
    return {"documents": documents} if any(isinstance(document, dict) for document in documents) else None
