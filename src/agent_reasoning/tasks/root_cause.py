"""root-cause: what broke? The faults that explain the alerts at the least cost."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from agent_reasoning.errors import InvalidContext
from agent_reasoning.problem import Ints, Problem, ProblemSpec, RelationSpec, Verdict
from agent_reasoning.tasks.alerts import Alert, read_alerts
from agent_reasoning.tasks.base import Choice, Labelled, Recipe, Solution, Task, TaskInfo
from agent_reasoning.tasks.dependencies import lists_services
from agent_reasoning.tasks.naming import Name, refuse_slips, shorten
from agent_reasoning.tasks.outage import Outage, Weights, members
from agent_reasoning.tasks.outage_world import draw, random_outage
from agent_reasoning.tasks.root_cause_verifier import verify
from agent_reasoning.tasks.services import Edge, Needs, has_own_services, read_services
from agent_reasoning.validation import validate

MAX_SUSPECTS = 128
MAX_GROUPS = 128  # of silent services, of which there may be thousands: what is beyond is in the features' counts
MAX_PAIRED = 64  # suspects whose pairs the baseline tries
INNOCENT, FAULTY = 0, 1

SPEC = ProblemSpec(
    vocabulary=("silent", "alerting", "healthy"),
    cell_features=("missing", "false", "extra fault", "contradicted", "tie"),  # the weights, in tens
    # Of a fault here alone, as log(1 + n): alerts it explains, silent and healthy services it makes fail; and whether
    # it would cost less than that nothing broke, and how much more than the best fault, in tens.
    candidate_features=("explains", "silences", "contradicts", "saves", "behind"),
    relations=(RelationSpec("needs"), RelationSpec("needed by")),
    groups=("alert", "silence", "health"),
    ties=("tie",),
)


USUAL = Weights()


class WeightsContext(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    missing: float = Field(USUAL.missing, ge=0.01, le=100, description="for each failing service without an alert")
    false: float = Field(USUAL.false, ge=0.01, le=100, description="for each alert called false")
    extra_fault: float = Field(USUAL.extra_fault, ge=0.01, le=100, description="for each fault after the first")
    contradicted: float = Field(
        USUAL.contradicted, ge=0.01, le=100, description="for each failing service that is known to be healthy"
    )


class RootCauseContext(BaseModel):
    """The own form; in place of `services` also what rollout takes: a Compose document, Flux objects, `steps`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    services: dict[Name, list[Name] | Needs] | None = Field(None, description="each service and those that it needs")
    edges: list[Edge] | None = Field(None, description="in place of services: who calls whom, as a mesh lists it")
    alerts: list[Name | Alert] | dict[str, Any] = Field(
        description="the services that alert; or Alertmanager's alerts, or its webhook body as it is"
    )
    healthy: list[Name] = Field(default_factory=list, description="services that are known to work")
    weights: WeightsContext = Field(default_factory=WeightsContext, description="what an explanation costs")
    service_label: str | None = Field(None, description="the label that names an alert's service")


class _Own(BaseModel):
    """What is read here; the graph and the alerts are read elsewhere."""

    model_config = ConfigDict(extra="ignore", strict=True)

    healthy: list[Name] = []
    weights: WeightsContext = WeightsContext()
    service_label: str | None = None


