"""Required anti-affinity between pods, as far as it says who must not share a node.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity: a pod with a term
and a pod that it matches do not run in one topology domain, whichever comes first. Where all that have a term are those that
match it, they are one group; what is left over is pairs, and too many pairs are not understood.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent_reasoning.tasks.inventory import Inventory
from agent_reasoning.tasks.naming import shorten
from agent_reasoning.tasks.selectors import Expression, LabelIndex, members

NAMESPACE = "namespace (field)"
MOST_PAIRS = 256
MOST_LOOKED_AT = 2_000_000
"""Pods that terms match, for each different term anew."""


@dataclass(frozen=True, slots=True)
class Term:
    """Keep apart from pods that match; in namespaces, or in all where that is None."""

    expressions: tuple[Expression, ...]
    namespaces: tuple[str, ...] | None

    @property
    def selector(self) -> tuple[Expression, ...]:
        if self.namespaces is None:
            return self.expressions
        return *self.expressions, Expression(NAMESPACE, "In", self.namespaces)


@dataclass(frozen=True, slots=True)
class Resident:
    """A pod that there is or will be."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    terms: tuple[Term, ...]
    workload: int | None
    """Its number; None where it stays on `node`."""
    node: str | None


def keep_apart(residents: Sequence[Resident], inventory: Inventory) -> None:
    """Adds groups, and nodes that are barred by what stays there."""
    having: dict[Term, list[int]] = {}
    for number, resident in enumerate(residents):
        for term in dict.fromkeys(resident.terms):
            having.setdefault(term, []).append(number)
    if not having:
        return
    index = LabelIndex([{**resident.labels, NAMESPACE: resident.namespace} for resident in residents])
    numbers = range(len(residents))
    looked_at = 0
    too_many: list[list[int]] = []
    pairs: set[tuple[int, int]] = set()
    groups: dict[tuple[int, ...], None] = {}
    for done, (term, owners) in enumerate(having.items()):
        matched = members(index.matching(term.selector), numbers)
        looked_at += len(residents) // 64 + len(matched) + len(owners)
        if looked_at > MOST_LOOKED_AT:
            too_many += list(having.values())[done:]
            break
        _bar(residents, owners, matched, inventory)
        _bar(residents, matched, owners, inventory)
        left, right = _moving(residents, owners), _moving(residents, matched)
        both = left & right
        groups[tuple(sorted(both))] = None
        if len(left) * len(right) - len(both) ** 2 > MOST_PAIRS - len(pairs):
            too_many.append(owners)
            continue
        pairs |= {(min(a, b), max(a, b)) for a in left for b in right if a != b and not (a in both and b in both)}
    inventory.apart += [group for group in groups if len(group) > 1]
    inventory.apart += sorted(pairs)
    if too_many:
        names = shorten([residents[owners[0]].name for owners in too_many])
        inventory.not_understood.append(f"anti-affinity between pods (too many pairs), of {', '.join(names)}")


def _moving(residents: Sequence[Resident], numbers: Sequence[int]) -> set[int]:
    return {workload for number in numbers if (workload := residents[number].workload) is not None}


def _bar(residents: Sequence[Resident], staying: Sequence[int], moving: Sequence[int], inventory: Inventory) -> None:
    nodes = {residents[number].node for number in staying if residents[number].workload is None}
    names = frozenset(node for node in nodes if node is not None)
    workloads = _moving(residents, moving)
    if names and workloads:
        inventory.barred.append((workloads, names, "pods that must not share a node with it stay on"))
