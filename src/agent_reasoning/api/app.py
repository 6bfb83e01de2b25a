"""The HTTP face: routes, and the ASGI plumbing around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request, Response, Security
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from agent_reasoning import __version__
from agent_reasoning.api import events as eventing
from agent_reasoning.api import functions, operations, playground, reasoning
from agent_reasoning.api.access import Access, Admission
from agent_reasoning.api.bounds import BodyBounds
from agent_reasoning.api.draining import CloseWhileDraining
from agent_reasoning.api.events import EventOptions, Events
from agent_reasoning.api.faces import rendered, rendered_status
from agent_reasoning.api.identity import RequestIdentity
from agent_reasoning.api.mcp.hosts import McpOptions
from agent_reasoning.api.openai import catalog, chat, responses
from agent_reasoning.api.openai.errors import Refused
from agent_reasoning.errors import ReasoningError
from agent_reasoning.service.limits import RateLimiter
from agent_reasoning.service.reason import ReasoningService

FLUSH_SECONDS = 2.0  # for whoever runs the application without our server, which has emptied the queue by then

CORS: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "DELETE"],
    "allow_headers": ["*"],  # OpenAI's and MCP's clients send a dozen of their own, and none makes a request mean more
    "expose_headers": ["x-request-id", "retry-after", "mcp-session-id"],
}

# For the description alone, and its page: whether a key is let in has been decided before a route is reached.
BEARER = HTTPBearer(auto_error=False, description="an API key; `x-api-key` takes it as well")

DESCRIPTION = """Answers structured problems with tiny recursive models, and checks every answer with an exact
verifier. `verified` is a fact; `confidence` is a belief. `GET /tasks` lists what can be asked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of this face."""

    max_body_bytes: int = 1_048_576
    rate: str = "off"
    trusted_hops: int = 0


def create_app(
    service: ReasoningService,
    limits: Limits | None = None,
    options: EventOptions | None = None,
    access: Access | None = None,
    mcp: McpOptions | None = None,
) -> FastAPI:
    """The application around a service; it starts and stops the service's engine. mcp: None for no /mcp."""
    limits = limits or Limits()
    access = access or Access()
    events = Events(service, options or EventOptions())
    endpoint = None
    if mcp is not None:
        from agent_reasoning.api.mcp.endpoint import Endpoint  # the SDK: a fifth of a second, and 22 MiB

        endpoint = Endpoint(service, mcp, limits.max_body_bytes)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        events.start()
        async with endpoint.running() if endpoint else nullcontext():
            yield
        await events.stop(FLUSH_SECONDS)
        service.stop()

    app = FastAPI(
        title="agent-reasoning", version=__version__, summary="Verified answers to structured problems",
        description=DESCRIPTION, lifespan=lifespan, dependencies=[Security(BEARER)] if access.keys else [],
    )  # fmt: skip
    app.state.service = service
    app.state.limits = limits
    app.state.functions = service.functions
    app.include_router(reasoning.router)
    if service.functions.open:
        app.include_router(functions.router)
    app.state.events = events
    app.include_router(eventing.router)
    app.include_router(operations.router)
    app.include_router(playground.router)
    if endpoint:
        app.router.routes.append(endpoint.route())
    for face in (catalog, chat, responses):
        app.include_router(face.router)
    app.add_exception_handler(ReasoningError, _render)
    app.add_exception_handler(Refused, _render)
    app.add_exception_handler(HTTPException, _render_http)
    # The last one added is the outermost. Who may not ask is told so before anything of the body is read, and a page from
    # another origin may read even that.
    app.add_middleware(BodyBounds, max_bytes=limits.max_body_bytes, metrics=service.metrics)
    app.add_middleware(
        Admission, access=access, limiter=RateLimiter(limits.rate), trusted_hops=limits.trusted_hops, service=service
    )
    app.add_middleware(RequestIdentity)
    if access.origins:  # around what tells of an unexpected failure, too
        app.add_middleware(CORSMiddleware, allow_origins=access.origins, **CORS)
    app.add_middleware(CloseWhileDraining, service=service)
    return app


async def _render(request: Request, error: Exception) -> Response:
    return rendered(request.scope["path"], error, request.scope.get("request_id"))


async def _render_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return rendered_status(request.scope["path"], error, request.scope.get("request_id"))
