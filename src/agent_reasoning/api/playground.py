"""`GET /`: the playground for browsers, what this server is for programs. And the playground's files.

They are small, so they are read once and kept; a tag made from the contents lets a browser keep them, too, and never mix
those of two versions.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from agent_reasoning import __version__
from agent_reasoning.api.reasoning import Service
from agent_reasoning.schemas import ServerInfo, TaskLink
from agent_reasoning.service.reason import ReasoningService

PAGE = "index.html"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".json": "application/json",
         ".svg": "image/svg+xml", ".txt": "text/plain"}  # fmt: skip
TEXT = "; charset=utf-8"
# Nothing but our own files, no inline script or style, no frames around it: a problem in a shared link is data only.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-cache",  # kept, and asked for again each time: a 304 as long as nothing has changed
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")
ENTITY_TAG = re.compile(r'"[^"]*"')
LINKS = {
    "playground": "/", "reason": "/reason", "tasks": "/tasks", "models": "/models", "events": "/events",
    "docs": "/docs", "openapi": "/openapi.json", "health": "/health", "ready": "/ready", "metrics": "/metrics",
}  # fmt: skip

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent. `tag`: its strong entity tag (RFC 9110 §8.8.3)."""

    body: bytes
    media_type: str
    tag: str


@router.head("/", include_in_schema=False)
@router.get(
    "/",
    response_model=ServerInfo,
    responses={200: {"content": {"text/html": {}}, "description": "Server info; the playground for browsers."}},
    tags=["reasoning"],
)
async def root(request: Request, service: Service) -> Response:
    """What this server is and what can be asked here. Browsers (whoever names text/html) get the playground instead."""
    if prefers_html(request.headers.get("accept", "")):
        found = send(assets()[PAGE], request)
    else:
        found = Response(server_info(service).model_dump_json(), media_type="application/json")
        found.headers["cache-control"] = "no-cache"
    found.headers["vary"] = "accept"
    return found


@router.head("/static/{path:path}", include_in_schema=False)
@router.get("/static/{path:path}", include_in_schema=False)
async def static(path: str, request: Request) -> Response:
    """The playground's files."""
    if path not in assets():
        raise HTTPException(404, f"There is no file {path[:64]!r} of the playground.")
    return send(assets()[path], request)


def prefers_html(accept: str) -> bool:
    """Whether an Accept header (RFC 9110 §12.5.1) names text/html, and nothing that JSON would do for with a greater weight.
    Whoever takes anything, as curl and scripts do, is no browser."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (field.strip().lower() for field in part.split(";"))
        given = next((parameter for parameter in parameters if parameter.startswith("q=")), "q=1")
        match = WEIGHT.fullmatch(given)
        weights[kind] = float(match[1]) if match else 0.0
    json = next((weights[kind] for kind in ("application/json", "application/*", "*/*") if kind in weights), 0.0)
    return 0 < weights.get("text/html", 0.0) >= json


def send(asset: Asset, request: Request) -> Response:
    """The file; 304 where the client has it."""
    headers = {**HEADERS, "etag": asset.tag}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or asset.tag in ENTITY_TAG.findall(known):
        return Response(status_code=304, headers=headers)
    return Response(asset.body, media_type=asset.media_type, headers=headers)


def server_info(service: ReasoningService) -> ServerInfo:
    tasks = [task.info for task in service.registry.all()]
    return ServerInfo(
        name="agent-reasoning",
        version=__version__,
        summary="Verified answers to structured problems from tiny recursive models.",
        tasks=[
            TaskLink(name=task.name, task_type=task.task_type, summary=task.summary, url=f"/tasks/{task.name}")
            for task in tasks
        ],
        links=LINKS,
    )


@cache
def assets() -> Mapping[str, Asset]:
    """By their paths below `static/`."""
    return dict(_read(files("agent_reasoning.api") / "static", ""))


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, Asset]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
        elif (media_type := TYPES.get("." + entry.name.rpartition(".")[2])) is not None:
            body = entry.read_bytes()
            yield prefix + entry.name, Asset(body, media_type + TEXT, f'"{sha256(body).hexdigest()[:32]}"')
