"""Service graphs, read from the forms that people already have them in.

Own forms (strict): `{"services": {name: [names it needs]}}`, a service with resilient edges as
`{"depends_on": [...], "resilient": [...]}`, or `{"edges": [{"source": …, "target": …}]}`, as a service mesh lists calls
(also `parent` and `child`, as Jaeger does). Foreign forms: those of `manifests`. Services may need each other in a
circle, and a need that is not listed by itself is a service, too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.compose import has_own_form
from agent_reasoning.tasks.dependencies import own_steps
from agent_reasoning.tasks.manifests import read_manifests
from agent_reasoning.tasks.naming import Name, refuse_lookalikes, shorten
from agent_reasoning.validation import validate

MAX_SERVICES = 2_000
MAX_EDGES = 20_000


class Needs(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    depends_on: list[Name] = Field(default_factory=list, description="the services that it calls")
    resilient: list[Name] = Field(
        default_factory=list,
        description="those of them whose failure it survives (cached, optional, retried elsewhere)",
    )


class Edge(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)  # a mesh lists rates and protocols, too

    source: Annotated[Name, Field(validation_alias=AliasChoices("source", "parent"))]
    target: Annotated[Name, Field(validation_alias=AliasChoices("target", "child", "destination"))]
    resilient: bool = False


class _OfServices(BaseModel):
    services: dict[Name, list[Name] | Needs]


class _OfEdges(BaseModel):
    edges: list[Edge]


@dataclass(frozen=True, slots=True)
class ServiceGraph:
    """`needs[i]`: the indices of what service i calls and cannot do without."""

    names: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]


def read_services(context: Mapping[str, Any]) -> ServiceGraph:
    """Raises InvalidContext, naming what is wrong and where."""
    for field, most, what in (("services", MAX_SERVICES, "services"), ("edges", MAX_EDGES, "edges")):
        given = context.get(field)
        if isinstance(given, Mapping | list) and len(given) > most:  # before each is looked at
            raise InvalidContext(f"There are {len(given)} {what}; at most {most} are allowed.")
    given = [field for field in ("services", "edges", "steps") if field in context]
    if len(given) > 1:
        raise InvalidContext(f"The graph is given twice, as {' and as '.join(given)}: one is enough.")
    if "edges" in context:
        edges = validate(_OfEdges, {"edges": context["edges"]}, InvalidContext, "context").edges
        listed = [(edge.source, [] if edge.resilient else [edge.target], [edge.target]) for edge in edges]
    elif "steps" in context:
        listed = [(name, needs, []) for name, needs in own_steps({"steps": context["steps"]})]
    elif has_own_services(context):
        services = validate(_OfServices, {"services": context["services"]}, InvalidContext, "context").services
        listed = [(name, *_split(name, needs)) for name, needs in services.items()]
    else:
        listed = [(name, needs, []) for name, needs in read_manifests(context, MAX_SERVICES, ordered=False)]
    return build(listed)


def has_own_services(context: Mapping[str, Any]) -> bool:
    """Not a Compose document, whose services hold more than what they need."""
    services = context.get("services")
    return isinstance(services, Mapping) and has_own_form(services)


def _split(name: str, needs: list[str] | Needs) -> tuple[list[str], list[str]]:
    if isinstance(needs, list):
        return needs, []
    known, resilient = set(needs.depends_on), set(needs.resilient)
    strange = [other for other in needs.resilient if other not in known]
    if strange:
        raise InvalidContext(f"{name}: resilient names {', '.join(shorten(strange))}, which depends_on does not.")
    return [other for other in needs.depends_on if other not in resilient], needs.resilient


def build(listed: Iterable[tuple[str, list[str], list[str]]]) -> ServiceGraph:
    """From (name, what it cannot do without, what else it mentions). That a service needs itself says nothing."""
    listed = list(listed)
    needs: dict[str, dict[str, None]] = {name: {} for name, _, _ in listed}
    for name, hard, mentioned in listed:
        needs[name].update(dict.fromkeys(other for other in hard if other != name))
        for other in (*hard, *mentioned):
            needs.setdefault(other, {})
    edges = sum(map(len, needs.values()))
    if not needs:
        raise InvalidContext("There are no services: at least one is needed.")
    if len(needs) > MAX_SERVICES or edges > MAX_EDGES:
        raise InvalidContext(
            f"There are {len(needs)} services with {edges} edges; at most {MAX_SERVICES} with {MAX_EDGES} are allowed."
        )
    refuse_lookalikes(needs, "services")
    number = {name: index for index, name in enumerate(needs)}
    return ServiceGraph(tuple(needs), tuple(tuple(sorted(number[other] for other in of)) for of in needs.values()))