class RootCause(Task[Outage]):
    """Cells are the services that could explain an alert, candidates are innocent and faulty. A group for each service
    that would fail: those whose fault would make it."""

    info = TaskInfo(
        name="root-cause",
        task_type="troubleshooting",
        summary="Names the services whose faults explain the alerts best, and the alerts that are false.",
        example_question="What broke?",
        example_context={
            "services": {
                "web": ["api"],
                "api": ["database", "cache"],
                "worker": ["database"],
                "database": [],
                "cache": [],
            },
            "alerts": ["web", "api", "worker"],
            "healthy": ["cache"],
        },
        spec=SPEC,
        sizes=(8, 16, 24, 32),
        size_unit="services",
        training_sizes=(6, 32),
        words=("broke", "cause", "why", "fail", "outage", "incident", "down", "alert", "fault", "wrong"),
        recipe=Recipe(noise=1.5, halting={"same_answer": 4, "no_improvement": 4, "head_start": 2}),
    )
    Context = RootCauseContext

    def matches(self, context: Mapping[str, Any]) -> bool:
        return "alerts" in context or "edges" in context or lists_services(context)

    def read(self, context: Mapping[str, Any], question: str = "") -> Outage:
        own = validate(_Own, context, InvalidContext, "context")
        _refuse_unknown_fields(context)
        if "alerts" not in context:
            raise InvalidContext("There are no `alerts`: name the services that alert, or give Alertmanager's body.")
        graph = read_services(context)
        alerts = read_alerts(context.get("alerts"), graph.names, own.service_label)
        number = {name: index for index, name in enumerate(graph.names)}
        strange = [name for name in own.healthy if name not in number]
        if strange:
            raise InvalidContext(f"healthy names {', '.join(shorten(strange))}, which is no service of the graph.")
        healthy = sorted({number[name] for name in own.healthy})
        both = [graph.names[service] for service in healthy if service in set(alerts.services)]
        if both:
            raise InvalidContext(f"Said to be healthy and alerting: {', '.join(shorten(both))}.")
        outage = Outage(
            graph.names,
            graph.needs,
            alerts.services,
            tuple(healthy),
            Weights(**own.weights.model_dump()),
            alerts.unknown,
        )
        if len(outage.suspects) > MAX_SUSPECTS:
            raise InvalidContext(
                f"{len(outage.suspects)} services could explain these alerts; at most {MAX_SUSPECTS} are allowed."
            )
        return outage

    def encode(self, instance: Outage) -> Problem:
        suspects = instance.suspects
        cell = {suspect: number for number, suspect in enumerate(suspects)}
        alerts, healthy = instance.alerts, instance.known_healthy
        weights = instance.weights
        of_weights = [weights.missing, weights.false, weights.extra_fault, weights.contradicted]
        features = np.zeros((len(suspects), 2, len(SPEC.candidate_features)), np.float32)
        for suspect, fails in instance.fails.items():
            silent = fails & ~alerts
            counts = [(fails & alerts).bit_count(), (silent & ~healthy).bit_count(), (silent & healthy).bit_count()]
            cost = instance.cost(fails, 1)
            compared = [(instance.nothing_broke - cost) / 10, (cost - instance.best_single) / 10]
            features[cell[suspect], FAULTY] = [*np.log1p(counts), *np.clip(compared, -4, 4)]
        edges = np.array([(cell[need], cell[service]) for service in suspects for need in instance.needs[service]])
        edges = edges.reshape(-1, 2).astype(np.int64)
        tokens = [1 if alerts >> suspect & 1 else 2 if healthy >> suspect & 1 else 0 for suspect in suspects]
        return Problem(
            candidates=np.ones((len(suspects), 2), bool),
            tokens=np.array(tokens, np.int64),
            cell_features=np.tile(np.array([*of_weights, 0], np.float32) / 10, (len(suspects), 1)),
            candidate_features=features,
            relations={"needs": edges, "needed by": edges[:, ::-1]},
            groups=_groups(instance, cell),
        )

    def decode(self, instance: Outage, choice: Choice) -> Solution:
        faults = [suspect for suspect, picked in zip(instance.suspects, choice, strict=True) if picked == FAULTY]
        failing = instance.failing(faults)
        names = instance.names
        explained = {names[path[-1]]: [names[service] for service in path] for path in _paths(instance, faults)}
        cost, runner_up = instance.cost_of(faults), instance.runner_up(faults)
        return {
            "root_causes": [names[fault] for fault in faults],
            "explained": {names[alert]: explained[names[alert]] for alert in instance.alerting if failing >> alert & 1},
            "false_alerts": [names[alert] for alert in instance.alerting if not failing >> alert & 1],
            "missing_alerts": [names[service] for service in members(failing & ~instance.alerts)],
            "unknown_alerts": list(instance.unknown_alerts),
            "cost": cost,
            "runner_up": {
                "root_causes": [names[fault] for fault in runner_up],
                "costs_more": instance.cost_of(runner_up) - cost,
            },
        }

    def choice_of(self, instance: Outage, solution: Solution) -> Choice:
        faults = set(solution["root_causes"])
        named = {instance.names[suspect] for suspect in instance.suspects}
        if not faults <= named:
            raise ValueError("a root cause is no service that could explain an alert")
        return np.array([FAULTY if instance.names[suspect] in faults else INNOCENT for suspect in instance.suspects])

    def verify(self, instance: Outage, solution: Solution) -> Verdict:
        return verify(instance, solution)

    def describe(self, instance: Outage, solution: Solution) -> str:
        causes, false = solution["root_causes"], solution["false_alerts"]
        if not causes:
            return f"Nothing broke: the alerts of {', '.join(shorten(false))} look false."
        fault = "a fault" if len(causes) == 1 else "faults"
        lines = [f"Best explained by {fault} in {' and '.join(shorten(causes))}."]
        for alert, path in list(solution["explained"].items())[:12]:
            lines.append(f"{alert} alerts: " + (" → ".join(path) if len(path) > 1 else "it is at fault itself") + ".")
        for what, listed in (
            ("Alerts that look false", false),
            ("Should alert and do not", solution["missing_alerts"]),
            ("Alerts of services that the graph does not hold, left aside", solution["unknown_alerts"]),
        ):
            if listed:
                lines.append(f"{what}: {', '.join(shorten(listed))}.")
        other = solution["runner_up"]
        lines.append(f"Next best: {', '.join(shorten(other['root_causes'])) or 'nothing broke'}, "
                     f"at a cost of {solution['cost'] + other['costs_more']:g} against {solution['cost']:g}.")  # fmt: skip
        return "\n".join(lines)

    def brief(self, instance: Outage, solution: Solution) -> str:
        return f"{', '.join(shorten(solution['root_causes'])) or 'nothing broke'} (cost {solution['cost']:g})"

    def baseline(self, instance: Outage) -> Solution:
        """The best of single faults and pairs (where there are many suspects, of pairs with the best single fault), then
        as long as that costs less one fault less, one more, or one elsewhere."""
        suspects = instance.suspects
        single = min(suspects, key=lambda suspect: instance.cost_of([suspect]))
        first = suspects if len(suspects) <= MAX_PAIRED else (single,)
        candidates: list[tuple[int, ...]] = [(), *((suspect,) for suspect in suspects)]
        candidates += [(one, other) for one in first for other in suspects if one != other]
        best = min(candidates, key=instance.cost_of)
        while instance.cost_of(other := instance.runner_up(best)) < instance.cost_of(best):
            best = other
        return self.decode(instance, np.array([int(suspect in best) for suspect in suspects]))

    def random_context(self, rng: np.random.Generator, size: int) -> dict[str, Any]:
        outage = draw(rng, size)
        names = outage.names
        return {
            "services": {
                name: [names[need] for need in needs] for name, needs in zip(names, outage.needs, strict=True)
            },
            "alerts": [names[service] for service in outage.alerting],
            "healthy": [names[service] for service in outage.healthy],
            "weights": asdict(outage.weights),
        }

    def generate(self, rng: np.random.Generator, size: int) -> Labelled[Outage]:
        outage, explanations = random_outage(rng, size)
        best, *others = [
            np.array([int(suspect in faults) for suspect in outage.suspects], np.int64) for faults in explanations
        ]
        return Labelled(outage, best, tuple(others))


