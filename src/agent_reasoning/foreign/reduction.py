"""A context, reduced to what the tasks read of it: what the client and the CLI send.

It is smaller, and what is left out is nobody else's business: environment variables, commands, annotations, secrets. What
is read of a reduced context is what is read of the whole one, refusals included.
"""

from collections.abc import Mapping
from typing import Any

from agent_reasoning.foreign.alerts import reduced_alerts
from agent_reasoning.foreign.beside import BESIDE_FOREIGN, slips
from agent_reasoning.foreign.compose import is_compose, needs_alone
from agent_reasoning.foreign.kubectl import reduce_kubectl
from agent_reasoning.foreign.kubernetes_lists import gather
from agent_reasoning.foreign.kubernetes_objects import pruned
from agent_reasoning.foreign.ordered import OrderedObject
from agent_reasoning.foreign.shapes import looks_like_placement


def reduced(context: Mapping[str, Any]) -> dict[str, Any]:
    """A context of its own; `context` stays as it is. Own forms are returned whole: they hold nothing but the problem.
    Raises RecursionError for one that is nested too deeply to be read."""
    if gather(context)[0] and looks_like_placement(context):
        return reduce_kubectl(context)
    found = dict(context)
    compose = is_compose(context.get("services"))
    objects = any(isinstance(context.get(field), list) for field in ("documents", "items")) or _is_object(context)
    if compose or objects or "receiver" in context:
        found = {name: value for name, value in context.items() if name in BESIDE_FOREIGN}
        found |= dict.fromkeys(slips(context))  # which are refused, whatever they hold
    if compose:
        found["services"] = needs_alone(context["services"])
    if objects:
        found |= _object(context)
    if "alerts" in context:
        found["alerts"] = reduced_alerts(context["alerts"], context.get("service_label"))
    return found


def _is_object(item: Any) -> bool:
    return isinstance(item, Mapping) and bool({"metadata", "kind", "apiVersion"} & item.keys())


def _object(item: Mapping[str, Any]) -> dict[str, Any]:
    """One that no placement is about: its name, and what orders it. A Secret's data are not among that."""
    found: dict[str, Any] = pruned(item, OrderedObject) if _is_object(item) else {}
    for field in ("documents", "items"):
        if isinstance(item.get(field), list):
            found[field] = [
                _object(one) if _is_object(one) or (isinstance(one, Mapping) and "items" in one) else one
                for one in item[field]
            ]
    return found
