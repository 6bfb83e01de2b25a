"""Documents that a host can show or hand to its model: `task://{name}` and `model://{name}`."""

from collections.abc import Sequence

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Resource, ResourceTemplate, TextResourceContents
from pydantic import BaseModel

from agent_reasoning.schemas import ModelSummary, TaskDetail

JSON = "application/json"

TEMPLATES = [
    ResourceTemplate(
        uri_template="task://{name}",
        name="task",
        title="A task",
        description="The JSON Schema of a task's context, an example, and the model that serves it.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        uri_template="model://{name}",
        name="model",
        title="A model",
        description="What a loaded model is: its task, size, steps, and whether its confidence is calibrated.",
        mime_type=JSON,
    ),
]


class Documents:
    """The documents of the tasks and models that there are."""

    def __init__(self, tasks: Sequence[TaskDetail], models: Sequence[ModelSummary]) -> None:
        self._documents: dict[str, tuple[str, BaseModel]] = {
            **{f"task://{task.name}": (task.summary, task) for task in tasks},
            **{f"model://{model.name}": (f"The model of {model.task}.", model) for model in models},
        }

    def listed(self) -> list[Resource]:
        return [
            Resource(uri=uri, name=uri.partition("://")[2], title=uri, description=summary, mime_type=JSON)
            for uri, (summary, _) in self._documents.items()
        ]

    def read(self, uri: str) -> TextResourceContents:
        """Raises MCPError, with the URIs that there are."""
        try:
            _, document = self._documents[uri]
        except KeyError:
            known = ", ".join(self._documents)
            raise MCPError(INVALID_PARAMS, f"There is no resource {uri[:128]!r}. The resources are: {known}.") from None
        return TextResourceContents(uri=uri, mime_type=JSON, text=document.model_dump_json(indent=1))