def _refuse_unknown_fields(context: Mapping[str, Any]) -> None:
    """Of the own form; Compose documents, lists of objects and webhook bodies hold what is not used here, of which only slips
    of the pen are refused."""
    foreign = {"receiver", "documents", "items", "kind"} & context.keys()
    if foreign or not ({"steps", "edges"} & context.keys() or has_own_services(context)):
        refuse_slips(context)
        return
    unknown = [str(field)[:40] for field in context if field not in {*RootCauseContext.model_fields, "steps"}]
    if unknown:
        known = ", ".join(RootCauseContext.model_fields)
        raise InvalidContext(f"The context holds {', '.join(shorten(unknown))}; its fields are {known}.")


def _groups(outage: Outage, cell: dict[int, int]) -> dict[str, tuple[Ints, ...]]:
    kinds = {"alert": outage.alerts, "health": outage.known_healthy}
    kinds["silence"] = ~(outage.alerts | outage.known_healthy)
    failing = outage.failing(outage.suspects)
    found = {}
    for name, services in kinds.items():
        listed = [
            np.array(
                [(cell[suspect], FAULTY) for suspect, fails in outage.fails.items() if fails >> service & 1], np.int64
            )
            for service in islice(members(failing & services), MAX_GROUPS)
        ]
        found[name] = tuple(listed)
    return found


def _paths(outage: Outage, faults: list[int]) -> list[list[int]]:
    """For each alert that the faults explain the shortest way from one of them, each service needing the one before."""
    before: dict[int, int | None] = dict.fromkeys(faults)
    reached = list(faults)
    for service in reached:
        for following in outage.needed_by[service]:
            if following not in before:
                before[following] = service
                reached.append(following)
    paths = []
    for alert in outage.alerting:
        if alert in before:
            path = [alert]
            while (cause := before[path[-1]]) is not None:
                path.append(cause)
            paths.append(path[::-1])
    return paths
