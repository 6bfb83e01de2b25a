"""Names of steps and services, as contexts give them and messages repeat them."""

from typing import Annotated

from pydantic import Field

NAMED_IN_MESSAGES = 12  # a message that lists a thousand names helps nobody

Name = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]+$", description="no control characters"),
]


def shorten(names: list[str]) -> list[str]:
    if len(names) <= NAMED_IN_MESSAGES:
        return names
    return [*names[:NAMED_IN_MESSAGES], f"… and {len(names) - NAMED_IN_MESSAGES} more"]
