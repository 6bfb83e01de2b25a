"""An independent checker of outages: sets and recursion, where the package has bit masks and bounds."""

from itertools import combinations

from hypothesis import strategies as st

from agent_reasoning.tasks.outage import Outage, Weights


@st.composite
def outages(draw, most=7):
    size = draw(st.integers(1, most))
    numbers = st.integers(0, size - 1)
    needs = [draw(st.sets(numbers, max_size=3)) - {service} for service in range(size)]
    alerting = draw(st.sets(numbers, min_size=1))
    healthy = draw(st.sets(numbers)) - alerting
    weights = draw(st.just(Weights()) | st.builds(Weights, *[st.integers(1, 8).map(float)] * 4))
    return Outage(
        tuple(f"s{number}" for number in range(size)),
        tuple(tuple(sorted(of)) for of in needs),
        tuple(sorted(alerting)),
        tuple(sorted(healthy)),
        weights,
    )


def failing(outage, faults):
    """Until nothing changes."""
    fails = set(faults)
    while True:
        more = {service for service, needs in enumerate(outage.needs) if fails & set(needs)} - fails
        if not more:
            return fails
        fails |= more


def cost(outage, faults):
    fails, alerting, healthy = failing(outage, faults), set(outage.alerting), set(outage.healthy)
    weights = outage.weights
    total = weights.extra_fault * max(0, len(faults) - 1)
    for service in range(len(outage.names)):
        if service in fails and service not in alerting:
            total += weights.contradicted if service in healthy else weights.missing
        if service in alerting and service not in fails:
            total += weights.false
    return total


def least(outage):
    """Over every set of services."""
    services = range(len(outage.names))
    return min(cost(outage, faults) for count in range(len(services) + 1) for faults in combinations(services, count))
