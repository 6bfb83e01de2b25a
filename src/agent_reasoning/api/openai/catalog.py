"""Which models there are, and what a request's `model` means."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Path

from agent_reasoning.api.openai.errors import Refused
from agent_reasoning.api.reasoning import Service
from agent_reasoning.service.reason import ReasoningService

ANY = "hrm-27m"
OWNER = "agent-reasoning"
STARTED = int(time.time())

router = APIRouter(prefix="/v1", tags=["openai"])


@router.get("/models")
async def models(service: Service) -> dict[str, Any]:
    """The models that are loaded, and `hrm-27m`: whichever of them the problem needs."""
    return {"object": "list", "data": [entry(name) for name in names(service)]}


@router.get("/models/{model}", responses={404: {"description": "There is no such model."}})
async def model(model: Annotated[str, Path()], service: Service) -> dict[str, Any]:
    """One model."""
    task_for(service, model)
    return entry(model)


def entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": STARTED, "owned_by": OWNER}


def names(service: ReasoningService) -> dict[str, str | None]:
    """The name that callers use -> the task that it asks for; None: the problem decides."""
    served: dict[str, str | None] = {
        model.name: task for task, model in service.models.items() if model.architecture != "hrm"
    }
    return {ANY: None} | served


def name_of(service: ReasoningService, task: str) -> str:
    """Of the model that serves a task: an HRM that is loaded goes by the name that clients know it by."""
    model = service.models[task]
    return ANY if model.architecture == "hrm" else model.name


def task_for(service: ReasoningService, model: str) -> str | None:
    """Raises Refused, which names the models there are."""
    known = names(service)
    if model not in known:
        listed = ", ".join(known)
        raise Refused(f"The model {model[:64]!r} does not exist. There are: {listed}.", "model", "model_not_found", 404)
    return known[model]
