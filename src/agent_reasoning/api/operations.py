"""What the cluster asks: probes and metrics. Exempt from rate limits."""

import math

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from agent_reasoning.api.reasoning import Service
from agent_reasoning.errors import NotReady
from agent_reasoning.schemas import Health

router = APIRouter(tags=["operations"])


@router.get("/health", responses={503: {"model": Health, "description": "The engine is dead or stuck."}})
async def health(service: Service, response: Response) -> Health:
    """Liveness: 503 when the engine thread is dead, or has work and made no step for 30 s."""
    ailment = service.ailment()
    response.status_code = 503 if ailment else 200
    return Health(status="unhealthy" if ailment else "ok", detail=ailment)


@router.get("/ready", responses={503: {"model": Health, "description": "No request should come now."}})
async def ready(service: Service, response: Response) -> Health:
    """Readiness: models are loaded and the service is not draining."""
    reason = service.unready()
    response.status_code = 503 if reason else 200
    if reason:
        response.headers["retry-after"] = str(math.ceil(NotReady.retry_after_seconds))
    return Health(status="not ready" if reason else "ready", detail=reason)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Service, request: Request) -> Response:
    """For Prometheus, in the form it asks for."""
    text, content_type = service.metrics.render(request.headers.get("accept", ""))
    return Response(text, media_type=content_type)
