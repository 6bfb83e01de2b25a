"""The placement task's own form: `{"nodes": count or list, "workloads": list}`, strict. Foreign forms are in `kubernetes`."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.cluster import Objective
from agent_reasoning.tasks.eligibility import Node, Rules, Taint, Toleration
from agent_reasoning.tasks.inventory import MAX_NODES, MAX_WORKLOADS, Inventory, Workload
from agent_reasoning.tasks.naming import Name, shorten
from agent_reasoning.tasks.quantities import Cpu, Gpu, Memory
from agent_reasoning.tasks.selectors import equals

SMALL_MEMORY = 2**20
MAX_CONSTRAINTS = 100
MAX_GROUPS = 16  # of one workload
LONGEST_CONSTRAINT = 200  # characters that are repeated of what is not understood

Effect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
Labels = dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=253)]]


class _Own(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _as_kubectl_writes(text: Any) -> Any:
    """`key=value:effect`, as `kubectl taint` takes it."""
    if not isinstance(text, str):
        return text
    pair, _, effect = text.rpartition(":") if ":" in text else (text, "", "NoSchedule")
    key, _, value = pair.partition("=")
    return {"key": key, "value": value, "effect": effect}


class TaintContext(_Own):
    key: Name
    value: str = ""
    effect: Effect = "NoSchedule"


class TolerationContext(_Own):
    key: str = Field("", description="none: every key")
    operator: Literal["Equal", "Exists"] | None = Field(None, description="Equal where there is a value, else Exists")
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field("", description="none: every effect")

    @property
    def read(self) -> Toleration:
        return Toleration(self.key, self.operator or ("Equal" if self.value else "Exists"), self.value, self.effect)


class NodeContext(_Own):
    name: Name
    cpu: Cpu | None = Field(None, description="cores, as 4 or '3920m'; if it is not stated, enough for everything")
    memory: Memory | None = Field(None, description="bytes, as '16Gi'; if it is not stated, enough for everything")
    gpu: Gpu | None = Field(None, description="GPUs; if it is not stated, 0, or enough where nothing is stated")
    labels: Labels = Field(default_factory=dict)
    taints: list[Annotated[TaintContext, BeforeValidator(_as_kubectl_writes)]] = Field(
        default_factory=list, description="objects, or as `kubectl taint` takes them: 'key=value:NoSchedule'"
    )
    cordoned: bool = Field(False, description="true: nothing new goes there, what runs may stay")


class WorkloadContext(_Own):
    name: Name
    cpu: Cpu = Field(0, description="cores, as 0.5 or '500m'")
    memory: Memory = Field(0, description="bytes, as '512Mi'")
    gpu: Gpu = Field(0, description="GPUs, also in parts")
    replicas: int = Field(1, ge=0, le=MAX_WORKLOADS, description="more than one become name-1, name-2, …")
    node: Name | list[Name] | None = Field(
        None, description="where it runs now; a list: where its replicas do, the last of which need not run"
    )
    node_selector: Labels = Field(default_factory=dict, description="labels that its node must have")
    tolerations: list[TolerationContext] = Field(default_factory=list)
    apart: Name | Annotated[list[Name], Field(max_length=MAX_GROUPS)] = Field(
        default_factory=list, description="names of groups; no two of a group share a node, nor do two replicas"
    )
    spread_replicas: bool = Field(False, description="true: no two of its replicas share a node")


class KubectlList(BaseModel):
    """As `kubectl get -o json` prints it."""

    model_config = ConfigDict(extra="ignore")

    items: list[dict[str, Any]]


def _form(value: Any) -> str:
    return "kubectl" if isinstance(value, Mapping) else "list"


def _form_of_nodes(value: Any) -> str:
    return "count" if isinstance(value, int) else _form(value)


Count = Annotated[int, Field(ge=1, le=MAX_NODES), Tag("count")]
Kubectl = Annotated[KubectlList, Tag("kubectl")]


class PlacementContext(_Own):
    """The own form; nodes, workloads or both may be kubectl's instead, as Lists here or as the whole context."""

    nodes: Annotated[
        Count | Annotated[list[NodeContext], Field(max_length=MAX_NODES), Tag("list")] | Kubectl,
        Discriminator(_form_of_nodes),
    ] | None = Field(
        None, validation_alias=AliasChoices("nodes", "current_nodes"),
        description="how many there are, all alike; or a list of them; or `kubectl get nodes -o json`",
    )  # fmt: skip
    workloads: Annotated[
        Annotated[list[WorkloadContext], Field(max_length=MAX_WORKLOADS), Tag("list")] | Kubectl, Discriminator(_form)
    ] | None = Field(None, description="what is to run; or `kubectl get pods -A -o json`, or Deployments and the like")  # fmt: skip
    pods: Annotated[
        Annotated[list[WorkloadContext], Field(max_length=MAX_WORKLOADS), Tag("list")] | Kubectl, Discriminator(_form)
    ] | None = Field(None, description="as workloads")  # fmt: skip
    objective: Objective | None = Field(
        None,
        description="consolidate: the fewest nodes in use; spread: the least utilisation of the fullest node; fewest_moves: "
        "make it fit, or drain, with the fewest moves. Not stated: what the question asks for",
    )
    drain: list[Name] = Field(default_factory=list, description="nodes that nothing may stay on")
    constraints: Annotated[list[Any], Field(max_length=MAX_CONSTRAINTS)] = Field(
        default_factory=list, description="none is applied: each is repeated as not understood"
    )


