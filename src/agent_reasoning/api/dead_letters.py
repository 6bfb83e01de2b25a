"""Where events end that could not be delivered: each becomes one line of the log, to be read and sent again, and a count.

A process of its own (`agent-reasoning dead-letters`), so that it takes what the service could not; it loads no model.
"""

from urllib.parse import unquote

import structlog
from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

ATTRIBUTE = "ce-"
ERROR_CODE = "knativeerrorcode"
CODES = ("3xx", "4xx", "5xx", "none")  # none: no answer at all, as when nothing listened

log = structlog.get_logger("agent_reasoning.dead_letters")


def create_app(max_body_bytes: int) -> Starlette:
    """max_body_bytes: of an event's data that the log shows; what is longer is kept up to there, and says so."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    received = Counter(
        "agent_reasoning_dead_letters",
        "Events that could not be delivered, by the status of the last attempt",
        ["code"],
        registry=registry,
    )
    for code in CODES:  # an alert on an increase needs the series before its first event
        received.labels(code)

    async def receive(request: Request) -> Response:
        """Never refuses: for an event that comes here there is no further place."""
        data, whole = await read(request, max_body_bytes)
        attributes = attributes_of(request)
        received.labels(code_of(attributes.get(ERROR_CODE, ""))).inc()
        log.error("dead_letter", attributes=attributes, data=data.decode("utf-8", "replace"), whole=whole)
        return Response(status_code=202)

    async def ready(request: Request) -> Response:
        return Response("ready", media_type="text/plain")

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    return Starlette(
        routes=[
            Route("/", receive, methods=["POST"]),
            Route("/ready", ready),
            Route("/metrics", metrics),
        ]
    )


async def read(request: Request, most: int) -> tuple[bytes, bool]:
    """The body's first `most` bytes, and whether that is all of it."""
    body, whole = bytearray(), True
    try:
        async for chunk in request.stream():
            whole = whole and len(body) + len(chunk) <= most
            body += chunk[: most - len(body)]
    except ClientDisconnect:
        whole = False
    return bytes(body), whole


def attributes_of(request: Request) -> dict[str, str]:
    """The attributes of an event in binary mode; in structured mode they are in the body, and only its type is said here
    (CloudEvents HTTP binding 1.0.2, 3.1 and 3.2)."""
    found = {
        name.removeprefix(ATTRIBUTE): unquote(value)
        for name, value in request.headers.items()
        if name.startswith(ATTRIBUTE)
    }
    return found | {"datacontenttype": request.headers.get("content-type", "")}


def code_of(status: str) -> str:
    """The class of an HTTP status, out of a closed set: the value is a sender's."""
    code = f"{status[:1]}xx"
    return code if len(status) == 3 and code in CODES else "none"
