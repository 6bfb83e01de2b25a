"""What may stand beside a foreign form. Of its own fields nobody knows all, so what is not read is ignored; only what looks
like a field of ours, spelt wrongly, must not be."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

BESIDE_FOREIGN = frozenset(
    (
        "steps", "services", "edges", "alerts", "healthy", "weights", "service_label", "max_parallel", "durations", "nodes",
        "current_nodes", "workloads", "pods", "objective", "drain", "documents", "items", "kind", "apiVersion", "receiver",
    )
)  # fmt: skip
"""What means something there, or names the form."""

TYPED = {"".join(name.split("_")): name for name in
         ("alerts", "healthy", "weights", "service_label", "max_parallel", "durations")}  # fmt: skip
"""Of these what people add by hand, as it is compared."""
ALIKE = 0.8  # `maxParallel`, `max_paralel` and `duration` are; no field of Compose, Flux, Argo CD or Alertmanager is


def slips(context: Mapping[str, Any]) -> dict[str, str]:
    """Fields that are probably meant to be one of ours, and which. Those that Compose leaves to everybody (`x-…`) are not."""
    found = {}
    for field in context:
        if isinstance(field, str) and field not in BESIDE_FOREIGN and len(field) < 40 and not field.startswith("x-"):
            compared = re.sub(r"[-_ ]", "", field).lower()
            close = difflib.get_close_matches(compared, TYPED, n=1, cutoff=ALIKE)
            if close:
                found[field] = TYPED[close[0]]
    return found
