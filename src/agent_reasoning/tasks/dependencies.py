"""Dependency graphs, read from the forms that people already have them in.

Own forms (strict): `{"steps": {name: [names]}}` and `{"steps": [{"name": …, "depends_on": […]}]}`.
Foreign forms (what they hold beside dependencies is ignored): a Docker Compose document, and Flux Kustomizations or
HelmReleases as one object, a `kubectl get -o json` List, or `{"documents": [...]}` for a multi-document file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agent_reasoning.errors import InvalidContext
from agent_reasoning.validation import Model, validate

MAX_STEPS = 128
NAMED_IN_MESSAGES = 12  # a message that lists a thousand names helps nobody

Name = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[^\p{Cc}\p{Zl}\p{Zp}]+$", description="no control characters"),
]


@dataclass(frozen=True, slots=True)
class DependencyGraph:
    """An acyclic graph. `needs[i]` are the indices of what step i needs first."""

    names: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    depends_on: list[Name] = Field(default_factory=list, description="names of the steps that must be done before")


class DependencyContext(BaseModel):
    """The own form."""

    model_config = ConfigDict(extra="forbid", strict=True)

    steps: dict[Name, list[Name]] | list[Step] = Field(
        description="each step and the steps it needs first; as an object, or as a list of {name, depends_on}"
    )


class _Foreign(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _ComposeService(_Foreign):
    depends_on: list[Name] | dict[Name, dict[str, Any] | None] | None = None


class _Compose(_Foreign):
    services: dict[Name, _ComposeService | None]


class _FluxMetadata(_Foreign):
    name: Name
    namespace: Name = "default"


class _FluxReference(_Foreign):
    name: Name
    namespace: Name | None = None


class _FluxSpec(_Foreign):
    dependsOn: list[_FluxReference] | None = None


class _FluxObject(_Foreign):
    kind: str = ""
    metadata: _FluxMetadata
    spec: _FluxSpec = Field(default_factory=_FluxSpec)


class _FluxList(_Foreign):
    objects: list[_FluxObject]


def looks_like_dependencies(context: Mapping[str, Any]) -> bool:
    if "steps" in context:
        return True
    services = context.get("services")
    if lists_services(context):
        return True
    if isinstance(services, Mapping):
        return all(service is None or isinstance(service, Mapping) for service in services.values())
    return _flux_objects(context) is not None


def lists_services(context: Mapping[str, Any]) -> bool:
    """`{"services": {name: [names it needs]}}`, which is as much as `steps`."""
    services = context.get("services")
    return isinstance(services, Mapping) and all(isinstance(needs, list) for needs in services.values())


def read_dependencies(context: Mapping[str, Any]) -> DependencyGraph:
    """Raises InvalidContext for anything that is no acyclic graph of 1 to MAX_STEPS uniquely named steps."""
    if lists_services(context):
        context = {"steps" if field == "services" else field: value for field, value in context.items()}
    return build_graph(own_steps(context) if "steps" in context else foreign_dependencies(context))


def foreign_dependencies(context: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(name, names it needs) from a Compose document or Flux objects. Raises InvalidContext."""
    if "services" in context:
        return _compose(context)
    flux = _flux_objects(context)
    if flux is None:
        raise InvalidContext(
            "The context holds no dependency graph: it needs `steps`, a Compose document's `services`, "
            "or Flux objects (`kind: Kustomization` or `HelmRelease`)."
        )
    return _flux(flux)


def build_graph(pairs: Iterable[tuple[str, list[str]]]) -> DependencyGraph:
    """From (name, names it needs). Raises InvalidContext, which names the steps in question."""
    pairs = list(pairs)
    if not pairs:
        raise InvalidContext("There are no steps: at least one is needed.", steps=[])
    if len(pairs) > MAX_STEPS:
        raise InvalidContext(f"There are {len(pairs)} steps; at most {MAX_STEPS} are allowed.")
    counted = Counter(name for name, _ in pairs)
    _refuse([name for name, times in counted.items() if times > 1], "Named more than once")
    number = {name: index for index, (name, _) in enumerate(pairs)}
    _refuse(
        [f"{name} needs {need}" for name, needs in pairs for need in dict.fromkeys(needs) if need not in number],
        "Needed but not among the steps",
    )
    _refuse([f"{name} needs {need}" for name, needs in pairs for need in _repeated(needs)], "Listed more than once")
    graph = DependencyGraph(
        names=tuple(name for name, _ in pairs),
        needs=tuple(tuple(number[need] for need in needs) for _, needs in pairs),
    )
    cycle = find_cycle(graph)
    if cycle:
        names = [graph.names[index] for index in cycle]
        around = " → ".join(shorten([*names, names[0]]))
        raise InvalidContext(f"These steps need each other in a circle: {around}.", steps=names[:NAMED_IN_MESSAGES])
    return graph


