"""The fields of Kubernetes objects that placement reads: what they are here is all that is read, and all that is sent.

https://kubernetes.io/docs/reference/kubernetes-api/. Everything else is ignored. Objects are `pruned` before they are
validated, so that null is as good as nothing.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from agent_reasoning.validation import Name

Texts = dict[str, str]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
MIRROR = "kubernetes.io/config.mirror"
REVISION = "pod-template-hash"


class Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Present(Part):
    """What counts is that it is there."""


class Resources(Part):
    requests: dict[str, Any] | None = None
    limits: dict[str, Any] | None = None


class Port(Part):
    hostPort: int | None = None


class Container(Part):
    resources: Resources | None = None
    restartPolicy: str | None = None
    ports: list[Port] | None = None


class Requirement(Part):
    key: str
    operator: str
    values: list[str] | None = None


class NodeTerm(Part):
    matchExpressions: list[Requirement] | None = None
    matchFields: list[Requirement] | None = None


class NodeTerms(Part):
    nodeSelectorTerms: list[NodeTerm] | None = None


class NodeAffinity(Part):
    required: NodeTerms | None = Field(None, alias=REQUIRED)
    preferred: list[Present] | None = Field(None, alias=PREFERRED)


class LabelSelector(Part):
    matchLabels: Texts | None = None
    matchExpressions: list[Requirement] | None = None


class PodTerm(Part):
    labelSelector: LabelSelector | None = None
    topologyKey: str = ""
    namespaces: list[str] | None = None
    namespaceSelector: LabelSelector | None = None
    matchLabelKeys: list[str] | None = None
    mismatchLabelKeys: list[str] | None = None


class PodAffinity(Part):
    required: list[PodTerm] | None = Field(None, alias=REQUIRED)
    preferred: list[Present] | None = Field(None, alias=PREFERRED)


class Affinity(Part):
    nodeAffinity: NodeAffinity | None = None
    podAffinity: PodAffinity | None = None
    podAntiAffinity: PodAffinity | None = None


class TolerationPart(Part):
    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None
    tolerationSeconds: int | None = None


class Volume(Part):
    persistentVolumeClaim: Present | None = None
    ephemeral: Present | None = None
    hostPath: Present | None = None


class PodSpec(Part):
    nodeName: str | None = None
    containers: list[Container] | None = None
    initContainers: list[Container] | None = None
    overhead: dict[str, Any] | None = None
    resources: Resources | None = None
    nodeSelector: Texts | None = None
    affinity: Affinity | None = None
    tolerations: list[TolerationPart] | None = None
    volumes: list[Volume] | None = None
    topologySpreadConstraints: list[Present] | None = None
    resourceClaims: list[Present] | None = None
    runtimeClassName: str | None = None
    schedulerName: str | None = None


class Owner(Part):
    kind: str = ""
    name: str = ""
    controller: bool | None = None


class Annotations(Part):
    mirror: str | None = Field(None, alias=MIRROR)


class Metadata(Part):
    name: Name = ""
    generateName: Name = ""
    namespace: Name = "default"
    labels: Texts = Field(default_factory=dict)
    annotations: Annotations | None = None
    ownerReferences: list[Owner] | None = None
    deletionTimestamp: str | None = None

    @property
    def controller(self) -> Owner | None:
        return next((owner for owner in self.ownerReferences or () if owner.controller), None)


class PodStatus(Part):
    phase: str = ""


class Pod(Part):
    metadata: Metadata
    spec: PodSpec
    status: PodStatus | None = None


class OnNode(Part):
    nodeName: str | None = None


class PodHead(Part):
    """What differs between the pods of one template."""

    metadata: Metadata
    spec: OnNode


class TemplateMetadata(Part):
    labels: Texts = Field(default_factory=dict)


class PodTemplate(Part):
    metadata: TemplateMetadata = Field(default_factory=TemplateMetadata)
    spec: PodSpec


class ControllerSpec(Part):
    replicas: int | None = Field(None, ge=0)
    template: PodTemplate
    volumeClaimTemplates: list[Present] | None = None


class Controller(Part):
    """A Deployment, StatefulSet, ReplicaSet, ReplicationController or DaemonSet."""

    metadata: Metadata
    spec: ControllerSpec


class TaintPart(Part):
    key: str
    value: str | None = None
    effect: str


class NodeSpec(Part):
    taints: list[TaintPart] | None = None
    unschedulable: bool | None = None


class Condition(Part):
    type: str = ""
    status: str = ""


class NodeStatus(Part):
    allocatable: dict[str, Any] | None = None
    capacity: dict[str, Any] | None = None
    conditions: list[Condition] | None = None


class NodeObject(Part):
    metadata: Metadata
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


CONTROLLERS = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "DaemonSet")
MODELS: dict[str, type[Part]] = {"Node": NodeObject, "Pod": Pod, **dict.fromkeys(CONTROLLERS, Controller)}


def pruned(value: Any, model: type[Part]) -> Any:
    """Only the fields of the model, and nothing that is null. What has another shape stays: reading will name it."""
    if isinstance(value, list):
        return [pruned(item, model) for item in value]
    if not isinstance(value, Mapping):
        return value
    fields = _fields(model)
    return {
        name: value[name] if inner is None else pruned(value[name], inner)
        for name, inner in fields.items()
        if value.get(name) is not None
    }


@cache
def _fields(model: type[Part]) -> dict[str, type[Part] | None]:
    """As JSON calls them, with the model of what is in them if there is one."""
    return {field.alias or name: next(_models(field.annotation), None) for name, field in model.model_fields.items()}


def _models(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
