"""Models for commands that work without the service."""

from pathlib import Path

from agent_reasoning.engine.loading import Published, load_models, pick_device
from agent_reasoning.engine.model import Model
from agent_reasoning.errors import ModelMissing
from agent_reasoning.service.settings import shipped_models
from agent_reasoning.tasks import Registry, builtin_tasks


def load(path: Path | None, device: str, registry: Registry, *, int8: bool = False) -> list[Model]:
    """Those at `path`, or those that ship. Raises the package's errors."""
    published = Published(registry.vocabularies(), shipped_models(), int8=int8)
    return load_models(path or shipped_models(), pick_device(device), published)


def model_for(task: str, path: Path | None, device: str, *, int8: bool = False) -> Model:
    """The one of them that serves a task. Raises ModelMissing, and as `load` does."""
    for model in load(path, device, builtin_tasks(), int8=int8):
        if model.task == task:
            return model
    raise no_model(task, path)


def no_model(task: str, path: Path | None) -> ModelMissing:
    return ModelMissing(f"{path or 'The shipped models'} hold no model for {task}.")
