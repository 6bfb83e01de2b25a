"""Names of steps and services, as contexts give them and messages repeat them."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.beside import slips
from agent_reasoning.validation import Name

__all__ = ["NAMED_IN_MESSAGES", "Name", "refuse_lookalikes", "refuse_slips", "shorten"]

NAMED_IN_MESSAGES = 12  # a message that lists a thousand names helps nobody


def shorten(names: list[str]) -> list[str]:
    if len(names) <= NAMED_IN_MESSAGES:
        return names
    return [*names[:NAMED_IN_MESSAGES], f"… and {len(names) - NAMED_IN_MESSAGES} more"]


def refuse_lookalikes(names: Iterable[str], field: str) -> None:
    """Two spellings of one name, by composed letters, width or invisible characters, would be two things, and nobody could
    tell them apart in an answer. Letters of several alphabets that look alike are not told apart here. Raises InvalidContext,
    which lists them under `field`."""
    seen: dict[str, str] = {}
    alike = []
    for name in names:
        same = seen.setdefault(_as_seen(name), name)
        if same != name:
            alike.append(f"{same!a} and {name!a}")  # the spellings, which is where they differ
    if alike:
        raise InvalidContext(
            f"These names look alike and are spelt differently: {'; '.join(shorten(alike))}.",
            **{field: alike[:NAMED_IN_MESSAGES]},
        )


def _as_seen(name: str) -> str:
    if name.isascii():
        return name
    composed = unicodedata.normalize("NFKC", name)
    return "".join(letter for letter in composed if not _is_invisible(letter))


def _is_invisible(letter: str) -> bool:
    """Formatting (joiners, directions, soft hyphens, the byte order mark), and what selects a variant."""
    return unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f"


def refuse_slips(context: Mapping[str, Any]) -> None:
    """Of what stands beside a foreign form: what is meant for us is not ignored for a slip of the pen. Raises InvalidContext."""
    found = slips(context)
    if found:
        meant = ", ".join(f"{field} (is {name} meant?)" for field, name in found.items())
        raise InvalidContext(f"The context holds what is not read: {meant}.", fields=shorten(list(found)))
