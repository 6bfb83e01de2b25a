"""What a tool takes and gives, as JSON Schema that hosts and the models behind them can read."""

from typing import Any

from agent_reasoning.schemas import ReasonRequest, ReasonResponse, TaskDetail

QUESTION = "Solve this."  # of a call without one; the context says the rest
FIXED = {"task", "task_type"}  # fields of a request that the choice of the tool decides

Schema = dict[str, Any]


def arguments_schema(task: TaskDetail) -> Schema:
    """A request of POST /reason, with the task's own form of context in its place."""
    context = dict(task.context_schema)
    definitions = context.pop("$defs", {})  # its references are to the root, which the tool's schema is now
    fields = ReasonRequest.model_json_schema()["properties"]
    properties = {
        "context": {**context, "description": "the problem as data"},
        **{name: field for name, field in fields.items() if name not in FIXED | {"context"}},
    }
    properties["question"] = {**fields["question"], "default": QUESTION}
    return {
        "type": "object",
        "properties": portable(properties),
        "required": ["context"],
        "additionalProperties": False,
        "$defs": portable(definitions),
    }


def result_schema() -> Schema:
    """The body of POST /reason's response, all of whose fields are always there."""
    return ReasonResponse.model_json_schema(mode="serialization")


def portable(schema: Any) -> Any:
    r"""The schema without what not every host can read: patterns with `\p`, which Python's `re` has not, and with them
    `patternProperties`, which several model providers refuse. The service checks all of it anyway."""
    if isinstance(schema, list):
        return [portable(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        name: portable(part)
        for name, part in schema.items()
        if name != "patternProperties" and not (name == "pattern" and isinstance(part, str) and r"\p" in part)
    }
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict) and len(patterns) == 1:
        kept["additionalProperties"] = portable(next(iter(patterns.values())))
    return kept
