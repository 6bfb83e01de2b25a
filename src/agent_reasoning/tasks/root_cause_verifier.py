"""The exact verifier of root-cause. It walks the graph by itself, where answers come from bit masks."""

from itertools import pairwise

from agent_reasoning.problem import Verdict
from agent_reasoning.tasks.base import Solution
from agent_reasoning.tasks.outage import Outage

NEGLIGIBLE = 1e-9  # sums of weights in another order


def verify(outage: Outage, solution: Solution) -> Verdict:
    """Valid if and only if every alert is explained by a path from a root cause, each service on it needing the one
    before, or listed as false; what should alert and does not is listed; the cost is right; and that nothing broke, or
    a single fault, would not cost less."""
    number = {name: index for index, name in enumerate(outage.names)}
    fields = ("root_causes", "explained", "false_alerts", "missing_alerts")
    if any(not isinstance(solution.get(field), dict if field == "explained" else list) for field in fields):
        return Verdict(False, (f"The solution lacks one of {', '.join(fields)}.",))
    listed = [*solution["root_causes"], *solution["false_alerts"], *solution["missing_alerts"], *solution["explained"]]
    if not all(isinstance(name, str) for name in listed):
        return Verdict(False, ("The solution names something that is no text.",))
    causes, explained = solution["root_causes"], solution["explained"]
    violations = [f"{name!r} is a root cause and no service." for name in causes if name not in number]
    violations += [f"{name} is a root cause twice." for name in {name for name in causes if causes.count(name) > 1}]
    if violations:
        return Verdict(False, tuple(violations))
    failing = _failing(outage, [number[name] for name in causes])
    alerting = {outage.names[alert] for alert in outage.alerting}
    fails = {outage.names[service] for service in failing}
    violations += _compare("explained", set(explained), alerting & fails, "alert that the root causes explain")
    violations += _compare(
        "false_alerts", set(solution["false_alerts"]), alerting - fails, "alert that they do not explain"
    )
    violations += _compare(
        "missing_alerts", set(solution["missing_alerts"]), fails - alerting, "failing service that is silent"
    )
    for alert, path in explained.items():
        if not _is_path(outage, number, path, causes, alert):
            violations.append(f"The path to {alert} is none from a root cause, along services that need each other.")
    cost = _cost(outage, failing, len(causes))
    said = solution.get("cost")
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said - cost) <= NEGLIGIBLE:
        violations.append(f"The cost is {cost:g}, not {said!r}.")
    if cost > outage.nothing_broke + NEGLIGIBLE:
        violations.append(f"It costs {cost:g}; that nothing broke would cost {outage.nothing_broke:g}.")
    if cost > outage.best_single + NEGLIGIBLE:
        violations.append(f"It costs {cost:g}; a single fault would explain the alerts at {outage.best_single:g}.")
    # Sums in another order differ in their last bits: what is so near to the bound is on it.
    proven = not violations and abs(cost - outage.bound) <= NEGLIGIBLE
    return Verdict(not violations, tuple(violations), objective=cost, bound=cost if proven else outage.bound)


def _failing(outage: Outage, faults: list[int]) -> set[int]:
    failing, open_ = set(faults), list(faults)
    while open_:
        for service in outage.needed_by[open_.pop()]:
            if service not in failing:
                failing.add(service)
                open_.append(service)
    return failing


def _cost(outage: Outage, failing: set[int], faults: int) -> float:
    weights, alerting = outage.weights, set(outage.alerting)
    silent = failing - alerting
    contradicted = silent & set(outage.healthy)
    return (
        weights.missing * len(silent - contradicted)
        + weights.contradicted * len(contradicted)
        + weights.false * len(alerting - failing)
        + weights.extra_fault * max(0, faults - 1)
    )


def _compare(field: str, said: set[str], right: set[str], what: str) -> list[str]:
    wrong = [f"{name!r} is in {field} and no {what}." for name in sorted(said - right, key=str)]
    return wrong + [f"{name} is an {what} and not in {field}." for name in sorted(right - said)]


def _is_path(outage: Outage, number: dict[str, int], path: list[str], causes: list[str], alert: str) -> bool:
    if not isinstance(path, list) or not path or path[0] not in causes or path[-1] != alert:
        return False
    if not all(isinstance(name, str) and name in number for name in path):
        return False
    return all(number[one] in outage.needs[number[other]] for one, other in pairwise(path))
