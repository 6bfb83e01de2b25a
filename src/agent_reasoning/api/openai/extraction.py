"""The problem that a message holds: as JSON or YAML, fenced, bare or between words, or a Sudoku as people write it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from agent_reasoning.api.body import parse_json
from agent_reasoning.errors import InvalidContext, InvalidRequest
from agent_reasoning.schemas import MAX_QUESTION
from agent_reasoning.service.documents import read_yaml

FENCE = re.compile(r"\s*```[ \t]*([\w+-]*)")
MAX_FENCES = 32  # blocks that are looked into
OPENING = re.compile(r"[{\[]")
MAX_OPENINGS = 32  # brackets that may be where JSON begins: each is read until it turns out not to be
PUZZLE = re.compile(r"(?<![\w.*?])[0-9._*?xX]{81}(?![\w.*?])")
BLANKS = str.maketrans("_*?xX", ".....")
BETWEEN = str.maketrans("", "", " \t|,[]+")
RULE = re.compile(r"[-+=|\s]+")
KEY = re.compile(r"(?:---|[A-Za-z_][\w.-]*:(?:\s|$))")
MAX_YAML = 131_072  # characters
MAX_BEGINNINGS = 8  # lines that may be where YAML begins
MAX_READ = 2 * MAX_YAML  # characters, in all the attempts at one text: some would each read nearly all of it

Fits = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Posed:
    """A problem, the words beside it, and whatever else of a request to POST /reason was given."""

    context: Mapping[str, Any]
    question: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def find_problem(text: str, fits: Fits) -> Posed | None:
    """The first thing in a text that fits a task; None where there is none.

    fits: whether a context has a task's shape. Raises InvalidContext for what was meant as JSON and is none.
    """
    for data, rest in _candidates(text):
        found = _posed(data, fits)
        if found is not None:
            context, options = found
            return Posed(context, " ".join(rest.split())[:MAX_QUESTION], options)
    return None


def _posed(data: Any, fits: Fits) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The context, and what else of a request there is."""
    if isinstance(data, list):
        if len(data) == 9 and all(isinstance(row, list) and len(row) == 9 for row in data):
            data = {"puzzle": data}
        elif data and all(isinstance(one, dict) for one in data):
            data = {"documents": data}
    elif isinstance(data, str) and PUZZLE.fullmatch(data):
        data = {"puzzle": data.translate(BLANKS)}
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("context"), dict) and fits(data["context"]):
        options = {name: value for name, value in data.items() if name != "context"}
        return data["context"], options
    return (data, {}) if fits(data) else None


def _candidates(text: str) -> Iterator[tuple[Any, str]]:
    """What may be the data, and the text without it."""
    for language, inside, rest in islice(_fences(text), MAX_FENCES):
        for data in _fenced(language, inside):
            yield data, rest
    for data, start, end in _json_values(text):
        yield data, f"{text[:start]} {text[end:]}"
    yield from _sudoku(text)
    if len(text) <= MAX_YAML:
        yield from _bare_yaml(text)


def _fences(text: str) -> Iterator[tuple[str, str, str]]:
    """Of each fenced block its language, what is inside, and the text without it. Line by line: one expression for a whole
    block would look for the end of each opening in all that follows."""
    opened: tuple[int, int, str] | None = None  # where the fence begins, where its inside does, and its language
    end = 0
    for line in text.split("\n"):
        begin, end = end, end + len(line) + 1
        if opened is None:
            if (opening := FENCE.match(line)) is not None:
                opened = begin, end, opening.group(1).lower()
        elif line.strip() == "```":
            fence, inside, language = opened
            yield language, text[inside:begin], f"{text[:fence]} {text[end:]}"
            opened = None


def _fenced(language: str, inside: str) -> Iterator[Any]:
    try:
        yield parse_json(inside.encode())
        return
    except InvalidRequest as error:
        if language in ("json", "jsonc"):
            raise InvalidContext(str(error).replace("The body", "The JSON in the message")) from None
    yield from (puzzle for puzzle, _ in _sudoku(inside))
    if len(inside) <= MAX_YAML:
        try:
            yield _as_json(read_yaml(inside))
        except InvalidRequest as error:
            if language in ("yaml", "yml"):
                raise InvalidContext(str(error)) from None


def _json_values(text: str) -> Iterator[tuple[Any, int, int]]:
    """Objects and lists of JSON in a text, and where they stand."""
    decoder = json.JSONDecoder()
    position = 0
    for _ in range(MAX_OPENINGS):
        opening = OPENING.search(text, position)
        if opening is None:
            return
        try:
            _, end = decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError) as error:
            if text.lstrip().startswith('{"') and text.rstrip().endswith("}") and not text[: opening.start()].strip():
                raise InvalidContext(f"The JSON in the message is broken: {_short(error)}") from None
            position = opening.end()
            continue
        try:
            yield parse_json(text[opening.start() : end].encode()), opening.start(), end
        except InvalidRequest as error:  # a name twice, NaN: it is JSON all the same, and must not be answered
            raise InvalidContext(str(error).replace("The body", "The JSON in the message")) from None
        position = end


def _short(error: Exception) -> str:
    return "it is nested too deeply." if isinstance(error, RecursionError) else f"{error}."


def _sudoku(text: str) -> Iterator[tuple[Any, str]]:
    """81 characters in a row, or nine lines of nine with whatever people draw between them."""
    row = PUZZLE.search(text)
    if row is not None and any(character.isdigit() for character in row.group()):
        yield {"puzzle": row.group().translate(BLANKS)}, f"{text[: row.start()]} {text[row.end() :]}"
        return
    rows, others = [], []
    for line in text.splitlines():
        squares = line.translate(BETWEEN).translate(BLANKS)
        if re.fullmatch(r"[0-9.]{9}", squares):
            rows.append(squares)
        elif not RULE.fullmatch(line):
            others.append(line)
    if len(rows) == 9:
        yield {"puzzle": "".join(rows)}, "\n".join(others)


def _bare_yaml(text: str) -> Iterator[tuple[Any, str]]:
    """From a line that looks like a key to the end, or to a blank line before other words."""
    lines = text.splitlines()
    beginnings = [
        number
        for number, line in enumerate(lines)
        if KEY.match(line) and (number == 0 or not KEY.match(lines[number - 1]) or line.startswith("---"))
    ]
    unread = MAX_READ
    for start in beginnings[:MAX_BEGINNINGS]:
        blanks = [number for number in range(start, len(lines)) if not lines[number].strip()]
        for end in [len(lines), *blanks[-1:], *blanks[:1]]:
            attempt = "\n".join(lines[start:end])
            unread -= len(attempt)
            if unread < 0:
                return
            try:
                data = read_yaml(attempt)
            except InvalidRequest:
                continue
            # "Note: nothing yet" is YAML, too; a problem has some structure.
            plain = _as_json(data)
            if isinstance(plain, dict) and any(isinstance(value, dict | list) for value in plain.values()):
                # "Hello:" above the data is a key without a value.
                kept = {name: value for name, value in plain.items() if value is not None}
                yield kept, "\n".join(lines[:start] + lines[end:])
                break


def _as_json(data: Any) -> Any:
    """The same as JSON has it; None for what JSON has no form for."""
    try:
        return parse_json(json.dumps(data, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError, InvalidRequest):
        return None
