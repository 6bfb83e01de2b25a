"""`kubectl get -o json`, reduced to what placement reads: what the CLI and the client send in place of megabytes.

What is left out is not only large: environment variables, commands and annotations are nobody else's business.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from agent_reasoning.foreign.kubernetes_lists import COUNTED, ended, gather
from agent_reasoning.foreign.kubernetes_objects import MODELS, REVISION, pruned
from agent_reasoning.foreign.shapes import looks_like_placement


def reduce_kubectl(context: Mapping[str, Any]) -> dict[str, Any]:
    """A context that `read_cluster` reads, or refuses, as it does this one. What is no context of placement, or holds no
    Kubernetes objects, is returned as it is."""
    objects, own = gather(context)
    if not objects or not looks_like_placement(context):
        return dict(context)
    # A List that holds nothing says that there is nothing to place.
    own |= {field: [] for field in ("workloads", "pods") if field in context and field not in own}
    items = [_reduced(kind, item) for kind, item in objects if kind in MODELS or kind in COUNTED]
    asked_for = {REVISION, *_keys([own.get("workloads"), own.get("pods"), items])}
    for item in items:
        spec = item.get("spec")
        for part in (item, spec.get("template") if isinstance(spec, Mapping) else None):
            _keep_labels(part, asked_for)
    return {**own, "kind": "List", "items": items}


def _reduced(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    if kind in COUNTED:
        return {"kind": kind, "metadata": {}}
    if kind == "Pod" and ended(item):
        return {"kind": kind, "metadata": {}, "status": {"phase": item["status"]["phase"]}}
    return {"kind": kind, **pruned(item, MODELS[kind])}


def _keys(value: Any) -> Iterator[str]:
    """Labels that something selects by, and perhaps more."""
    if isinstance(value, Mapping):
        for field in ("nodeSelector", "node_selector", "matchLabels"):
            if isinstance(value.get(field), Mapping):
                yield from value[field]
        if isinstance(value.get("key"), str):
            yield value["key"]
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _keys(inner)


def _keep_labels(item: Any, asked_for: set[str]) -> None:
    """Those, and what is no label: reading will name it."""
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    if isinstance(metadata, dict) and isinstance(labels, Mapping):
        metadata["labels"] = {
            key: value for key, value in labels.items() if key in asked_for or not isinstance(value, str)
        }