def find_cycle(graph: DependencyGraph) -> list[int]:
    """The indices along one cycle, each needing the next; empty if there is none. Iterative: chains may be long."""
    colour = ["new"] * len(graph.names)
    for root in range(len(graph.names)):
        if colour[root] != "new":
            continue
        path, remaining = [root], [iter(graph.needs[root])]
        colour[root] = "open"
        while path:
            following = next(remaining[-1], None)
            if following is None:
                colour[path.pop()] = "done"
                remaining.pop()
            elif colour[following] == "open":
                return path[path.index(following) :]
            elif colour[following] == "new":
                colour[following] = "open"
                path.append(following)
                remaining.append(iter(graph.needs[following]))
    return []


def shorten(names: list[str]) -> list[str]:
    if len(names) <= NAMED_IN_MESSAGES:
        return names
    return [*names[:NAMED_IN_MESSAGES], f"… and {len(names) - NAMED_IN_MESSAGES} more"]


def _repeated(needs: list[str]) -> list[str]:
    return [need for need, times in Counter(needs).items() if times > 1]


def _refuse(steps: list[str], what: str) -> None:
    if steps:
        raise InvalidContext(f"{what}: {', '.join(shorten(steps))}.", steps=steps[:NAMED_IN_MESSAGES])


def _as(model: type[Model], data: Any) -> Model:
    return validate(model, data, InvalidContext, "context")


def own_steps(context: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(name, names it needs) from the own form. Raises InvalidContext."""
    if isinstance(context["steps"], dict | list) and len(context["steps"]) > MAX_STEPS:  # before each is looked at
        raise InvalidContext(f"There are {len(context['steps'])} steps; at most {MAX_STEPS} are allowed.")
    steps = _as(DependencyContext, context).steps
    if isinstance(steps, dict):
        return list(steps.items())
    return [(step.name, step.depends_on) for step in steps]


def _compose(context: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """https://docs.docker.com/reference/compose-file/services/#depends_on, short and long form."""
    services = _as(_Compose, context).services
    pairs = []
    for name, service in services.items():
        needs = (service.depends_on if service else None) or []
        if isinstance(needs, dict):
            # `required: false` is Compose's word for "if it is there at all".
            needs = [n for n, how in needs.items() if n in services or (how or {}).get("required") is not False]
        pairs.append((name, list(dict.fromkeys(needs))))
    return pairs


def _flux_objects(context: Mapping[str, Any]) -> list[Any] | None:
    """The Flux objects of a context, or None if it holds none."""
    if isinstance(context.get("documents"), list):
        objects = [document for document in context["documents"] if document is not None]
    elif isinstance(context.get("items"), list):
        objects = list(context["items"])
    else:
        objects = [context]
    flattened: list[Any] = []
    for item in objects:
        nested = item.get("items") if isinstance(item, Mapping) else None
        flattened.extend(nested if isinstance(nested, list) else [item])
    flux = [
        item for item in flattened if isinstance(item, Mapping) and item.get("kind") in ("Kustomization", "HelmRelease")
    ]
    # Kustomize's own kustomization.yaml has the same kind and no metadata.name: it orders nothing.
    flux = [item for item in flux if not str(item.get("apiVersion", "")).startswith("kustomize.config.k8s.io/")]
    return flux or None


def _flux(objects: list[Any]) -> list[tuple[str, list[str]]]:
    """https://fluxcd.io/flux/components/kustomize/kustomizations/#dependencies: a reference without a namespace
    means the object's own, and a kind depends on its own kind only. Names are shortened as far as they stay unique."""
    read = _as(_FluxList, {"objects": objects}).objects
    plain = Counter(item.metadata.name for item in read)
    spaced = Counter((item.metadata.namespace, item.metadata.name) for item in read)

    def label(kind: str, namespace: str, name: str) -> str:
        if plain[name] <= 1:
            return name
        return f"{namespace}/{name}" if spaced[namespace, name] <= 1 else f"{kind}/{namespace}/{name}"

    known = {(item.kind, item.metadata.namespace, item.metadata.name) for item in read}
    pairs = []
    for item in read:
        needs = []
        for reference in item.spec.dependsOn or []:
            target = (item.kind, reference.namespace or item.metadata.namespace, reference.name)
            needs.append(label(*target) if target in known else f"{target[0]} {target[1]}/{target[2]}")
        pairs.append((label(item.kind, item.metadata.namespace, item.metadata.name), list(dict.fromkeys(needs))))
    return pairs
