"""What a pod asks for, as the scheduler counts it.

https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers and `PodRequests` in
kubernetes:staging/src/k8s.io/component-helpers/resource/helpers.go.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.kubernetes_objects import Container, PodSpec, Resources
from agent_reasoning.tasks.inventory import Amounts
from agent_reasoning.tasks.quantities import MOST, RESOURCES, least_units, shown

NOTHING = (0,) * len(RESOURCES)


def resource_of(name: str) -> int | None:
    """cpu, memory, or gpu for `nvidia.com/gpu`, `amd.com/gpu` and their like; None for what is not looked at."""
    if name in ("cpu", "memory"):
        return RESOURCES.index(name)
    return RESOURCES.index("gpu") if name.endswith("/gpu") else None


def amounts(given: Mapping[str, Any], whose: str) -> Amounts:
    """Raises InvalidContext, which says whose quantity it is."""
    found = list(NOTHING)
    for name, quantity in given.items():
        resource = resource_of(name)
        if resource is not None:
            try:
                found[resource] += least_units(RESOURCES[resource], quantity)
            except ValueError as error:
                raise InvalidContext(f"{whose}: {name}: {error}.") from None
    return tuple(found)


def requested(of: Resources | None) -> Mapping[str, Any]:
    """A limit is a request where there is none: the API server's default."""
    return {**(of.limits or {}), **(of.requests or {})} if of else {}


def pod_amounts(spec: PodSpec, whose: str) -> Amounts:
    """The containers and sidecars together, or at some moment of the start an init container and the sidecars before it,
    whichever is more; what the pod as a whole states instead; and the overhead."""
    running = _sum(amounts(requested(container.resources), whose) for container in spec.containers or ())
    sidecars = starting = NOTHING
    for container in spec.initContainers or ():
        asked = amounts(requested(container.resources), whose)
        if container.restartPolicy == "Always":
            sidecars = _sum((sidecars, asked))
            asked = sidecars
        else:
            asked = _sum((sidecars, asked))
        starting = tuple(map(max, starting, asked))
    found = tuple(map(max, _sum((running, sidecars)), starting))
    if spec.resources:
        stated, limits = spec.resources.requests or {}, spec.resources.limits or {}
        instead, at_most = amounts(stated, whose), amounts(limits, whose)
        named = {resource_of(name) for name in stated}
        found = tuple(instead[r] if r in named else amount or at_most[r] for r, amount in enumerate(found))
    found = _sum((found, amounts(spec.overhead or {}, whose)))
    for name, amount in zip(RESOURCES, found, strict=True):
        if amount > MOST:
            raise InvalidContext(
                f"{whose}: {shown(name, amount)} of {name} is too much; at most {shown(name, MOST)} are allowed."
            )
    return found


def others(spec: PodSpec) -> set[str]:
    """Resources that it asks for and that are not looked at."""
    containers: list[Container] = [*(spec.containers or ()), *(spec.initContainers or ())]
    every = [requested(one.resources) for one in containers] + [requested(spec.resources), spec.overhead or {}]
    return {name for given in every for name in given if resource_of(name) is None}


def _sum(every: Iterable[Amounts]) -> Amounts:
    return tuple(map(sum, zip(NOTHING, *every, strict=True)))
