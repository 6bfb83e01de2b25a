"""What needs what, read from files that people have; what else these hold is ignored.

A Docker Compose document; and Kubernetes objects, as one object, a `kubectl get -o json` List, or `{"documents": [...]}` for
a file of several: Flux Kustomizations and HelmReleases, and objects that Argo CD or Helm bring in an order by annotations.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.compose import needs_alone
from agent_reasoning.foreign.ordered import (
    ARGO_HOOK,
    FLUX_KINDS,
    HELM_HOOK,
    HOOK_WEIGHT,
    SYNC_WAVE,
    annotated,
    ordered_objects,
)
from agent_reasoning.tasks.naming import Name
from agent_reasoning.validation import validate

PHASES = ("PreSync", "Sync", "PostSync")
# Hooks that run when something fails, is deleted, rolled back or tested are no part of a rollout.
ARGO_PHASES = {phase: phase for phase in PHASES} | dict.fromkeys(("SyncFail", "Skip", "PreDelete", "PostDelete"))
HELM_PHASES = {
    "crd-install": "PreSync",
    "pre-install": "PreSync",
    "pre-upgrade": "PreSync",
    "post-install": "PostSync",
    "post-upgrade": "PostSync",
    **dict.fromkeys(
        ("pre-delete", "post-delete", "pre-rollback", "post-rollback", "test", "test-success", "test-failure")
    ),
}

Pairs = list[tuple[str, list[str]]]  # (name, names it needs)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _ComposeService(_Part):
    depends_on: list[Name] | dict[Name, dict[str, Any] | None] | None = None


class _Compose(_Part):
    services: dict[Name, _ComposeService | None]


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


class _Metadata(_Part):
    name: Name | None = None
    generateName: Name | None = None
    namespace: Name = "default"
    annotations: Annotated[dict[str, str], BeforeValidator(_or_empty)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_named(self) -> "_Metadata":
        if self.name is None and self.generateName is None:
            raise ValueError("an object needs a name, or a generateName")
        return self


class _Reference(_Part):
    name: Name
    namespace: Name | None = None


class _Spec(_Part):
    dependsOn: list[_Reference] | None = None


class _Object(_Part):
    kind: str
    metadata: _Metadata
    spec: Annotated[_Spec, BeforeValidator(lambda spec: spec if isinstance(spec, Mapping) else {})] = Field(
        default_factory=_Spec
    )

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind, self.metadata.namespace, self.metadata.name or self.metadata.generateName or ""


class _Objects(_Part):
    objects: list[_Object]


def read_manifests(context: Mapping[str, Any], most: int, *, ordered: bool = True) -> Pairs:
    """`most`: how many there may be, which is seen before each is looked at. `ordered`: whether an order that nothing needs
    counts, as Argo CD's and Helm's do. Raises InvalidContext."""
    if "services" in context:
        _count(context["services"], most, "services")
        return _compose(context, ordered)
    objects = ordered_objects(context)
    if objects is None:
        raise InvalidContext(
            "The context holds no dependency graph: it needs `steps`, a Compose document's `services`, Flux objects "
            "(`kind: Kustomization` or `HelmRelease`), or objects with annotations of Argo CD or Helm "
            f"({SYNC_WAVE}, {ARGO_HOOK}, {HELM_HOOK})."
        )
    _count(objects, most, "objects")
    in_waves = any(map(annotated, objects))
    if in_waves and not ordered:
        raise InvalidContext(
            "The order that Argo CD or Helm brings objects in does not say which of them fails without which: give `services`."
        )
    read = validate(_Objects, {"objects": objects}, InvalidContext, "context").objects
    return _in_order(read) if in_waves else _flux(read)


def _count(listed: Any, most: int, what: str) -> None:
    if isinstance(listed, Mapping | list) and len(listed) > most:
        raise InvalidContext(f"There are {len(listed)} {what}; at most {most} are allowed.")


def _compose(context: Mapping[str, Any], ordered: bool) -> Pairs:
    """https://docs.docker.com/reference/compose-file/services/#depends_on, short and long form."""
    services = context["services"]
    read = {"services": needs_alone(services) if isinstance(services, Mapping) else services}
    services = validate(_Compose, read, InvalidContext, "context").services
    pairs = []
    for name, service in services.items():
        needs = (service.depends_on if service else None) or []
        if isinstance(needs, dict):
            # `required: false` is Compose's word for "if it is there at all": an order, and nothing that must work.
            needs = [n for n, how in needs.items()
                     if (how or {}).get("required") is not False or (ordered and n in services)]  # fmt: skip
        pairs.append((name, list(dict.fromkeys(needs))))
    return pairs


