"""What contexts of the placement task say, whatever their form, and the `Cluster` that it comes to."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.cluster import NOWHERE, Cluster, Objective
from agent_reasoning.tasks.eligibility import Eligibility, Node, Rules
from agent_reasoning.tasks.naming import NAMED_IN_MESSAGES, shorten
from agent_reasoning.tasks.quantities import RESOURCES, shown
from agent_reasoning.tasks.selectors import bits, members

MAX_NODES = 2_000
MAX_WORKLOADS = 10_000
MOST_TOGETHER = 2**52
"""What all workloads may ask for: where capacities are not stated each of MAX_NODES has as much, which is less than 2**63."""
MOST_PLACES = 5_000_000
"""Nodes in all different sets of them that workloads may use: 40 MB."""
REASONS = 4  # that a message gives; the names of more are in its fields

Amounts = tuple[int, ...]  # [R] in least units
ANYWHERE = Rules()


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    wants: Amounts
    rules: Rules = ANYWHERE
    node: str | None = None
    """Where it runs."""


@dataclass
class Inventory:
    """Filled by the readers of the forms; `cluster` makes the rest of it."""

    nodes: list[Node] = field(default_factory=list)
    workloads: list[Workload] = field(default_factory=list)
    pinned: list[Workload] = field(default_factory=list)
    """They take what they want of their node, and stay."""
    everywhere: list[Workload] = field(default_factory=list)
    """As many as there are nodes that they may run on."""
    apart: list[tuple[int, ...]] = field(default_factory=list)
    barred: list[tuple[Collection[int], frozenset[str], str]] = field(default_factory=list)
    """Workloads, nodes that they may not run on, and why, in words before the nodes: "there is no example.com/fpga on"."""
    remarks: list[str] = field(default_factory=list)
    not_understood: list[str] = field(default_factory=list)

    def cluster(self, drain: Sequence[str], objective: Objective) -> Cluster:
        """Raises InvalidContext, which names who is in question and why. Adds remarks."""
        for most, things, what in (
            (MAX_NODES, self.nodes, "nodes"), (MAX_WORKLOADS, self.workloads, "workloads"),
        ):  # fmt: skip
            if len(things) > most:
                raise InvalidContext(f"There are {len(things)} {what}; at most {most} are allowed.")
        refuse(_repeated(node.name for node in self.nodes), "Nodes named more than once")
        refuse(_repeated(workload.name for workload in self.workloads), "Workloads named more than once")
        number = {node.name: index for index, node in enumerate(self.nodes)}
        refuse([name for name in drain if name not in number], "To be drained, and not among the nodes")
        running = [one for one in (*self.workloads, *self.pinned) if one.node is not None and one.node not in number]
        refuse([f"{one.name} on {one.node}" for one in running], "Running on what is not among the nodes")
        eligible = Eligibility(self.nodes, set(drain))
        capacity = self._capacity(eligible, number)
        allowed, masks = self._allowed(eligible, number)
        self._refuse_too_large(masks, allowed, capacity)
        self._refuse_too_much(masks, capacity)
        self._refuse_too_many_apart(masks)
        return Cluster(
            resources=RESOURCES,
            nodes=tuple(number),
            capacity=capacity,
            workloads=tuple(workload.name for workload in self.workloads),
            demand=tuple(workload.wants for workload in self.workloads),
            allowed=tuple(allowed[mask] for mask in masks),
            current=tuple(NOWHERE if one.node is None else number[one.node] for one in self.workloads),
            apart=tuple(dict.fromkeys(group for group in self.apart if len(group) > 1)),
            objective=objective,
        )

    def _capacity(self, eligible: Eligibility, number: dict[str, int]) -> tuple[Amounts, ...]:
        together = [sum(amounts) for amounts in zip(*(one.wants for one in self.workloads), strict=True)]
        together = together or [0] * len(RESOURCES)
        for resource, amount in zip(RESOURCES, together, strict=True):
            if amount > MOST_TOGETHER:
                most = shown(resource, MOST_TOGETHER)
                raise InvalidContext(
                    f"The workloads ask for {shown(resource, amount)} of {resource}; at most {most} are allowed."
                )
        taken = np.zeros((len(self.nodes), len(RESOURCES)), object)  # exact, however many of them there are
        for one in self.pinned:
            if one.node is not None:
                taken[number[one.node]] += np.array(one.wants, object)
        for one in self.everywhere:
            taken[list(members(eligible.may_be_everywhere(one.rules), range(len(self.nodes))))] += np.array(
                one.wants, object
            )
        self._note_unstated()
        overdrawn = [
            node.name for node, gone in zip(self.nodes, taken, strict=True)
            if any(has is not None and has < amount for has, amount in zip(node.has, gone, strict=True))
        ]  # fmt: skip
        if overdrawn:
            self.remarks.append(
                f"What stays on {', '.join(shorten(overdrawn))} asks for more than there is: nothing is left there."
            )
        return tuple(
            tuple(
                whole if has is None else max(0, has - int(amount))
                for has, amount, whole in zip(node.has, gone, together, strict=True)
            )
            for node, gone in zip(self.nodes, taken, strict=True)
        )

    def _note_unstated(self) -> None:
        for resource, name in enumerate(RESOURCES):
            unstated = [node.name for node in self.nodes if node.has[resource] is None]
            if unstated and any(one.wants[resource] for one in self.workloads):
                which = "all nodes" if len(unstated) == len(self.nodes) else ", ".join(shorten(unstated))
                self.remarks.append(
                    f"How much {name} {which} have is not stated: it is taken to be enough for everything."
                )

    def _allowed(self, eligible: Eligibility, number: dict[str, int]) -> tuple[dict[int, tuple[int, ...]], list[int]]:
        """The sets of nodes that occur, and each workload's."""
        barred = [0] * len(self.workloads)
        for workloads, names, _ in self.barred:
            nodes = bits(number[name] for name in names)
            for index in workloads:
                barred[index] |= nodes
        masks: list[int] = []
        nowhere: list[int] = []
        staying: list[str] = []
        for index, (workload, not_here) in enumerate(zip(self.workloads, barred, strict=True)):
            here = 0 if workload.node is None else 1 << number[workload.node]
            mask = (eligible.may_enter(workload.rules) | eligible.may_stay(workload.rules) & here) & ~not_here
            if not mask and here & ~eligible.drained:
                staying.append(workload.name)
                mask = here
            if not mask:
                nowhere.append(index)
            masks.append(mask)
        if nowhere:
            reasons = [
                f"{self.workloads[index].name} may run nowhere: {self._why(index, eligible)}"
                for index in nowhere[:REASONS]
            ]
            _raise(reasons, [self.workloads[index].name for index in nowhere])
        if staying:
            self.remarks.append(
                f"There is no node where these may run by their rules; they stay where they do: {', '.join(shorten(staying))}."
            )
        allowed: dict[int, tuple[int, ...]] = {}
        numbers = tuple(range(len(self.nodes)))  # of which millions of references are held
        places = 0
        for mask in masks:
            if mask not in allowed:
                places += mask.bit_count()
                if places > MOST_PLACES:
                    raise InvalidContext(
                        f"Selectors, taints and cordons leave the workloads more than {len(allowed)} different sets of the "
                        f"{len(self.nodes)} nodes, which is too many: send a part of the cluster."
                    )
                allowed[mask] = members(mask, numbers)
        return allowed, masks

    def _why(self, workload: int, eligible: Eligibility) -> str:
        bars = dict.fromkeys(why for workloads, _, why in self.barred if workload in workloads)
        return eligible.why_nowhere(self.workloads[workload].rules, " or ".join(bars))

    def _refuse_too_large(
        self, masks: list[int], allowed: dict[int, tuple[int, ...]], capacity: tuple[Amounts, ...]
    ) -> None:
        kinds: dict[int, dict[Amounts, list[str]]] = {}
        for workload, mask in zip(self.workloads, masks, strict=True):
            kinds.setdefault(mask, {}).setdefault(workload.wants, []).append(workload.name)
        whole = np.array(capacity, np.int64).reshape(len(self.nodes), len(RESOURCES))
        reasons: list[str] = []
        names: list[str] = []
        for mask, demands in kinds.items():
            has = np.unique(whole[list(allowed[mask])], axis=0)
            for wants, who in demands.items():
                if not (has >= np.array(wants)).all(1).any():
                    if len(reasons) < REASONS:
                        reasons.append(f"{who[0]} fits on no node: {self._short_of(wants, allowed[mask], capacity)}")
                    names += who
        if names:
            _raise(reasons, names)

    def _short_of(self, wants: Amounts, nodes: tuple[int, ...], capacity: tuple[Amounts, ...]) -> str:
        found = []
        for resource, name in enumerate(RESOURCES):
            largest = max(nodes, key=lambda node: capacity[node][resource])
            has = capacity[largest][resource]
            if wants[resource] > has:
                of = f"the largest that it may use, {self.nodes[largest].name}, has {shown(name, has)}"
                found.append(f"it asks for {shown(name, wants[resource])} of {name}, and {of}")
        if found:
            return "; ".join(found) + (" beside what stays there" if self.pinned or self.everywhere else "")
        amounts = ", ".join(
            f"{shown(name, want)} of {name}" for name, want in zip(RESOURCES, wants, strict=True) if want
        )
        return f"none that it may use has {amounts} at once"

    def _refuse_too_much(self, masks: list[int], capacity: tuple[Amounts, ...]) -> None:
        usable = 0
        for mask in set(masks):
            usable |= mask
        nodes = members(usable, range(len(self.nodes)))
        for resource, name in enumerate(RESOURCES):
            wanted = sum(one.wants[resource] for one in self.workloads)
            has = sum(capacity[node][resource] for node in nodes)
            if wanted > has:
                beside = " beside what stays there" if self.pinned or self.everywhere else ""
                raise InvalidContext(
                    f"There is no room for all workloads: together they ask for {shown(name, wanted)} of {name}, and the "
                    f"nodes that they may use have {shown(name, has)}{beside}."
                )

    def _refuse_too_many_apart(self, masks: list[int]) -> None:
        for group in self.apart:
            nodes = 0
            for workload in group:
                nodes |= masks[workload]
            if len(group) > nodes.bit_count():
                names = [self.workloads[workload].name for workload in group]
                raise InvalidContext(
                    f"{', '.join(shorten(names))} must not share a node: that takes {len(group)} nodes, and there are "
                    f"{nodes.bit_count()} that any of them may use.",
                    workloads=names[:NAMED_IN_MESSAGES],
                )


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def refuse(names: list[str], what: str) -> None:
    """Raises InvalidContext if there are any."""
    if names:
        raise InvalidContext(f"{what}: {', '.join(shorten(names))}.", names=names[:NAMED_IN_MESSAGES])


def _raise(reasons: list[str], names: list[str]) -> None:
    more = f" And so it is with {len(names) - len(reasons)} more." if len(names) > len(reasons) else ""
    raise InvalidContext(f"{'. '.join(reasons)}.{more}", workloads=names[:NAMED_IN_MESSAGES])
