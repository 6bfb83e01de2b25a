"""CloudEvents as they come in over HTTP: binary and structured mode, parsed by the CloudEvents SDK.

The SDK is lenient where the specification is not: it makes up a missing id and time, takes NaN for JSON, and does not see
that a header came twice. What it is given here has been looked at before.
"""

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from cloudevents.core.base import BaseCloudEvent, EventFactory
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
from cloudevents.core.exceptions import BaseCloudEventException, CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from agent_reasoning.api.body import parse_json
from agent_reasoning.errors import MalformedEvent, UnsupportedFormat

PREFIX = "ce-"
MEDIA_TYPE = "application/cloudevents"
REQUIRED = {"specversion", "id", "source", "type"}
MAX_ATTRIBUTE_BYTES = 2048  # as a header; a result repeats five of them and must stay below 64 KiB
JSON_TYPE = re.compile(r"\s*(application|text)/([\w.-]+\+)?json\s*(;.*)?", re.IGNORECASE)
# No attribute may hold control characters, or half of a surrogate pair (CloudEvents 1.0.2, "Type System").
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Event:
    """An event that keeps to the specification. `data`: bytes, where it is not JSON already."""

    id: str
    source: str
    type: str
    attributes: Mapping[str, Any]
    data: Any

    def json(self) -> Any:
        """The data as JSON; a missing datacontenttype counts as JSON, since brokers lose it. Raises MalformedBody,
        InvalidRequest, MalformedEvent."""
        declared = self.attributes.get("datacontenttype")
        if declared is not None and not JSON_TYPE.fullmatch(declared):
            raise MalformedEvent(f"The data must be JSON; its datacontenttype says {declared[:80]!r}.")
        return parse_json(self.data) if isinstance(self.data, bytes) else self.data


def is_structured(headers: Headers) -> bool:
    """Which mode a message is in (HTTP binding, section 3). Raises UnsupportedFormat, and MalformedEvent where nothing
    says that the message is an event.

    Without ce- headers, and with JSON or nothing declared, a body that is an event as JSON is taken for one: the binding
    demands its media type, but the meaning is plain.
    """
    found = list(headers)
    kind = next((value for name, value in found if name == b"content-type"), b"").decode("latin-1").strip().lower()
    if kind.startswith(MEDIA_TYPE):
        if kind.split(";")[0].rstrip() == "application/cloudevents+json":
            return True
        raise UnsupportedFormat(
            f"Events are read one at a time: in binary mode, or as application/cloudevents+json; not as {kind[:80]!r}."
        )
    if any(name.startswith(b"ce-") for name, _ in found):
        return False
    if not kind or JSON_TYPE.fullmatch(kind):
        return True
    raise MalformedEvent(
        "This is no CloudEvent: it has no ce- headers, and its Content-Type is not application/cloudevents+json."
    )


def read_binary(headers: Headers) -> Event:
    """An event whose attributes are headers; its data is the body, which is yet to be read. Raises MalformedEvent."""
    attributes: dict[str, str] = {}
    for name, value in _relevant(headers):
        if name in attributes:
            raise MalformedEvent(f"The header {name} came twice.")
        attributes[name] = _unquoted(name, value)
    if "ce-datacontenttype" in attributes:
        raise MalformedEvent("datacontenttype is the Content-Type header in binary mode, and never ce-datacontenttype.")
    _complete(name.removeprefix(PREFIX) for name in attributes)
    return _checked(lambda: from_binary(HTTPMessage(attributes, b""), FORMAT, CloudEvent))


def read_structured(body: bytes) -> Event:
    """An event that is JSON as a whole. Raises MalformedEvent, MalformedBody, InvalidRequest."""
    return _checked(lambda: from_structured(HTTPMessage({}, body), FORMAT, CloudEvent))


def legible(headers: Headers, body: bytes | None) -> dict[str, str]:
    """The attributes that can be read of a message that is no valid event. body: in structured mode, else None."""
    pairs = _legible_headers(headers) if body is None else _legible_members(body)
    times = Counter(name for name, _ in pairs)
    return {name: value for name, value in pairs if times[name] == 1 and len(value) > 0 and is_attribute(value)}


