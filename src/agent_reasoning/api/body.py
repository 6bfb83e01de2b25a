"""Request bodies: bounded, strict JSON."""

import json
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from agent_reasoning.errors import BodyTooLarge, InvalidRequest, MalformedBody

NAMED_ERRORS = 12


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Raises BodyTooLarge as soon as it is known, before the rest is read."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > max_bytes:
                raise _too_large(max_bytes)
    except ClientDisconnect:
        raise MalformedBody("The body ended early.") from None
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """RFC 8259 and no more: no NaN, no infinities, and no name twice in an object, where parsers silently differ.
    Raises MalformedBody."""
    try:
        return json.loads(body, parse_constant=_no_constant, object_pairs_hook=_unique, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except UnicodeDecodeError:
        raise MalformedBody("The body is not JSON: it is not UTF-8.") from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    except ValueError:  # an integer of more digits than Python converts
        raise MalformedBody("The body holds a number that is too long.") from None


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is larger than {max_bytes} bytes, which is the most that is read.", max_bytes=max_bytes
    )


def _no_constant(name: str) -> NoReturn:
    raise MalformedBody(f"The body holds {name}, which is no JSON number.")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise MalformedBody(f"The body holds the number {text[:40]}, which is too large.")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name[:80] for name in names if names.count(name) > 1})[:NAMED_ERRORS]
        raise InvalidRequest(f"An object names the same thing twice: {', '.join(twice)}.", names=twice)
    return found
