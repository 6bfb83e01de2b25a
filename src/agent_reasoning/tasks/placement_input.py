"""Contexts of the placement task, whatever their form: own (`placement_context`) or Kubernetes' (`kubernetes`), or some of each."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.kubernetes_lists import PLACED, Objects, gather
from agent_reasoning.tasks.cluster import Cluster, Objective
from agent_reasoning.tasks.eligibility import Node
from agent_reasoning.tasks.inventory import MAX_NODES, MAX_WORKLOADS, Inventory
from agent_reasoning.tasks.kubernetes import read_objects
from agent_reasoning.tasks.naming import shorten
from agent_reasoning.tasks.placement_context import PlacementContext, read_own
from agent_reasoning.tasks.quantities import RESOURCES
from agent_reasoning.validation import validate

UNSTATED: tuple[int | None, ...] = (None,) * len(RESOURCES)


@dataclass(frozen=True, slots=True)
class ReadCluster:
    cluster: Cluster
    remarks: tuple[str, ...]
    """Sentences: how the context was taken."""
    not_understood: tuple[str, ...]
    """What it asks for, and no answer here keeps to."""


# What words begin with in a question; the first objective of which one is there.
ASKED: dict[Objective, tuple[str, ...]] = {
    "fewest_moves": ("drain", "evict", "cordon", "maintenance", "fewest moves", "few moves", "least disrupt"),
    "spread": ("spread", "balanc", "evenly", "even out", "hotspot", "headroom", "utilis", "utiliz"),
    "consolidate": (
        "consolidat",
        "fewest nodes",
        "few nodes",
        "optimi",
        "cost",
        "save",
        "free",
        "releas",
        "bin",
        "pack",
        "shrink",
    ),
}


EMPTYING = ("drain", "evict", "cordon", "maintenance")
CHOOSING = ("which node", "what node", "how many node")
NEGATING = frozenset(("not", "no", "never", "but", "except", "without", "keep", "other", "besides", "don"))
SHORT_NAME = 2  # characters, up to which a node's name may be an English word


def asked_for(question: str) -> Objective | None:
    """What the words ask for; None where they do not say."""
    if _says(question, EMPTYING) and _says(question, CHOOSING):
        return "consolidate"
    return next((objective for objective, stems in ASKED.items() if _says(question, stems)), None)


def _says(question: str, stems: Iterable[str]) -> bool:
    words = " " + " ".join(_words(question))
    return any(f" {stem}" in words for stem in stems)


def _words(question: str) -> list[str]:
    return re.findall(r"[a-z]+", question.lower())


def named_in(question: str, nodes: Iterable[str]) -> list[str]:
    """Of these nodes those that the question names. One of a letter or two has to stand where a name does: after "node", "and"
    or a comma."""
    before: dict[str, str] = {}
    for previous, word in pairwise(["", *re.findall(r"[\w.-]*\w|,", question)]):
        before.setdefault(word, previous.lower())
    signs = ("node", "nodes", "and", ",")
    return [name for name in nodes if name in before and (len(name) > SHORT_NAME or before[name] in signs)]


def read_cluster(context: Mapping[str, Any], question: str = "") -> ReadCluster:
    """The context's own `objective` comes before what the question asks for, and without either it is fewest_moves if nodes are
    to be drained, else consolidate. Raises InvalidContext, which names what is wrong and where."""
    try:
        return _read(context, question)
    except RecursionError:
        raise InvalidContext("The context is nested too deeply.") from None


def _read(context: Mapping[str, Any], question: str) -> ReadCluster:
    objects, rest = gather(context)
    for field, most in (
        ("nodes", MAX_NODES),
        ("current_nodes", MAX_NODES),
        ("workloads", MAX_WORKLOADS),
        ("pods", MAX_WORKLOADS),
    ):
        given = rest.get(field)
        if isinstance(given, list) and len(given) > most:  # before each is looked at
            raise InvalidContext(f"There are {len(given)} {field}; at most {most} are allowed.")
    if {"nodes", "current_nodes"} <= rest.keys():
        raise InvalidContext("The nodes are given twice, as nodes and as current_nodes: one is enough.")
    own = validate(PlacementContext, rest, InvalidContext, "context")
    if not {"workloads", "pods"} & context.keys() and not any(kind in PLACED for kind, _ in objects):
        raise InvalidContext(
            "There is nothing to place: the context needs `workloads`, or Kubernetes' pods or Deployments (`kubectl get "
            "nodes,pods -A -o json`)."
        )
    inventory = Inventory()
    read_objects(objects, inventory)
    read_own(own, inventory)
    _add_nodes(own.nodes if isinstance(own.nodes, int) else None, objects, inventory)
    drain = own.drain or _to_be_drained(question, inventory)
    objective = own.objective or asked_for(question) or ("fewest_moves" if drain else "consolidate")
    cluster = inventory.cluster(drain, objective)
    return ReadCluster(cluster, tuple(inventory.remarks), tuple(inventory.not_understood))


def _to_be_drained(question: str, inventory: Inventory) -> list[str]:
    """The nodes that the question asks to empty. Adds a remark: it may have been meant otherwise."""
    if not _says(question, EMPTYING) or _says(question, CHOOSING):
        return []
    names = named_in(question, [node.name for node in inventory.nodes])
    if names and not NEGATING & set(_words(question)):
        inventory.remarks.append(f"To be drained, as the question says: {', '.join(shorten(names))}.")
        return names
    inventory.remarks.append("No node is drained: which shall be is read from `drain`, a list of names.")
    return []


def _add_nodes(count: int | None, objects: Objects, inventory: Inventory) -> None:
    """Nodes of which nobody says more than how many they are, or that something runs there."""
    if count is not None and inventory.nodes:
        raise InvalidContext(
            f"The nodes are given twice, as {count} and as {len(inventory.nodes)} objects: one is enough."
        )
    if inventory.nodes:
        return
    running = [one.node for one in (*inventory.workloads, *inventory.pinned) if one.node is not None]
    names = list(dict.fromkeys(running))
    if count is None and not names:
        raise InvalidContext(
            "There are no nodes: the context needs `nodes`, as a count, as a list of {name, cpu, memory, gpu} or as "
            "`kubectl get nodes -o json`."
        )
    if count is None:
        inventory.remarks.append(
            "The nodes are those that something runs on. For their capacities, labels and taints, and for idle ones, send "
            "`kubectl get nodes,pods -A -o json`."
        )
    elif len(names) > count:
        raise InvalidContext(f"There are {count} nodes, and something runs on {len(names)}.")
    number = 0
    while len(names) < (count or 0):
        number += 1
        if f"node-{number}" not in running:
            names.append(f"node-{number}")
    inventory.nodes += [Node(name, UNSTATED) for name in names]
