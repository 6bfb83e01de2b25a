"""Alerts, as names of services or as Alertmanager sends them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.alerts import NAMESPACE_LABELS, SERVICE_LABELS, WRAPPERS
from agent_reasoning.tasks.naming import Name, shorten
from agent_reasoning.validation import validate

MAX_ALERTS = 10_000


class Alert(BaseModel):
    """https://prometheus.io/docs/alerting/latest/configuration/#webhook_config"""

    model_config = ConfigDict(extra="ignore")

    status: Any = "firing"  # a word in a webhook, an object with `state` in the API's answers
    state: Any = None  # Prometheus' own word
    labels: dict[str, Any] | None = None

    @property
    def fires(self) -> bool:
        """Not resolved, not silenced or inhibited, not still pending; and not Watchdog, which always fires."""
        status = self.status.get("state") if isinstance(self.status, Mapping) else self.status
        words = {str(word).lower() for word in (status, self.state)}
        return not words & {"resolved", "suppressed", "pending", "inactive"} and self.texts.get("severity") != "none"

    @property
    def texts(self) -> dict[str, str]:
        return {label: value for label, value in (self.labels or {}).items() if isinstance(value, str)}


class _Given(BaseModel):
    alerts: list[Name | Alert]


@dataclass(frozen=True, slots=True)
class Alerts:
    services: tuple[int, ...]
    """Those that alert, in order."""
    unknown: tuple[str, ...]
    """What alerts and is no service of the graph."""


def read_alerts(given: Any, names: Sequence[str], service_label: str | None = None) -> Alerts:
    """`given`: a list of names or of Alertmanager's alerts, or its webhook body. Resolved alerts, and those of severity
    none (Watchdog fires always), say nothing. Raises InvalidContext."""
    while isinstance(given, Mapping):  # a webhook body, or Prometheus' {"data": {"alerts": [...]}}
        given = next((given[name] for name in WRAPPERS if name in given), None)
    if isinstance(given, list) and len(given) > MAX_ALERTS:
        raise InvalidContext(f"There are {len(given)} alerts; at most {MAX_ALERTS} are allowed.")
    number = {name: index for index, name in enumerate(names)}
    known: set[int] = set()
    unknown: dict[str, None] = {}
    for alert in validate(_Given, {"alerts": given}, InvalidContext, "context").alerts:
        if isinstance(alert, str):
            service, named = number.get(alert), alert
        elif not alert.fires:
            continue
        else:
            service, named = _service_of(alert.texts, number, service_label), _title(alert.texts)
        if service is None:
            unknown[named] = None
        else:
            known.add(service)
    if not known and unknown:
        raise InvalidContext(
            f"No alert is about a service of the graph: {', '.join(shorten(list(unknown)))}. The service is taken from the "
            f"label {service_label or ', '.join(SERVICE_LABELS)}; `service_label` names another."
        )
    if not known:
        raise InvalidContext("No alert is firing: there is nothing to explain.")
    return Alerts(tuple(sorted(known)), tuple(unknown))


def _service_of(labels: Mapping[str, str], number: Mapping[str, int], service_label: str | None) -> int | None:
    for label in [service_label] if service_label else SERVICE_LABELS:
        for name in _names(labels[label], labels) if labels.get(label) else ():
            if name in number:
                return number[name]
    return None


def _names(value: str, labels: Mapping[str, str]) -> Iterator[str]:
    """What a graph may call what a label says, the most exact first. A scrape job is "namespace/name", a destination
    "name.namespace.svc.cluster.local"; a graph that has a name in several namespaces calls it "namespace/name"."""
    yield value
    before, _, name = value.rpartition("/")
    host, _, rest = name.partition(".")
    for namespace in (before, rest.partition(".")[0], *(labels.get(label, "") for label in NAMESPACE_LABELS)):
        if namespace:
            yield f"{namespace}/{host}"
            yield f"{host}.{namespace}"
    yield name
    yield host


def _title(labels: Mapping[str, str]) -> str:
    about = next((labels[label] for label in SERVICE_LABELS if labels.get(label)), "")
    return " of ".join(part[:80] for part in (labels.get("alertname", "an alert"), about) if part)
