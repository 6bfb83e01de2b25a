"""What a pod's spec comes to. Thousands of pods share a few hundred specs, and each of these is read once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.kubernetes_objects import PodSpec, pruned
from agent_reasoning.tasks.eligibility import Rules
from agent_reasoning.tasks.inventory import Amounts
from agent_reasoning.tasks.pod_rules import anti_affinity, not_modelled, rules
from agent_reasoning.tasks.requests import others, pod_amounts
from agent_reasoning.tasks.separation import Term
from agent_reasoning.validation import validate


@dataclass(frozen=True, slots=True)
class Template:
    wants: Amounts
    rules: Rules
    terms: tuple[Term, ...]
    not_modelled: tuple[str, ...]
    not_looked_at: frozenset[str]


class Templates:
    def __init__(self) -> None:
        self._read: dict[tuple[str, str], Template] = {}

    def read(self, spec: Mapping[str, Any], namespace: str, whose: str) -> Template:
        """Raises InvalidContext, which says whose spec it is."""
        relevant = pruned(spec, PodSpec)
        relevant.pop("nodeName", None)
        key = namespace, json.dumps(relevant)
        if key not in self._read:
            valid = validate(PodSpec, relevant, InvalidContext, f"spec of {whose}")
            self._read[key] = Template(
                pod_amounts(valid, whose),
                rules(valid, whose),
                anti_affinity(valid, namespace),
                tuple(not_modelled(valid)),
                frozenset(others(valid)),
            )
        return self._read[key]
