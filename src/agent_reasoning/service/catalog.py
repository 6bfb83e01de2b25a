"""What can be asked, and what answers: tasks and models as callers see them."""

from typing import Any

from agent_reasoning.engine.model import Model
from agent_reasoning.schemas import ModelSummary, TaskDetail, TaskSummary
from agent_reasoning.tasks import Task
from agent_reasoning.tasks.registry import summary


def task_summary(task: Task[Any]) -> TaskSummary:
    return TaskSummary(**summary(task))


def task_detail(task: Task[Any], model: Model | None) -> TaskDetail:
    return TaskDetail(
        **summary(task), context_schema=task.Context.model_json_schema(), model=model.name if model else None
    )


def model_summary(model: Model) -> ModelSummary:
    return ModelSummary(
        name=model.name,
        task=model.task,
        architecture=model.architecture,
        parameters=model.parameters,
        max_steps=model.max_steps,
        samples=model.samples,
        applications_per_step=model.applications_per_step,
        device=model.device,
        calibrated=bool(model.confidence.steps),
        sha256=model.sha256,
    )