def _flux(objects: list[_Object]) -> Pairs:
    """https://fluxcd.io/flux/components/kustomize/kustomizations/#dependencies: a reference without a namespace
    means the object's own, and a kind depends on its own kind only."""
    labels = _labels(objects)
    return [(labels[item.identity], list(dict.fromkeys(_depends_on(item, labels)))) for item in objects]


def _depends_on(item: _Object, labels: Mapping[tuple[str, str, str], str]) -> Iterator[str]:
    for reference in item.spec.dependsOn or [] if item.kind in FLUX_KINDS else []:
        kind, namespace, name = item.kind, reference.namespace or item.metadata.namespace, reference.name
        yield labels.get((kind, namespace, name), f"{kind} {namespace}/{name}")


def _labels(objects: list[_Object]) -> dict[tuple[str, str, str], str]:
    """Names, shortened as far as they stay unique."""
    identities = [item.identity for item in objects]
    plain = Counter(name for _, _, name in identities)
    spaced = Counter((namespace, name) for _, namespace, name in identities)

    def label(kind: str, namespace: str, name: str) -> str:
        if plain[name] <= 1:
            return name
        return f"{namespace}/{name}" if spaced[namespace, name] <= 1 else f"{kind}/{namespace}/{name}"

    return {identity: label(*identity) for identity in identities}


def _in_order(objects: list[_Object]) -> Pairs:
    """By phase and wave, each of which has to be done before the next begins, and Flux's own needs beside.

    https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/ and https://helm.sh/docs/topics/charts_hooks/; Helm's hooks
    are taken as Argo CD takes them: its phases, the weight for the wave, and Argo's own where there are both. What has the same
    phase and wave may run at the same time (they go on to order it by kind and name).
    """
    labels = _labels(objects)
    placed = [(PHASES.index(phase), _wave(item), phase, item) for item in objects for phase in _phases(item)]
    times = Counter(item.identity for _, _, _, item in placed)
    pairs: Pairs = []
    before: list[str] = []
    for _, together in groupby(sorted(placed, key=lambda one: one[:2]), key=lambda one: one[:2]):
        names = []
        for _, _, phase, item in together:
            names.append(labels[item.identity] + f" ({phase})" * (times[item.identity] > 1))
            own = list(_depends_on(item, labels))
            # One list for all of a wave: that many copies of it would be squares.
            pairs.append((names[-1], list(dict.fromkeys([*before, *own])) if own else before))
        before = names
    return pairs


def _phases(item: _Object) -> list[str]:
    annotations = item.metadata.annotations
    name, phases = (ARGO_HOOK, ARGO_PHASES) if ARGO_HOOK in annotations else (HELM_HOOK, HELM_PHASES)
    hooks = [hook.strip() for hook in annotations.get(name, "").split(",") if hook.strip()]
    for hook in hooks:
        if hook not in phases:
            raise InvalidContext(f"{name}: {hook!r} is no hook; there are {', '.join(phases)}.")
    found = {phases[hook] for hook in hooks} if hooks else {"Sync"}
    return [phase for phase in PHASES if phase in found]


def _wave(item: _Object) -> int:
    annotations = item.metadata.annotations
    name = SYNC_WAVE if SYNC_WAVE in annotations else HOOK_WEIGHT
    written = annotations.get(name, "0").strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", written):
        raise InvalidContext(f"{name}: {written[:40]!r} is no whole number.")
    return int(written)
