"""`agent-reasoning mcp`: an MCP host's own server, on standard input and output. Logs go to standard error."""

import asyncio
import signal
import threading
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp.server.stdio import stdio_server
from starlette.requests import Request

from agent_reasoning.api.mcp.server import Face, Reasoner
from agent_reasoning.client import AsyncReasoningClient
from agent_reasoning.commands.remote import api_key
from agent_reasoning.errors import ReasoningError
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, StreamedStep
from agent_reasoning.service.log import configure

if TYPE_CHECKING:
    from agent_reasoning.service.reason import ReasoningService


def serve(models: Path | None, device: str) -> None:
    """With models in this process. Raises ConfigurationError where the device or a model cannot be used."""
    from agent_reasoning.commands.loading import load  # torch, which the service elsewhere has
    from agent_reasoning.service.catalog import model_summary, task_detail
    from agent_reasoning.service.reason import ReasoningService
    from agent_reasoning.tasks import builtin_tasks

    configure("warning", "console")
    registry = builtin_tasks()
    service = ReasoningService(registry, load(models, device, registry))
    tasks = [task_detail(task, service.models.get(task.info.name)) for task in registry.all()]
    face = Face(tasks, [model_summary(model) for model in service.models.values()], Here(service))
    warming = threading.Thread(target=service.warm_up, name="warm-up")
    service.start()
    warming.start()
    try:
        asyncio.run(answer(face))
    finally:
        warming.join()  # an interpreter that ends while a thread is inside torch is aborted
        service.stop()


def relay(url: str) -> None:
    """For a service that runs at `url`. Raises the client's errors where it cannot be asked what it can do."""
    configure("warning", "console")
    asyncio.run(relay_to(url))


async def relay_to(url: str) -> None:
    async with AsyncReasoningClient(url, api_key=api_key()) as client:
        tasks = [await client.task(task.name) for task in await client.tasks()]
        await answer(Face(tasks, await client.models(), There(client)))


async def answer(face: Face) -> None:
    """Until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python would first wait for the line that a thread is reading
    server = face.server()
    async with stdio_server() as (requests, answers):
        await server.run(requests, answers, server.create_initialization_options())


class Here(Reasoner):
    """The service of this process."""

    def __init__(self, service: "ReasoningService") -> None:
        self._service = service

    async def reason(self, body: ReasonRequest, request: Request | None) -> ReasonResponse:
        return await self._service.reason(body, uuid.uuid4().hex)

    def stream(self, body: ReasonRequest, request: Request | None) -> AsyncGenerator[StreamedStep | ReasonResponse]:
        return self._service.stream(body, uuid.uuid4().hex)

    def refused(self, error: ReasoningError) -> None:
        self._service.metrics.failed("general", error.code)


class There(Reasoner):
    """A service that is reached over HTTP, which counts what it refuses itself."""

    def __init__(self, client: AsyncReasoningClient) -> None:
        self._client = client

    async def reason(self, body: ReasonRequest, request: Request | None) -> ReasonResponse:
        return await self._client.reason(body.question, body.context, **options(body))

    def stream(self, body: ReasonRequest, request: Request | None) -> AsyncGenerator[StreamedStep | ReasonResponse]:
        return self._client.stream(body.question, body.context, **options(body))

    def refused(self, error: ReasoningError) -> None:
        pass


def options(body: ReasonRequest) -> Any:
    return body.model_dump(exclude={"question", "context"}, exclude_unset=True)
