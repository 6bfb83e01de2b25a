"""Dependency graphs, read from the forms that people already have them in.

Own forms (strict): `{"steps": {name: [names]}}` and `{"steps": [{"name": …, "depends_on": […]}]}`. Foreign ones are in
`manifests`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.ordered import ordered_objects
from agent_reasoning.tasks.manifests import read_manifests
from agent_reasoning.tasks.naming import NAMED_IN_MESSAGES, Name, refuse_lookalikes, refuse_slips, shorten
from agent_reasoning.tasks.schedule import Limits
from agent_reasoning.validation import Model, validate

MAX_STEPS = 128

Duration = Annotated[float, Field(ge=0.001, le=1e6, allow_inf_nan=False)]


@dataclass(frozen=True)
class DependencyGraph:
    """An acyclic graph. `needs[i]` are the indices of what step i needs first."""

    names: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]
    limits: Limits | None = None
    """Where not all may run at once, or some take longer than others."""

    @cached_property
    def critical_path(self) -> tuple[int, ...]:
        """A longest chain: of steps, or of time where they have durations."""
        limits = self.limits or Limits(self.needs, (1,) * len(self.names), len(self.names))
        return limits.critical_path


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
    max_parallel: int | None = Field(None, ge=1, le=MAX_STEPS, description="how many steps may run at the same time")
    durations: dict[Name, Duration] | None = Field(None, description="how long steps take, in any unit; 1 if not named")


class _OfLimits(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    max_parallel: int | None = Field(None, ge=1, le=MAX_STEPS)
    durations: dict[Name, Duration] | None = None


def looks_like_dependencies(context: Mapping[str, Any]) -> bool:
    if "steps" in context:
        return True
    services = context.get("services")
    if lists_services(context):
        return True
    if isinstance(services, Mapping):
        return all(service is None or isinstance(service, Mapping) for service in services.values())
    return ordered_objects(context) is not None


def lists_services(context: Mapping[str, Any]) -> bool:
    """`{"services": {name: [names it needs]}}`, which is as much as `steps`."""
    services = context.get("services")
    return isinstance(services, Mapping) and all(isinstance(needs, list) for needs in services.values())


def read_dependencies(context: Mapping[str, Any]) -> DependencyGraph:
    """Raises InvalidContext for anything that is no acyclic graph of 1 to MAX_STEPS uniquely named steps."""
    given = [field for field in ("steps", "services", "documents", "items") if field in context]
    if len(given) > 1:
        raise InvalidContext(f"The steps are given twice, as {' and as '.join(given)}: one is enough.")
    if lists_services(context):
        context = {"steps" if field == "services" else field: value for field, value in context.items()}
    if "steps" in context:
        graph = build_graph(own_steps(context))
    else:
        refuse_slips(context)
        graph = build_graph(read_manifests(context, MAX_STEPS))
    limits = _as(_OfLimits, context)
    return replace(graph, limits=_limits(graph, limits.max_parallel, limits.durations))


def _limits(graph: DependencyGraph, max_parallel: int | None, durations: dict[str, float] | None) -> Limits | None:
    if max_parallel is None and durations is None:
        return None
    strange = [name for name in durations or {} if name not in graph.names]
    _refuse(strange, "Durations of what is no step")
    lasting = [float((durations or {}).get(name, 1.0)) for name in graph.names]
    try:
        return Limits.of(graph.needs, lasting, min(max_parallel or MAX_STEPS, len(graph.names)))
    except ValueError as error:
        raise InvalidContext(f"Durations have at most three decimals, not {error}: take a smaller unit.") from None


def build_graph(pairs: Iterable[tuple[str, list[str]]]) -> DependencyGraph:
    """From (name, names it needs). Raises InvalidContext, which names the steps in question."""
    pairs = list(pairs)
    if not pairs:
        raise InvalidContext("There are no steps: at least one is needed.", steps=[])
    if len(pairs) > MAX_STEPS:
        raise InvalidContext(f"There are {len(pairs)} steps; at most {MAX_STEPS} are allowed.")
    counted = Counter(name for name, _ in pairs)
    _refuse([name for name, times in counted.items() if times > 1], "Named more than once")
    refuse_lookalikes(counted, "steps")
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
