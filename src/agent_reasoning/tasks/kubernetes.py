"""Nodes and workloads from Kubernetes objects: `kubectl get nodes,pods -A -o json`, Lists, manifests, one or many.

What Kubernetes would not move stays: DaemonSets' pods, static pods and those being deleted take what they ask for of their
node. What is required of nodes and neighbours and is not modelled is said in `not_understood`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.kubernetes_lists import Objects, ended
from agent_reasoning.foreign.kubernetes_objects import (
    CONTROLLERS,
    REVISION,
    Controller,
    Metadata,
    NodeObject,
    Part,
    PodHead,
    pruned,
)
from agent_reasoning.tasks.eligibility import EFFECTS, Node, Taint
from agent_reasoning.tasks.inventory import MAX_NODES, MAX_WORKLOADS, Inventory, Workload
from agent_reasoning.tasks.naming import shorten
from agent_reasoning.tasks.pod_templates import Template, Templates
from agent_reasoning.tasks.quantities import RESOURCES
from agent_reasoning.tasks.requests import NOTHING, amounts, resource_of
from agent_reasoning.tasks.separation import Resident, keep_apart
from agent_reasoning.validation import validate

ZERO = re.compile(r"0*\.?0*[a-zA-Z]*")  # as a quantity
MAX_PODS = 30_000  # of which MAX_WORKLOADS may move: DaemonSets have as many as there are nodes, each


def read_objects(objects: Objects, inventory: Inventory) -> None:
    """Adds what they say. Raises InvalidContext, which names the object."""
    _Reader(inventory).read(objects)


class _Reader:
    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.templates = Templates()
        self.residents: list[Resident] = []
        self.not_modelled: dict[str, list[str]] = {}
        self.asking_nothing: list[str] = []
        self.alone: list[str] = []
        self.pending: list[str] = []
        self.counts: Counter[str] = Counter()
        self.not_looked_at: set[str] = set()
        self.asking: dict[str, list[int]] = {}
        """Resources that are not counted -> the workloads that ask for them."""
        self.having: dict[str, set[str]] = {}
        """-> the nodes that have any."""
        self.stating: set[str] = set()
        """Nodes that say what they have."""
        self.makers: set[str] = set()
        self.names: Counter[str] = Counter()

    def read(self, objects: Objects) -> None:
        kinds = Counter(kind for kind, _ in objects)
        live = [item for kind, item in objects if kind == "Pod" and not ended(item)]
        for count, most, what in (
            (kinds["Node"], MAX_NODES, "nodes"), (len(live), MAX_PODS, "pods"),
            (sum(kinds[kind] for kind in CONTROLLERS), MAX_WORKLOADS, "workloads"),
        ):  # fmt: skip
            if count > most:  # before each is looked at
                raise InvalidContext(f"There are {count} {what}; at most {most} are allowed.")
        self.counts["ended"] = kinds["Pod"] - len(live)
        for kind, item in objects:
            if kind == "Node":
                self._node(_valid(NodeObject, kind, item))
        pods = [_valid(PodHead, "Pod", item) for item in live]
        controllers = [
            (kind, _valid(Controller, kind, item), item["spec"]["template"]["spec"])
            for kind, item in objects if kind in CONTROLLERS
        ]  # fmt: skip
        controllers = _without_pods(controllers, pods)
        every = [one.metadata for one in pods] + [one.metadata for _, one, _ in controllers]
        self.names.update(_name(metadata) for metadata in every)
        for pod, item in zip(pods, live, strict=True):
            self._pod(pod, item["spec"])
        for kind, controller, spec in controllers:
            self._controller(kind, controller, spec)
        keep_apart(self.residents, self.inventory)
        self._bar_from_those_without()
        self._report(kinds)

    def _node(self, node: NodeObject) -> None:
        name = _name(node.metadata)
        has = (node.status and (node.status.allocatable or node.status.capacity)) or {}
        found: tuple[int | None, ...] = amounts(has, f"Node {name}")
        known = {resource_of(resource) for resource in has}
        gpu = RESOURCES.index("gpu")
        found = tuple(
            amount if resource in known or (resource == gpu and has) else None for resource, amount in enumerate(found)
        )
        if has:
            self.stating.add(name)
        for resource, quantity in has.items():
            if resource_of(resource) is None and not ZERO.fullmatch(str(quantity)):
                self.having.setdefault(resource, set()).add(name)
        self.makers.update(resource for resource in has if resource_of(resource) == gpu)
        if "pods" in has:
            self.not_looked_at.add("how many pods a node may hold")
        taints = (node.spec and node.spec.taints) or ()
        for taint in taints:
            if taint.effect not in EFFECTS:
                raise InvalidContext(
                    f"Node {name}: a taint's effect is {', '.join(EFFECTS)}, not {taint.effect[:40]!r}."
                )
        conditions = (node.status and node.status.conditions) or ()
        self.inventory.nodes.append(
            Node(
                name,
                found,
                node.metadata.labels,
                tuple(Taint(taint.key, taint.value or "", taint.effect) for taint in taints),
                cordoned=bool(node.spec and node.spec.unschedulable),
                ready=all(condition.status == "True" for condition in conditions if condition.type == "Ready"),
            )
        )

    def _pod(self, pod: PodHead, spec: Mapping[str, Any]) -> None:
        metadata, name, node = pod.metadata, self._short(pod.metadata), pod.spec.nodeName or None
        template = self.templates.read(spec, metadata.namespace, name)
        owner = metadata.controller
        staying = _why_it_stays(metadata, owner.kind if owner else "")
        if staying:
            self.counts[staying] += 1
            if node is not None:
                self.inventory.pinned.append(Workload(name, template.wants, node=node))
                self._resident(name, metadata, metadata.labels, template, None, node)
            return
        if node is None:
            self.pending.append(name)
        elif not owner:
            self.alone.append(name)
        self._note(template, name, [len(self.inventory.workloads)])
        self._resident(name, metadata, metadata.labels, template, len(self.inventory.workloads), node)
        self.inventory.workloads.append(Workload(name, template.wants, template.rules, node))

    def _controller(self, kind: str, controller: Controller, spec: Mapping[str, Any]) -> None:
        metadata, name = controller.metadata, self._short(controller.metadata)
        template = self.templates.read(spec, metadata.namespace, name)
        if kind == "DaemonSet":
            self.inventory.everywhere.append(Workload(name, template.wants, template.rules))
            return
        replicas = 1 if controller.spec.replicas is None else controller.spec.replicas
        if len(self.inventory.workloads) + replicas > MAX_WORKLOADS:
            raise InvalidContext(
                f"With the replicas of {name} there are more than {MAX_WORKLOADS} workloads, as many as are allowed."
            )
        if controller.spec.volumeClaimTemplates:
            self.not_modelled.setdefault("volumes (persistentVolumeClaim)", []).append(name)
        first = len(self.inventory.workloads)
        self._note(template, name, range(first, first + replicas))
        for number in range(1, replicas + 1):
            one = f"{name}-{number}" if replicas > 1 else name
            labels = controller.spec.template.metadata.labels
            self._resident(one, metadata, labels, template, len(self.inventory.workloads), None)
            self.inventory.workloads.append(Workload(one, template.wants, template.rules))

    def _bar_from_those_without(self) -> None:
        """What is not counted has at least to be there, where nodes say what they have."""
        for resource, workloads in self.asking.items():
            without = self.stating - self.having.get(resource, self.stating)
            if without:
                self.inventory.barred.append((frozenset(workloads), frozenset(without), f"there is no {resource} on"))

    def _note(self, template: Template, name: str, workloads: Iterable[int]) -> None:
        if template.wants == NOTHING:
            self.asking_nothing.append(name)
        for resource in template.not_looked_at:
            self.asking.setdefault(resource, []).extend(workloads)
        for what in template.not_modelled:
            self.not_modelled.setdefault(what, []).append(name)

    def _resident(
        self,
        name: str,
        metadata: Metadata,
        labels: Mapping[str, str],
        template: Template,
        workload: int | None,
        node: str | None,
    ) -> None:
        self.residents.append(Resident(name, metadata.namespace, labels, template.terms, workload, node))

    def _short(self, metadata: Metadata) -> str:
        name = _name(metadata)
        return name if self.names[name] == 1 else f"{metadata.namespace}/{name}"

    def _report(self, kinds: Counter[str]) -> None:
        for what, names in self.not_modelled.items():
            self.inventory.not_understood.append(f"{what}, of {', '.join(shorten(names))}")
        if len(self.makers) > 1:
            self.inventory.not_understood.append(
                f"Which GPU is whose: {', '.join(sorted(self.makers))} are counted as one."
            )
        budgets = kinds["PodDisruptionBudget"]
        if budgets:
            self.inventory.not_understood.append(f"PodDisruptionBudgets: {budgets}")
        left_out = {kind: count for kind, count in kinds.items() if kind in ("Job", "CronJob")}
        say = self.inventory.remarks.append
        for count, what in (
            (self.counts["ended"], "ended (Succeeded or Failed) and left out"),
            (self.counts["DaemonSet"], "of DaemonSets, which take their share of their nodes and stay"),
            (self.counts["static"], "static, which take their share of their nodes and stay"),
            (self.counts["deleted"], "being deleted, which take their share of their nodes until they are gone"),
        ):
            if count:
                say(f"{count} pod{'s'[: count > 1]}: {what}.")
        for names, what in (
            (self.pending, "These are on no node yet"),
            (self.asking_nothing, "These ask for nothing, so that any node has room for them"),
            (self.alone, "These have no controller that would start them elsewhere"),
        ):
            if names:
                say(f"{what}: {', '.join(shorten(names))}.")
        for kind, count in left_out.items():
            say(f"{count} of kind {kind}: left out, as only their pods run.")
        there = sorted(self.asking.keys() & self.having.keys())
        if there:
            say(f"Of {', '.join(shorten(there))} it is looked at only whether a node has any, not how much.")
        not_looked_at = sorted(self.not_looked_at | (self.asking.keys() - self.having.keys()))
        if not_looked_at:
            say(f"Only cpu, memory and GPUs are looked at, not {', '.join(shorten(not_looked_at))}.")


def _why_it_stays(metadata: Metadata, owner: str) -> str:
    """Empty for what may move."""
    if owner == "Node" or (metadata.annotations and metadata.annotations.mirror is not None):
        return "static"
    if metadata.deletionTimestamp:
        return "deleted"
    return "DaemonSet" if owner == "DaemonSet" else ""


def _name(metadata: Metadata) -> str:
    name = metadata.name or metadata.generateName
    if not name:
        raise InvalidContext("There is an object whose metadata has no name.")
    return name


Object = TypeVar("Object", bound=Part)


def _valid(model: type[Object], kind: str, item: Mapping[str, Any]) -> Object:
    return validate(model, pruned(item, model), InvalidContext, _title(kind, item))


def _title(kind: str, item: Mapping[str, Any]) -> str:
    name = item["metadata"].get("name")
    return f"{kind} {name[:80]}" if isinstance(name, str) else kind


Controllers = list[tuple[str, Controller, Mapping[str, Any]]]  # (kind, the object, its pods' spec)


def _without_pods(controllers: Controllers, pods: list[PodHead]) -> Controllers:
    """Those that nothing else in the context stands for: neither pods of theirs, nor the Deployment above a ReplicaSet."""
    there = {(kind, one.metadata.namespace, one.metadata.name) for kind, one, _ in controllers}
    standing: set[tuple[str, str, str]] = set()
    for pod in pods:
        owner, revision = pod.metadata.controller, pod.metadata.labels.get(REVISION)
        if owner:
            standing.add((owner.kind, pod.metadata.namespace, owner.name))
            if owner.kind == "ReplicaSet" and revision and owner.name.endswith(f"-{revision}"):
                standing.add(("Deployment", pod.metadata.namespace, owner.name.removesuffix(f"-{revision}")))
    for kind, one, _ in controllers:
        owner = one.metadata.controller
        if owner and (owner.kind, one.metadata.namespace, owner.name) in there:
            standing.add((kind, one.metadata.namespace, one.metadata.name))
    return [
        found
        for found in controllers
        if (found[0], found[1].metadata.namespace, found[1].metadata.name) not in standing
    ]
