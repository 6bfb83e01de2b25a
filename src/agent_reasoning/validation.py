"""Turning foreign data into a model of ours, or into an error that says where it does not fit."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from agent_reasoning.errors import ReasoningError

Model = TypeVar("Model", bound=BaseModel)

Name = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]+$", description="no control characters"),
]

NAMED_ERRORS = 12  # a client that gets a thousand places right mends none


def validate(model: type[Model], data: Any, failure: type[ReasoningError], what: str) -> Model:
    """`data` as `model`. Raises `failure` with each place and what is wrong there; `what` is the data's name."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = [
            {"where": ".".join(map(str, _place(problem["loc"], data))) or what, "what": problem["msg"]}
            for problem in error.errors(include_url=False, include_input=False, include_context=False)[:NAMED_ERRORS]
        ]
        words = "; ".join(f"{item['where']}: {item['what']}" for item in found[:4])
        raise failure(f"The {what} breaks its schema: {words}.", errors=found) from None


def _place(location: Iterable[int | str], data: Any) -> Iterator[int | str]:
    """Where something is in the data: pydantic also names the form, of several, that a list or a number was taken for."""
    for part in location:
        if isinstance(data, Mapping):
            data = data.get(part, {})
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part] if part < len(data) else {}
        elif isinstance(data, list):
            continue
        else:
            return
        yield part
