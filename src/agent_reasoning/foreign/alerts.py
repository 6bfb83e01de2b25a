"""Alerts as Alertmanager and Prometheus send them: annotations, links and most labels are not read."""

from collections.abc import Mapping
from typing import Any

SERVICE_LABELS = (
    "deployment", "statefulset", "daemonset", "job_name", "service", "service_name", "destination_service_name",
    "destination_service", "destination_workload", "app", "app_kubernetes_io_name", "app_kubernetes_io_instance", "workload",
    "job", "container", "name",
)  # fmt: skip
"""Where an alert says what it is about; the first whose value is a service of the graph counts. Workloads come first: where
kube-state-metrics counts their replicas, `service` is the exporter's own."""

NAMESPACE_LABELS = (
    "namespace", "exported_namespace", "destination_service_namespace", "destination_workload_namespace",
    "kubernetes_namespace",
)  # fmt: skip
"""Where an alert says in which namespace that is."""

WRAPPERS = ("alerts", "data")
"""A webhook body, and Prometheus' `{"data": {"alerts": [...]}}`."""


def reduced_alerts(given: Any, service_label: Any = None) -> Any:
    """The alerts as they are read. What has another shape stays: reading will name it."""
    if isinstance(given, Mapping):
        return {name: reduced_alerts(given[name], service_label) for name in WRAPPERS if name in given}
    if isinstance(given, list):
        asked = {
            *SERVICE_LABELS,
            *NAMESPACE_LABELS,
            "alertname",
            "severity",
            service_label if isinstance(service_label, str) else "",
        }
        return [_alert(alert, asked) for alert in given]
    return given


def _alert(alert: Any, asked: set[str]) -> Any:
    if not isinstance(alert, Mapping):
        return alert
    found = {name: alert[name] for name in ("status", "state", "labels") if name in alert}
    status, labels = found.get("status"), found.get("labels")
    if isinstance(status, Mapping):
        found["status"] = {"state": status["state"]} if "state" in status else {}
    if isinstance(labels, Mapping):
        found["labels"] = {name: value for name, value in labels.items() if name in asked or not isinstance(name, str)}
    return found
