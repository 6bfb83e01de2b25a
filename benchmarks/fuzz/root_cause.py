"""Random small outages with random and tampered explanations; the checker is the one of the tests (sets, recursion, every
subset of the services), which shares nothing with the package."""

import copy
from itertools import pairwise

import numpy as np

from agent_reasoning.tasks.outage import Outage, Weights
from agent_reasoning.tasks.root_cause import RootCause
from tests.tasks import outages as independent

TASK = RootCause()


def draw(rng):
    size = int(rng.integers(1, 8))
    density = rng.random() * 0.6
    needs = tuple(
        tuple(other for other in range(size) if other != service and rng.random() < density) for service in range(size)
    )
    state = rng.choice(3, size, p=[0.4, 0.4, 0.2])
    state[rng.integers(size)] = 1
    weights = Weights() if rng.random() < 0.5 else Weights(*map(float, rng.integers(1, 9, 4)))
    alerting, healthy = (tuple(map(int, np.flatnonzero(state == kind))) for kind in (1, 2))
    return Outage(tuple(f"s{number}" for number in range(size)), needs, alerting, healthy, weights)


def tampered(rng, outage, solution):
    """Something else in one of its fields."""
    changed = copy.deepcopy(solution)
    names = [*outage.names, "nobody"]
    kind = rng.integers(4)
    if kind == 0:
        changed["root_causes"] = [name for name in outage.names if rng.random() < 0.3]
    elif kind == 1:
        changed["false_alerts"] = [name for name in names if rng.random() < 0.3]
    elif kind == 2:
        changed["explained"] = {name: [str(rng.choice(names)), name] for name in names if rng.random() < 0.4}
    else:
        changed["cost"] += float(rng.integers(-3, 4))
    return changed


def is_right(outage, solution):
    """What the verifier's docstring says, by other means."""
    number = {name: index for index, name in enumerate(outage.names)}
    causes = [number.get(name) for name in solution["root_causes"]]
    if None in causes or len(set(causes)) < len(causes):
        return False
    fails, alerting = independent.failing(outage, causes), set(outage.alerting)
    cost = independent.cost(outage, causes)
    singles = [independent.cost(outage, [service]) for service in range(len(outage.names))]
    if cost > min([independent.cost(outage, []), *singles]) or solution["cost"] != cost:
        return False
    listed = {
        field: {number.get(name) for name in solution[field]}
        for field in ("explained", "false_alerts", "missing_alerts")
    }
    if listed != {"explained": alerting & fails, "false_alerts": alerting - fails, "missing_alerts": fails - alerting}:
        return False
    for alert, path in solution["explained"].items():
        steps = [number.get(name) for name in path]
        linked = all(one in outage.needs[other] for one, other in pairwise(steps) if None not in steps)
        if None in steps or not linked or steps[0] not in causes or path[-1] != alert:
            return False
    return True


def answered(rng):
    outage = draw(rng)
    choice = (rng.random(len(outage.suspects)) < rng.choice([0.15, 0.3, 0.6])).astype(np.int64)
    solution = TASK.decode(outage, choice)
    return outage, tampered(rng, outage, solution) if rng.random() < 0.4 else solution


def verify(outage, solution):
    return TASK.verify(outage, solution)


def best(outage):
    return independent.least(outage)