def is_attribute(value: str) -> bool:
    """Whether a result may carry it: no control characters, no replaced ones, and short enough for a header."""
    # A character takes 12 bytes at most; counting them exactly is most of the time that an event costs beside a call.
    short = len(value) <= MAX_ATTRIBUTE_BYTES // 12 or len(quote(value)) <= MAX_ATTRIBUTE_BYTES
    return short and "\ufffd" not in value and not CONTROL.search(value)


def canonical(value: Any) -> str:
    """An attribute's canonical text (CloudEvents 1.0.2, "Type System")."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class StrictFormat(JSONFormat):
    """The SDK's JSON format with our own reading of JSON: no NaN, no name twice, UTF-8; and nothing made up."""

    def read(self, event_factory: EventFactory | None, data: str | bytes) -> BaseCloudEvent:
        assert event_factory is not None
        assert isinstance(data, bytes)
        members = parse_json(data)
        if not isinstance(members, dict):
            raise MalformedEvent("The body is no CloudEvent: it is no JSON object.")
        if "specversion" not in members and "data" not in members and "source" not in members:
            raise MalformedEvent("The body is no CloudEvent: it has none of its attributes.")
        members = {name: value for name, value in members.items() if value is not None or name == "data"}
        _complete(members)
        if "data" in members and "data_base64" in members:
            raise MalformedEvent("An event has data or data_base64, not both.")
        found = members.pop("data", None)
        if "data_base64" in members:
            found = _decoded(members.pop("data_base64"))
        if "time" in members:
            members["time"] = _time(members["time"])
        return event_factory(members, found)


FORMAT = StrictFormat()


def _checked(parse: Callable[[], BaseCloudEvent]) -> Event:
    try:
        event = parse()
    except CloudEventValidationError as error:
        words = "; ".join(str(found[0]) for found in error.errors.values())
        raise MalformedEvent(f"The event breaks CloudEvents 1.0: {words[:400]}.", attributes=_names(error)) from None
    except (BaseCloudEventException, ValueError, TypeError) as error:
        raise MalformedEvent(f"The event breaks CloudEvents 1.0: {str(error)[:200]}.") from None
    attributes = event.get_attributes()
    for name, value in attributes.items():
        if isinstance(value, datetime):
            continue
        if not isinstance(value, str | int):
            raise MalformedEvent(f"The attribute {name[:40]} must be text, a whole number, true or false.")
        if isinstance(value, str) and CONTROL.search(value):
            raise MalformedEvent(f"The attribute {name[:40]} holds a control character.")
        if not is_attribute(canonical(value)):
            raise MalformedEvent(f"The attribute {name[:40]} is longer than {MAX_ATTRIBUTE_BYTES} bytes.")
    return Event(event.get_id(), event.get_source(), event.get_type(), attributes, event.get_data())


def _names(error: CloudEventValidationError) -> list[str]:
    return [name[:40] for name in list(error.errors)[:8]]


def _complete(names: Iterable[str]) -> None:
    missing = sorted(REQUIRED - set(names))
    if missing:
        raise MalformedEvent(f"The event lacks {', '.join(missing)}.", attributes=missing)


def _relevant(headers: Headers) -> Iterable[tuple[str, bytes]]:
    for name, value in headers:
        if name.startswith(b"ce-") or name == b"content-type":
            yield name.decode("latin-1"), value


def _unquoted(name: str, value: bytes) -> str:
    """A header's value without the double quotes that older senders put (HTTP binding, 3.1.3.2); the SDK decodes the
    percent signs. Raises MalformedEvent where those do not make UTF-8."""
    try:
        text = value.decode("utf-8")
        if name == "content-type":
            return text
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedEvent(f"The header {name[:60]} is not UTF-8.") from None
    return text


def _legible_headers(headers: Headers) -> list[tuple[str, str]]:
    found = []
    for name, value in _relevant(headers):
        try:
            found.append((name.removeprefix(PREFIX), unquote(_unquoted(name, value))))
        except MalformedEvent:
            continue
    return found


def _legible_members(body: bytes) -> list[tuple[str, str]]:
    try:
        # Objects become tuples of pairs, so that a name that came twice is seen.
        members = json.loads(body.decode("utf-8", "replace"), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return []
    if not isinstance(members, tuple):
        return []
    return [(name, canonical(value)) for name, value in members if isinstance(value, str | int)]


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise MalformedEvent("data_base64 is not Base64.") from None


def _time(text: Any) -> datetime:
    if not isinstance(text, str):
        raise MalformedEvent("The attribute time must be text.")
    return datetime.fromisoformat(text)
