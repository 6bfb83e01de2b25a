"""Request bodies: bounded, strict JSON."""

import asyncio
import json
from collections import Counter
from typing import Any, NoReturn

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from agent_reasoning.errors import BodyTooLarge, BodyTooSlow, InvalidRequest, MalformedBody

NAMED_ERRORS = 12
READ_SECONDS = 10.0  # a stalled upload must not hold a connection, nor a shutdown


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Raises BodyTooLarge as soon as it is known, before the rest is read."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise too_large(max_bytes)
    except TimeoutError:
        raise too_slow() from None
    except ClientDisconnect:
        raise BodyTooSlow("The body ended before all of it had arrived.") from None  # it may come whole the next time
    return bytes(body)


def check_media_type(request: Request) -> None:
    """Raises HTTPException (415) unless the body is declared as JSON: a page of another origin may send a form or plain text
    without asking first, JSON it may not."""
    declared = request.headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if declared != "application/json":
        raise HTTPException(415, f"The body is declared as {declared[:80]!r}; only application/json is read here.")


def parse_json(body: bytes) -> Any:
    """RFC 8259 and no more: UTF-8, no NaN, no infinities, no half characters, and no name twice in an object, where
    parsers silently differ. Raises MalformedBody, or InvalidRequest for the name."""
    try:
        data = json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique, parse_float=_finite
        )
        if b"\\u" in body:  # only an escape can spell half of a surrogate pair, which no answer could repeat
            json.dumps(data, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        ) from None
    except UnicodeDecodeError:
        raise MalformedBody("The body is not JSON: it is not UTF-8.") from None
    except UnicodeEncodeError:
        raise MalformedBody("The body holds half of a surrogate pair, which is no character.") from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    except ValueError:  # an integer of more digits than Python converts
        raise MalformedBody("The body holds a number that is too long.") from None
    return data


def too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The body is larger than {max_bytes} bytes, which is the most that is read.", max_bytes=max_bytes
    )


def too_slow() -> BodyTooSlow:
    return BodyTooSlow(f"The body did not arrive within {READ_SECONDS:.0f} seconds.")


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
        counted = Counter(name for name, _ in pairs)
        doubled = sorted(name for name, times in counted.items() if times > 1)[:NAMED_ERRORS]
        twice = [name[:80].encode("utf-8", "replace").decode() for name in doubled]
        raise InvalidRequest(f"An object names the same thing twice: {', '.join(twice)}.", names=twice)
    return found
