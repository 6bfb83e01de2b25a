"""Turning foreign data into a model of ours, or into an error that says where it does not fit."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from agent_reasoning.errors import ReasoningError

Model = TypeVar("Model", bound=BaseModel)

Name = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]+$", description="no control characters"),
]

OF_A_FORM = re.compile(r"(dict|list)\[.*\]|constrained-\w+|\[key\]")  # pydantic's names for what a value was taken for
NAMED_ERRORS = 12  # a client that gets a thousand places right mends none


def validate(model: type[Model], data: Any, failure: type[ReasoningError], what: str) -> Model:
    """`data` as `model`. Raises `failure` with each place and what is wrong there; `what` is the data's name."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = _told(error.errors(include_url=False, include_input=False, include_context=False), data, what)
        found = found[:NAMED_ERRORS]
        words = "; ".join(f"{item['where']}: {item['what']}" for item in found[:4])
        raise failure(f"The {what} breaks its schema: {words}.", errors=found) from None


def _told(problems: Sequence[Any], data: Any, what: str) -> list[dict[str, str]]:
    """Each place and what is wrong there. Where one of several forms fits as far as to a place inside, not that the others do
    not fit at all."""
    places = [tuple(map(str, _place(problem["loc"], data))) for problem in problems]
    outer = {place[:length] for place in places for length in range(len(place))}
    return [
        {"where": ".".join(place) or what, "what": problem["msg"]}
        for problem, place in zip(problems, places, strict=True)
        if place not in outer
    ]


def _place(location: Sequence[int | str], data: Any) -> Iterator[int | str]:
    """Where something is in the data: pydantic also names the form, of several, that a value was taken for."""
    for number, part in enumerate(location):
        if isinstance(data, Mapping):
            missing = part not in data
            if missing and (number < len(location) - 1 or OF_A_FORM.fullmatch(str(part))):
                continue
            data = {} if missing else data[part]
        elif isinstance(data, list) and isinstance(part, int):
            data = data[part] if part < len(data) else {}
        elif isinstance(data, list):
            continue
        else:
            return
        yield part
