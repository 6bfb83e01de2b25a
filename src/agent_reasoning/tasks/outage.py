"""An outage: services that need each other, alerts, and what an explanation of the alerts costs.

The world behind it: a fault makes its service fail, and every service that needs a failing one, unless that edge is
resilient. A failing service should alert; some do not (*missing*). An alert of a service that does not fail is *false*.
An explanation is a set of services with a fault. Sets of services are bit masks here: bit i is service i.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

MOST_WORK = 100_000  # of a bound, in suspects times what they explain or silence: beyond, it is a weaker one


@dataclass(frozen=True, slots=True)
class Weights:
    """What an explanation costs. The first fault is free: something must have broken."""

    missing: float = 2.0
    """for each service that it says fails and that does not alert"""
    false: float = 3.0
    """for each alert that it calls false"""
    extra_fault: float = 4.0
    """for each fault after the first"""
    contradicted: float = 6.0
    """for each service that it says fails and that is known to be healthy"""


@dataclass(frozen=True)
class Outage:
    """`needs[i]`: the services that service i needs, those of resilient edges left out."""

    names: tuple[str, ...]
    needs: tuple[tuple[int, ...], ...]
    alerting: tuple[int, ...]
    healthy: tuple[int, ...] = ()
    weights: Weights = field(default_factory=Weights)
    unknown_alerts: tuple[str, ...] = ()
    """Alerts of services that the graph does not hold: nobody can explain them."""

    @cached_property
    def needed_by(self) -> tuple[tuple[int, ...], ...]:
        found: list[list[int]] = [[] for _ in self.names]
        for service, needs in enumerate(self.needs):
            for need in needs:
                found[need].append(service)
        return tuple(map(tuple, found))

    @cached_property
    def alerts(self) -> int:
        return mask(self.alerting)

    @cached_property
    def known_healthy(self) -> int:
        return mask(self.healthy)

    @cached_property
    def suspects(self) -> tuple[int, ...]:
        """The services a fault of which would explain an alert, in order."""
        return tuple(sorted(closure(self.alerting, self.needs)))

    @cached_property
    def fails(self) -> dict[int, int]:
        """suspect -> all that fail by a fault there, itself among them."""
        return {suspect: mask(closure([suspect], self.needed_by)) for suspect in self.suspects}

    def failing(self, faults: Iterable[int]) -> int:
        """All that fail by these faults."""
        found = 0
        for fault in faults:
            found |= self.fails[fault]
        return found

    def cost(self, failing: int, faults: int) -> float:
        """Of an explanation by so many faults, which make `failing` fail."""
        weights, silent = self.weights, failing & ~self.alerts
        contradicted = (silent & self.known_healthy).bit_count()
        return (
            weights.missing * (silent.bit_count() - contradicted)
            + weights.contradicted * contradicted
            + weights.false * (self.alerts & ~failing).bit_count()
            + weights.extra_fault * max(0, faults - 1)
        )

    def cost_of(self, faults: Iterable[int]) -> float:
        faults = tuple(faults)
        return self.cost(self.failing(faults), len(faults))

    @cached_property
    def nothing_broke(self) -> float:
        return self.cost(0, 0)

    @cached_property
    def best_single(self) -> float:
        return min(self.cost(failing, 1) for failing in self.fails.values())

    @cached_property
    def silent_alike(self) -> tuple[tuple[int, float], ...]:
        """What fails silently by some suspect: (one of those that fail by the same suspects, what they cost together)."""
        alike: dict[tuple[int, ...], list[int]] = {}
        for service in members(self.failing(self.suspects) & ~self.alerts):
            by = tuple(suspect for suspect, fails in self.fails.items() if fails >> service & 1)
            alike.setdefault(by, []).append(service)
        return tuple((services[0], self.cost(mask(services) | self.alerts, 1)) for services in alike.values())

    @cached_property
    def bound(self) -> float:
        """No explanation costs less."""
        return least_cost_bound(self)

    def runner_up(self, faults: Iterable[int]) -> tuple[int, ...]:
        """The cheapest of the explanations that lack one of these faults, have one more, or one in another place."""
        faults = tuple(faults)
        lacking = [tuple(other for other in faults if other != fault) for fault in faults]
        changed = [
            (*rest, suspect) for rest in (faults, *lacking) for suspect in self.suspects if suspect not in faults
        ]
        return min(map(tuple, map(sorted, (*lacking, *changed))), key=self.cost_of)


def mask(members: Iterable[int]) -> int:
    found = 0
    for member in members:
        found |= 1 << member
    return found


def members(of: int) -> Iterator[int]:
    while of:
        lowest = of & -of
        yield lowest.bit_length() - 1
        of ^= lowest


def closure(start: Iterable[int], along: tuple[tuple[int, ...], ...]) -> set[int]:
    """`start`, and all that can be reached from there."""
    found = set(start)
    open_ = list(found)
    while open_:
        for following in along[open_.pop()]:
            if following not in found:
                found.add(following)
                open_.append(following)
    return found


def least_cost_bound(outage: Outage) -> float:
    """No explanation costs less than this. Polynomial, so it may be lower than what can be had.

    Either nothing broke, or something did; in the second case, of the alert with the fewest suspects, either one of
    those has a fault, or the alert is false. For each of these cases the linear relaxation's dual is raised greedily.
    """
    rarest = min(outage.alerting, key=lambda alert: (sum(fails >> alert & 1 for fails in outage.fails.values()), alert))
    explaining = [suspect for suspect, fails in outage.fails.items() if fails >> rarest & 1]
    bounds = [outage.nothing_broke]
    work = len(outage.fails) * (len(outage.alerting) + len(outage.silent_alike))
    for number, fault in enumerate(explaining):
        failing = outage.fails[fault]
        added = _dual(outage, failing, set()) if number * work < MOST_WORK else 0.0
        bounds.append(outage.cost(failing | outage.alerts, 1) + added)
    others = set(explaining)
    weights = outage.weights
    if len(others) < len(outage.fails):  # it is false, and something else broke: the first of those is free
        rest = _dual(outage, 1 << rarest, others) - weights.extra_fault
        bounds.append(weights.false + max(0.0, rest))
    return min(bounds)


def _dual(outage: Outage, settled: int, ruled_out: set[int]) -> float:
    """What must be added to explain the alerts outside `settled`, where all that is in it fails anyway or is paid for
    already: alerts' prices, such that no suspect's alerts are worth more than its fault would cost."""
    weights = outage.weights
    slack = {suspect: weights.extra_fault for suspect in outage.fails if suspect not in ruled_out}
    # What a silent service would cost is paid once, whoever makes it fail: suspects draw it from one purse.
    purse: dict[int, float] = {}
    silent_of: dict[int, list[int]] = {}
    for suspect in slack:
        silent_of[suspect] = []
        for service, price in outage.silent_alike:
            if outage.fails[suspect] >> service & 1 and not settled >> service & 1:
                silent_of[suspect].append(service)
                purse[service] = price
    shared = {service: sum(outage.fails[suspect] >> service & 1 for suspect in slack) for service in purse}
    for drawn in silent_of.values():
        drawn.sort(key=lambda service: shared[service])
    open_ = [alert for alert in outage.alerting if not settled >> alert & 1]
    covering = {alert: [suspect for suspect in slack if outage.fails[suspect] >> alert & 1] for alert in open_}
    total = 0.0
    for alert in sorted(open_, key=lambda alert: len(covering[alert])):
        price = weights.false
        for suspect in covering[alert]:
            price = min(price, slack[suspect] + sum(purse[service] for service in silent_of[suspect]))
        price = _draw(price, covering[alert], slack, silent_of, purse)
        total += price
    return total


def _draw(
    price: float, suspects: list[int], slack: dict[int, float], silent_of: dict[int, list[int]], purse: dict[int, float]
) -> float:
    """Charge every suspect the price, or as much as all can bear; returns how much that is."""
    # One after the other they may want the same purse: go on with what the poorest could pay.
    taken: list[tuple[int, dict[int, float], int, float]] = []  # who paid, out of what
    for suspect in suspects:
        left = price
        sources = [(slack, suspect), *((purse, service) for service in silent_of[suspect])]
        for held, key in sources:
            part = min(left, held[key])
            held[key] -= part
            left -= part
            taken.append((suspect, held, key, part))
        price -= left
    # Those before the poorest have paid too much: what is over stays theirs.
    paid = dict.fromkeys(suspects, 0.0)
    for suspect, held, key, part in taken:
        over = max(0.0, paid[suspect] + part - price)
        paid[suspect] += part - over
        held[key] += over
    return price
