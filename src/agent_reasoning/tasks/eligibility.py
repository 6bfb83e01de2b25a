"""Where a workload may run, capacities aside: selectors, affinity to nodes, taints, cordons and drains, as Kubernetes has them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.naming import shorten
from agent_reasoning.tasks.selectors import Expression, LabelIndex, bits

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
OPERATORS = ("Equal", "Exists")
HOSTNAME = "kubernetes.io/hostname"
NAME_FIELD = "metadata.name (field)"  # no label's name holds a space
MOST_TOLERATED = 2_000_000
"""Pairs of a taint and a toleration that are compared in all."""


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    value: str = ""
    effect: str = "NoSchedule"

    def __str__(self) -> str:
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


NOT_READY = Taint("node.kubernetes.io/not-ready", effect="NoExecute")


@dataclass(frozen=True, slots=True)
class Toleration:
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    for_a_while: bool = False
    """It has `tolerationSeconds`: enough to come, not to stay."""

    def covers(self, taint: Taint) -> bool:
        """https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/: no key means every key, with Exists
        only; no effect means every effect."""
        if self.effect not in ("", taint.effect):
            return False
        if self.operator == "Exists":
            return self.key in ("", taint.key)
        return self.operator == "Equal" and (self.key, self.value) == (taint.key, taint.value)


@dataclass(frozen=True, slots=True)
class Rules:
    """What one template says about nodes."""

    selector: tuple[Expression, ...] = ()
    terms: tuple[tuple[Expression, ...], ...] | None = None
    """One of these has to match; one without expressions matches nothing."""
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    has: tuple[int | None, ...]
    """[R] in least units; None where nobody says."""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False
    ready: bool = True


class Eligibility:
    """Sets of nodes are bits, as in `selectors`."""

    def __init__(self, nodes: Sequence[Node], drained: Collection[str]) -> None:
        self._nodes = nodes
        self._labels = LabelIndex([{HOSTNAME: node.name, **node.labels, NAME_FIELD: node.name} for node in nodes])
        self.drained = bits(number for number, node in enumerate(nodes) if node.name in drained)
        self._cordoned = bits(number for number, node in enumerate(nodes) if node.cordoned)
        self._unready = bits(number for number, node in enumerate(nodes) if not node.ready)
        tainted: dict[Taint, list[int]] = {}
        for number, node in enumerate(nodes):
            for taint in {*node.taints, *([] if node.ready else [NOT_READY])}:
                if taint.effect != "PreferNoSchedule":
                    tainted.setdefault(taint, []).append(number)
        self._tainted = {taint: bits(numbers) for taint, numbers in tainted.items()}
        self._chosen: dict[Rules, int] = {}
        self._barred: dict[tuple[Toleration, ...], tuple[int, int]] = {}
        self._compared = 0

    def may_enter(self, rules: Rules) -> int:
        closed = self.drained | self._cordoned | self._unready
        return self.chosen(rules) & ~self._bars(rules.tolerations)[0] & ~closed

    def may_stay(self, rules: Rules) -> int:
        """What runs may stay on a cordoned node and beside taints that only keep others from coming. A selector binds it
        though Kubernetes would let it be: what does not match shall move, where it can."""
        return self.chosen(rules) & ~self._bars(rules.tolerations)[1] & ~self.drained

    def may_be_everywhere(self, rules: Rules) -> int:
        """A DaemonSet's pods come to cordoned nodes and to those that are not ready."""
        return self.chosen(rules) & ~self._bars((*rules.tolerations, Toleration(NOT_READY.key, "Exists")))[0]

    def chosen(self, rules: Rules) -> int:
        """By selector and affinity alone."""
        if rules not in self._chosen:
            found = self._labels.matching(rules.selector)
            if rules.terms is not None:
                some = 0
                for term in filter(None, rules.terms):
                    some |= self._labels.matching(term)
                found &= some
            self._chosen[rules] = found
        return self._chosen[rules]

    def _bars(self, tolerations: tuple[Toleration, ...]) -> tuple[int, int]:
        """Nodes whose taints keep one from coming; and from staying."""
        if tolerations not in self._barred:
            self._compared += len(self._tainted) * max(1, len(tolerations))
            if self._compared > MOST_TOLERATED:
                raise InvalidContext(
                    f"There are {len(self._tainted)} different taints and too many different sets of tolerations."
                )
            coming = staying = 0
            for taint, nodes in self._tainted.items():
                covering = [toleration for toleration in tolerations if toleration.covers(taint)]
                if not covering:
                    coming |= nodes
                # The shortest time of those that cover it counts.
                if taint.effect == "NoExecute" and (
                    not covering or any(toleration.for_a_while for toleration in covering)
                ):
                    staying |= nodes
            self._barred[tolerations] = coming, staying
        return self._barred[tolerations]

    def why_nowhere(self, rules: Rules, bars: str) -> str:
        """In words, for one that may enter no node. bars: what of those that it might enter by its rules keeps it from them."""
        strange = [expression for expression in rules.selector if not self._labels.matching([expression])]
        if strange:
            return f"no node has {' or '.join(map(str, strange[:4]))}, which its node selector asks for"
        if not self._labels.matching(rules.selector):
            return f"no node has all that its node selector asks for ({', '.join(map(str, rules.selector[:4]))})"
        chosen = self.chosen(rules)
        if not chosen:
            terms = [" and ".join(map(str, term[:4])) for term in rules.terms or () if term]
            with_selector = " beside its node selector" if rules.selector else ""
            return (
                f"no node matches its required node affinity{with_selector} ({' or '.join(terms[:4]) or 'it is empty'})"
            )
        found = []
        for nodes, what in (
            (self.drained, "to be drained"), (self._cordoned, "cordoned"), (self._unready, "not ready"),
        ):  # fmt: skip
            if chosen & nodes:
                found.append(f"{self._named(chosen & nodes)} {_are(chosen & nodes)} {what}")
                chosen &= ~nodes
        for taint, nodes in self._tainted.items():
            if chosen & nodes and not any(toleration.covers(taint) for toleration in rules.tolerations):
                found.append(f"it does not tolerate the taint {taint} of {self._named(chosen & nodes)}")
                chosen &= ~nodes
        if chosen:
            found.append(f"{bars} {self._named(chosen)}")
        return "; ".join([*found[:4], *(["…"] if len(found) > 4 else [])])

    def _named(self, nodes: int) -> str:
        return ", ".join(shorten([node.name for number, node in enumerate(self._nodes) if nodes >> number & 1]))


def _are(nodes: int) -> str:
    return "are" if nodes.bit_count() > 1 else "is"
