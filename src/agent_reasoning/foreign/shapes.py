"""What a context of foreign objects is about, by its shape."""

from collections.abc import Mapping
from typing import Any

from agent_reasoning.foreign.kubernetes_lists import PLACED, gather
from agent_reasoning.foreign.ordered import ordered_objects

OTHERS = frozenset(("steps", "services", "edges", "alerts"))


def looks_like_placement(context: Mapping[str, Any]) -> bool:
    """By shape. Objects that Argo CD, Helm or Flux bring in an order are a rollout unless nodes are beside them."""
    if OTHERS & context.keys():
        return False
    if {"workloads", "pods"} & context.keys():
        return True
    objects, _ = gather(context)
    kinds = {kind for kind, _ in objects}
    if "Node" in kinds or any(kind == "Pod" and _runs(item) for kind, item in objects):
        return True
    has_nodes = bool({"nodes", "current_nodes"} & context.keys())
    return bool(kinds & set(PLACED)) and (has_nodes or ordered_objects(context) is None)


def _runs(pod: Mapping[str, Any]) -> bool:
    return isinstance(pod.get("spec"), Mapping) and bool(pod["spec"].get("nodeName"))
