"""Callers' JSON Schemas: what of an answer, or of a problem, fits into one."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jsonschema_rs

MAX_EXPANDED = 4096  # schema nodes with every reference written out: references to references double what is checked
MAX_RECURSIVE = 8  # references back to where they stand: each multiplies the work by the answer's depth


class Shape:
    """A schema that is safe to check against: it loads nothing, matches in linear time, and expands to little."""

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
        """Raises ValueError, with the reason."""
        self._schema = schema
        self._recursive = 0
        self._sizes: dict[str, int] = {}
        self._measure(schema, ("#",))
        try:
            self._validator = jsonschema_rs.validator_for(
                schema if isinstance(schema, bool) else dict(schema),
                offline=True,
                pattern_options=jsonschema_rs.RegexOptions(),
            )
        except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(str(error).splitlines()[0][:300]) from None

    def takes(self, value: Any) -> bool:
        return self._validator.is_valid(value)

    def wrong_with(self, value: Any) -> str:
        """The first thing, in words; nothing where the value fits."""
        error = next(iter(self._validator.iter_errors(value)), None)
        where = "" if error is None else "".join(f"[{step!r}]" for step in error.instance_path)
        return "" if error is None else f"{where} {error.message}".strip()[:300]

    def fill(
        self, known: Mapping[str, Any], lone: Sequence[Any] = (), names: Collection[str] | None = None
    ) -> dict[str, Any] | None:
        """An object that fits, of what is known under the names that the schema gives; None if there is none.

        lone: what to try, in this order, for a single required property that is not known: one of `names`, or any.
        """
        properties, required = self.names()
        found = {name: known[name] for name in properties if name in known}
        missing = [name for name in required if name not in found]
        attempts = [found | dict.fromkeys(missing)]  # null, where the schema takes that
        if len(required) == 1 and missing and (names is None or missing[0] in names):
            attempts += [found | {missing[0]: value} for value in lone]
        return next((attempt for attempt in attempts if (attempt or not properties) and self.takes(attempt)), None)

    def names(self) -> tuple[list[str], list[str]]:
        """The properties of the object that it describes, and those that are required."""
        node: Any = self._schema
        for _ in range(MAX_RECURSIVE):
            if not isinstance(node, Mapping) or not isinstance(node.get("$ref"), str):
                break
            node = self._target(node["$ref"])
        if not isinstance(node, Mapping):
            return [], []
        properties, required = node.get("properties"), node.get("required")
        return (
            list(properties) if isinstance(properties, Mapping) else [],
            [name for name in required if isinstance(name, str)] if isinstance(required, list) else [],
        )

    def _measure(self, node: Any, above: tuple[str, ...]) -> int:
        """Schema nodes below `node`; `above`: the references that led here."""
        size = 1
        if isinstance(node, Mapping):
            if len(above) > 1 or node is not self._schema:
                banned = {"$id", "$dynamicRef", "$recursiveRef"} & set(node)
                if any(isinstance(node[name], str) for name in banned):
                    raise ValueError(f"It uses {', '.join(sorted(banned))}.")
            if isinstance(node.get("$ref"), str):
                size += self._measure_reference(node["$ref"], above)
            children = list(node.values())
        else:
            children = node if isinstance(node, list) else []
        try:
            for child in children:
                size += self._measure(child, above)
                if size > MAX_EXPANDED:
                    raise ValueError(f"It expands to more than {MAX_EXPANDED} parts.")
        except RecursionError:
            raise ValueError("It is nested too deeply.") from None
        return size

    def _measure_reference(self, reference: str, above: tuple[str, ...]) -> int:
        if reference in above:
            self._recursive += 1
            if self._recursive > MAX_RECURSIVE:
                raise ValueError(f"It refers back to itself in more than {MAX_RECURSIVE} places.")
            return 1
        if reference not in self._sizes:
            self._sizes[reference] = self._measure(self._target(reference), (*above, reference))
        return self._sizes[reference]

    def _target(self, reference: str) -> Any:
        """Raises ValueError for what does not lead into this schema."""
        node: Any = self._schema
        if reference != "#" and not reference.startswith("#/"):
            raise ValueError(f"{reference[:80]!r} leads out of it; references begin with #/.")
        for step in reference.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(step)] if isinstance(node, list) else node[step]
            except (KeyError, IndexError, ValueError, TypeError):
                raise ValueError(f"{reference[:80]!r} leads nowhere.") from None
        return node
