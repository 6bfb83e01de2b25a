"""The HTTP face: routes, and the ASGI plumbing around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from agent_reasoning import __version__
from agent_reasoning.api import events as eventing
from agent_reasoning.api import operations, playground, reasoning
from agent_reasoning.api.draining import CloseWhileDraining
from agent_reasoning.api.events import EventOptions, Events
from agent_reasoning.api.identity import RequestIdentity
from agent_reasoning.api.problems import MEDIA_TYPE, describe_status, render
from agent_reasoning.errors import ReasoningError
from agent_reasoning.service.limits import RateLimiter
from agent_reasoning.service.reason import ReasoningService

FLUSH_SECONDS = 2.0  # for whoever runs the application without our server, which has emptied the queue by then

DESCRIPTION = """Answers structured problems with tiny recursive models, and checks every answer with an exact
verifier. `verified` is a fact; `confidence` is a belief. `GET /tasks` lists what can be asked."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask of this face."""

    max_body_bytes: int = 1_048_576
    rate: str = "off"
    trusted_hops: int = 0


def create_app(service: ReasoningService, limits: Limits | None = None, options: EventOptions | None = None) -> FastAPI:
    """The application around a service; it starts and stops the service's engine."""
    limits = limits or Limits()
    events = Events(service, options or EventOptions())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        events.start()
        yield
        await events.stop(FLUSH_SECONDS)
        service.stop()

    app = FastAPI(
        title="agent-reasoning", version=__version__, summary="Verified answers to structured problems",
        description=DESCRIPTION, lifespan=lifespan,
    )  # fmt: skip
    app.state.service = service
    app.state.limits = limits
    app.state.limiter = RateLimiter(limits.rate)
    app.include_router(reasoning.router)
    app.state.events = events
    app.include_router(eventing.router)
    app.include_router(operations.router)
    app.include_router(playground.router)
    app.add_exception_handler(ReasoningError, _render)
    app.add_exception_handler(HTTPException, _render_http)
    app.add_middleware(RequestIdentity)
    app.add_middleware(CloseWhileDraining, service=service)
    return app


async def _render(request: Request, error: Exception) -> Response:
    return render(error, request.scope.get("request_id"))


async def _render_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = describe_status(error.status_code, error.detail, request.scope.get("request_id"))
    return JSONResponse(
        details.model_dump(exclude_none=True), details.status, headers=error.headers, media_type=MEDIA_TYPE
    )
