"""Where in a context Kubernetes objects are: one, a `kubectl get -o json` List, several documents, Lists beside own fields."""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_reasoning.foreign.kubernetes_objects import CONTROLLERS

MAX_NESTING = 3  # Lists of Lists
PLACED = ("Pod", *CONTROLLERS)
COUNTED = ("Job", "CronJob", "PodDisruptionBudget")
"""Kinds of which only the number is said."""
FOREIGN = frozenset(("apiVersion", "kind", "metadata", "items", "documents", "spec", "status"))
FIELDS = {"nodes": "Node", "current_nodes": "Node", "workloads": "Pod", "pods": "Pod"}
"""Where Lists may be, and of what kind their items are if nothing says so."""

Objects = list[tuple[str, Mapping[str, Any]]]  # (kind, object)


def gather(context: Mapping[str, Any]) -> tuple[Objects, dict[str, Any]]:
    """The Kubernetes objects of a context, wherever they are, and what else it holds."""
    own = {field: value for field, value in context.items() if field not in FOREIGN}
    objects = list(_flatten({name: context[name] for name in FOREIGN & context.keys()}, "", 0))
    for field, kind in FIELDS.items():
        value = own.get(field)
        if isinstance(value, Mapping) and isinstance(value.get("items"), list):
            objects += _flatten(value, kind, 0)
            del own[field]
        elif isinstance(value, list) and any(map(_is_object, value)):
            objects += (found for item in value if _is_object(item) for found in _flatten(item, kind, 0))
            own[field] = [item for item in value if not _is_object(item)]
            if field in ("nodes", "current_nodes") and not own[field]:
                del own[field]
    return objects, own


def _is_object(item: Any) -> bool:
    return isinstance(item, Mapping) and (
        isinstance(item.get("metadata"), Mapping) or isinstance(item.get("items"), list)
    )


def _flatten(item: Any, kind: str, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(item, Mapping) or depth > MAX_NESTING:
        return
    said = item.get("kind")
    kind = said if isinstance(said, str) else kind
    nested = [item[name] for name in ("items", "documents") if isinstance(item.get(name), list)]
    if nested:
        inner = kind.removesuffix("List")  # PodList, as the API itself answers: its items do not say what they are
        for part in nested:
            for one in part:
                yield from _flatten(one, inner, depth + 1)
    elif isinstance(item.get("metadata"), Mapping):
        yield kind, item


def ended(pod: Mapping[str, Any]) -> bool:
    """Before its fields are checked: a job's thousand pods cost nothing."""
    status = pod.get("status")
    return isinstance(status, Mapping) and status.get("phase") in ("Succeeded", "Failed")
