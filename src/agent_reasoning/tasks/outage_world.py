"""Random outages as they happen: layered service graphs, hubs and chains, faults that spread, alerts that lie."""

import numpy as np

from agent_reasoning.tasks.outage import Outage, Weights, closure
from agent_reasoning.tasks.root_cause_solver import least_cost

MISSING = 0.15
FALSE = 0.05
RESILIENT = 0.15
TRIES = 60
MOST = 8


def random_outage(rng: np.random.Generator, size: int) -> tuple[Outage, list[tuple[int, ...]]]:
    """An outage of `size` services, and its least costly explanations, at most MOST of them.

    Half of them cannot be explained best by a single fault (where the drawing finds such a one): among outages as they
    come, most can, and a model would learn little else.
    """
    single = rng.random() < 0.5
    for _ in range(TRIES):
        outage = draw(rng, size)
        cost, explanations = least_cost(outage, MOST)
        if (cost >= min(outage.best_single, outage.nothing_broke)) == single:
            break
    return outage, explanations


def draw(rng: np.random.Generator, size: int) -> Outage:
    needs = _service_graph(rng, size)
    resilient = rng.random() < 0.7
    spreading = tuple(tuple(need for need in of if not (resilient and rng.random() < RESILIENT)) for of in needs)
    needed_by: list[list[int]] = [[] for _ in range(size)]
    for service, of in enumerate(spreading):
        for need in of:
            needed_by[need].append(service)
    while True:
        faults = rng.choice(size, int(rng.integers(1, min(3, size) + 1)), replace=False)
        failing = closure(map(int, faults), tuple(map(tuple, needed_by)))
        false_rate = FALSE * rng.choice([0.0, 1.0, 2.0])
        alerting = [
            service
            for service in range(size)
            if (rng.random() >= MISSING if service in failing else rng.random() < false_rate)
        ]
        if alerting:
            break
    quiet = [service for service in range(size) if service not in failing and service not in alerting]
    known = rng.choice([0.0, 0.0, 0.3, 0.8])
    healthy = tuple(service for service in quiet if rng.random() < known)
    return Outage(
        tuple(f"service-{number:02d}" for number in range(1, size + 1)),
        spreading,
        tuple(alerting),
        healthy,
        _weights(rng),
    )


def _weights(rng: np.random.Generator) -> Weights:
    """Mostly the usual ones; a caller may set others."""
    if rng.random() < 0.7:
        return Weights()
    missing, false, extra, contradicted = (float(weight) for weight in rng.integers(1, 9, 4))
    return Weights(missing, false, extra, max(missing, contradicted))


def _service_graph(rng: np.random.Generator, size: int) -> list[tuple[int, ...]]:
    """What each service needs. Services are dealt to layers, front ends in the first, stores in the last; each needs
    some of the layers behind its own, the popular ones more often. One graph in six has calls back to the front."""
    layers = int(rng.integers(2, max(3, min(size, 9))))
    if rng.random() < 0.15:
        layers = max(2, size // 2)  # long chains
    layer = np.concatenate([np.arange(min(layers, size)), rng.integers(0, layers, max(0, size - layers))])
    rng.shuffle(layer)
    popularity = rng.random(size) ** rng.choice([0.5, 2.0, 6.0])  # hubs: a few draw most of the calls
    calls = rng.choice([0.7, 1.2, 2.0, 3.5])
    needs: list[tuple[int, ...]] = []
    for service in range(size):
        behind = np.flatnonzero(layer > layer[service])
        if not len(behind):
            needs.append(())
            continue
        following = behind[layer[behind] == layer[behind].min()]
        chosen = {int(rng.choice(following))} if rng.random() < 0.8 else set()
        count = min(len(behind), int(rng.poisson(calls)))
        share = popularity[behind] + 1e-3
        chosen |= {int(other) for other in rng.choice(behind, count, replace=False, p=share / share.sum())}
        needs.append(tuple(sorted(chosen)))
    if rng.random() < 1 / 6:
        for service in rng.choice(size, max(1, size // 10), replace=False):
            back = int(rng.integers(size))
            if back != service:
                needs[service] = tuple(sorted({*needs[service], back}))
    return needs
