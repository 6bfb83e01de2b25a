"""The service's own use case, without the service. What needs torch is imported after the input has been looked at."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_reasoning.errors import InvalidRequest
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, StreamedStep
from agent_reasoning.tasks import Registry, builtin_tasks
from agent_reasoning.validation import validate

if TYPE_CHECKING:
    from agent_reasoning.service.reason import ReasoningService


def solve(
    request: dict[str, Any], models: Path | None, device: str, show: Callable[[StreamedStep], None] | None
) -> ReasonResponse:
    """`request`: the body of a request. Raises the package's errors."""
    checked = validate(ReasonRequest, request, InvalidRequest, "request")
    registry = builtin_tasks()
    task = registry.get(checked.task) if checked.task else None
    task = task or registry.find(checked.context, checked.question, checked.task_type).task
    task.read(checked.context, checked.question)
    with running(models, device, registry) as service:
        return asyncio.run(_solve(service, checked, show))


@contextmanager
def running(models: Path | None, device: str, registry: Registry) -> Iterator["ReasoningService"]:
    from agent_reasoning.commands.loading import load
    from agent_reasoning.service.log import configure
    from agent_reasoning.service.reason import ReasoningService

    configure("warning", "console")
    service = ReasoningService(registry, load(models, device, registry))
    service.start()
    try:
        yield service
    finally:
        service.stop()


async def _solve(
    service: "ReasoningService", request: ReasonRequest, show: Callable[[StreamedStep], None] | None
) -> ReasonResponse:
    request_id = uuid.uuid4().hex
    if show is None:
        return await service.reason(request, request_id)
    async with aclosing(service.stream(request, request_id)) as answers:
        async for answer in answers:
            if isinstance(answer, ReasonResponse):
                return answer
            show(answer)
    raise AssertionError("a stream ends with the response or an exception")