def read_own(context: PlacementContext, inventory: Inventory) -> None:
    """Adds the nodes and workloads of the own form. Raises InvalidContext."""
    if isinstance(context.nodes, list):
        inventory.nodes += [_node(node) for node in context.nodes]
    groups: dict[str, list[int]] = {}
    for form in (context.workloads, context.pods):
        for given in form if isinstance(form, list) else ():
            first = len(inventory.workloads)
            inventory.workloads += _replicas(given)
            if len(inventory.workloads) > MAX_WORKLOADS:
                raise InvalidContext(
                    f"With replicas there are more than {MAX_WORKLOADS} workloads, as many as are allowed."
                )
            own = range(first, len(inventory.workloads))
            for group in [given.apart] if isinstance(given.apart, str) else dict.fromkeys(given.apart):
                groups.setdefault(group, []).extend(own)
            if given.spread_replicas:
                inventory.apart.append(tuple(own))
    inventory.apart += map(tuple, groups.values())
    inventory.not_understood += [f"The constraint {_repeat(one)}" for one in context.constraints]
    _note_small(context, inventory)


def _node(given: NodeContext) -> Node:
    # Whoever says how much cpu or memory there is would have said that there are GPUs.
    gpu = 0 if given.gpu is None and (given.cpu, given.memory) != (None, None) else given.gpu
    taints = tuple(Taint(taint.key, taint.value, taint.effect) for taint in given.taints)
    return Node(given.name, (given.cpu, given.memory, gpu), given.labels, taints, given.cordoned)


def _replicas(given: WorkloadContext) -> list[Workload]:
    at = given.node if isinstance(given.node, list) else [given.node] * given.replicas
    if len(at) > given.replicas:
        raise InvalidContext(
            f"{given.name} runs on {len(at)} nodes, which is more than its replicas ({given.replicas})."
        )
    rules = Rules(equals(given.node_selector), None, tuple(toleration.read for toleration in given.tolerations))
    wants = (given.cpu, given.memory, given.gpu)
    return [
        Workload(f"{given.name}-{number}" if given.replicas > 1 else given.name, wants, rules, node)
        for number, node in enumerate([*at, *[None] * (given.replicas - len(at))], 1)
    ]


def _repeat(constraint: Any) -> str:
    text = constraint if isinstance(constraint, str) else json.dumps(constraint, ensure_ascii=False)
    return json.dumps(text[:LONGEST_CONSTRAINT], ensure_ascii=False) + "…" * (len(text) > LONGEST_CONSTRAINT)


def _note_small(context: PlacementContext, inventory: Inventory) -> None:
    listed = [form for form in (context.nodes, context.workloads, context.pods) if isinstance(form, list)]
    small = [one.name for form in listed for one in form if one.memory and one.memory < SMALL_MEMORY]
    if small:
        names = ", ".join(shorten(small))
        inventory.remarks.append(
            f"Memory without a suffix is bytes, so that these have or want less than 1Mi: {names}."
        )
