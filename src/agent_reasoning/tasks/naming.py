"""Names of steps and services, as contexts give them and messages repeat them."""

from agent_reasoning.validation import Name

__all__ = ["NAMED_IN_MESSAGES", "Name", "shorten"]

NAMED_IN_MESSAGES = 12  # a message that lists a thousand names helps nobody


def shorten(names: list[str]) -> list[str]:
    if len(names) <= NAMED_IN_MESSAGES:
        return names
    return [*names[:NAMED_IN_MESSAGES], f"… and {len(names) - NAMED_IN_MESSAGES} more"]
