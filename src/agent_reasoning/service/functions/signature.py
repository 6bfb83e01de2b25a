"""What a registered function takes, read from its source without running it."""

import ast
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from agent_reasoning.errors import FunctionFailed, InvalidFunction
from agent_reasoning.validation import validate

TYPES: dict[str, Any] = {
    "int": int, "float": float, "str": str, "bool": bool, "list": list[Any], "dict": dict[str, Any], "Any": Any,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: Any
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters as JSON Schema, and what checks arguments against it."""

    model: type[BaseModel]
    parameters: dict[str, Any]

    def checked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises FunctionFailed, which names what is missing, unknown or of another type."""
        checked = validate(self.model, arguments, FunctionFailed, "call")
        return checked.model_dump(by_alias=True, exclude_unset=True)


def signature(parameters: list[Parameter]) -> Signature:
    """By a model whose fields have names of their own: a parameter may be called `copy` or `model_config`."""
    fields: dict[str, Any] = {
        f"p{number}": (each.kind, Field(alias=each.name) if each.required else Field(None, alias=each.name))
        for number, each in enumerate(parameters)
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid", strict=True), **fields)
    schema = model.model_json_schema()
    del schema["title"]
    for each in schema["properties"].values():
        each.pop("title", None)
        each.pop("default", None)  # the code has another
    return Signature(model, {"required": [], **schema})


def read_signature(name: str, code: str) -> Signature:
    """Of the last top-level `def` of that name. Raises InvalidFunction with the `line` where there is one.

    The code has passed the sandbox's own parser before, which refuses deep nesting that Python's could not bear.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise InvalidFunction(f"Line {error.lineno}: {error.msg}.", line=error.lineno) from None
    except (RecursionError, MemoryError, ValueError):
        raise InvalidFunction("The code cannot be read: it is nested too deeply.") from None
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    if not found:
        raise InvalidFunction(f"The code defines no function {name!r} at its outermost level, by `def {name}(…):`.")
    function = found[-1]
    given = function.args
    if given.vararg or given.kwarg or given.posonlyargs:
        raise InvalidFunction(
            f"Line {function.lineno}: name each parameter; *, ** and / are not for callers that send JSON.",
            line=function.lineno,
        )
    required = len(given.args) - len(given.defaults)
    parameters = [Parameter(each.arg, _kind(each), number < required) for number, each in enumerate(given.args)]
    for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        parameters.append(Parameter(each.arg, _kind(each), default is None))
    return signature(parameters)


def _kind(parameter: ast.arg) -> Any:
    """Of an annotation such as list[int] the outermost name counts; where it is no plain type, anything may come."""
    node = parameter.annotation.value if isinstance(parameter.annotation, ast.Subscript) else parameter.annotation
    return TYPES.get(node.id, Any) if isinstance(node, ast.Name) else Any
