"""Tokens, in which `usage` counts and `max_tokens` limits.

No network here reads or writes text, so there is no vocabulary to count with. A token is defined as a word (of 16 letters or
digits at most: a longer one counts as several) or one other character, each with the white space before it. Text is counted
exactly so; the steps of the network are counted by the words that tell them (`reasoning_tokens`).
"""

import itertools
import re
from collections.abc import Iterable

TOKEN = re.compile(r"\s*(?:\w{1,16}|[^\w\s])|\s+$")


def count(texts: Iterable[str]) -> int:
    return sum(1 for text in texts for _ in TOKEN.finditer(text))


def cut(text: str, most: int) -> str:
    """The first `most` tokens."""
    end = 0
    for number, token in enumerate(TOKEN.finditer(text), 1):
        if number > most:
            return text[:end]
        end = token.end()
    return text


def pieces(text: str, tokens: int = 8) -> list[str]:
    """The text as a stream brings it, some tokens at a time."""
    ends = [token.end() for token in TOKEN.finditer(text)]
    edges = [0, *ends[tokens - 1 : -1 : tokens], len(text)]
    return [text[start:end] for start, end in itertools.pairwise(edges) if end > start]
