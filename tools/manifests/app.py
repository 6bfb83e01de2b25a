"""Do the manifests speak of the service that there is? Asked of the code itself: its OpenAPI, its settings, its commands."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from agent_reasoning.api import dead_letters
from agent_reasoning.api.app import create_app
from agent_reasoning.cli import main
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.service.settings import Settings
from agent_reasoning.tasks import builtin_tasks
from tools.contract import DEAD_LETTERS, REQUESTED, RESULTS, SERVICE
from tools.manifests.build import ROOT
from tools.manifests.objects import Object, containers, of, services, title

PORT = Settings.model_fields["port"].default
RESERVED = {8008, 8012, 8013, 8022, 8112, 9090, 9091}  # queue-proxy's own (serving pkg/networking/constants.go)
OWN_PAGE, SIDECAR_PAGE = "user-port", "http-usermetric"  # what Knative calls these ports in the pod


@cache
def paths() -> dict[str, dict[str, Any]]:
    """Path to methods, of the service as its OpenAPI document describes it."""
    document = create_app(ReasoningService(builtin_tasks(), [])).openapi()
    return dict(document["paths"])


def sink_paths() -> dict[str, dict[str, Any]]:
    routes = dead_letters.create_app(1).routes
    return {route.path: dict.fromkeys(map(str.lower, route.methods or ())) for route in routes}  # type: ignore[attr-defined]


def answers(service: str, path: str, method: str) -> bool:
    return method in (sink_paths() if service == DEAD_LETTERS else paths()).get(path, {})


def findings(objects: list[Object]) -> Iterator[str]:
    names = {each["metadata"]["name"] for each in services(objects)}
    if names != {SERVICE, DEAD_LETTERS}:
        yield f"the services are {', '.join(sorted(names))}, and should be {SERVICE}, {DEAD_LETTERS}"
    for service in services(objects):
        for problem in container_findings(service):
            yield f"{title(service)}: {problem}"
    for monitor in of(objects, "PodMonitor"):
        for problem in scraping(monitor, sorted(names)):
            yield f"{title(monitor)}: {problem}"
    for trigger in of(objects, "Trigger"):
        for problem in subscription(trigger):
            yield f"{title(trigger)}: {problem}"
    declared = {declared_type(each) for each in of(objects, "EventType")}
    if declared != {REQUESTED, *RESULTS}:
        yield f"EventTypes: declared are {sorted(map(str, declared))}, and used are {sorted({REQUESTED, *RESULTS})}"


def container_findings(service: Object) -> Iterator[str]:
    name = service["metadata"]["name"]
    for container in containers(service):
        ports = [port.get("containerPort") for port in container.get("ports", [])]
        if ports != [PORT]:
            yield f"ports {ports} are not the one that the service listens on by default ({PORT})"
        for port in set(ports) & RESERVED:
            yield f"port {port} is queue-proxy's"
        for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
            yield from probe_findings(name, kind, container.get(kind))
        for argument in container.get("args", [])[:1]:
            if argument not in main.commands:
                yield f"args: there is no command {argument!r}"
        user = container.get("securityContext", {}).get("runAsUser")
        if user != image_user():
            yield f"runs as {user}, and the image is made for {image_user()}"


def probe_findings(service: str, kind: str, probe: Object | None) -> Iterator[str]:
    if probe is None:
        return
    get = probe.get("httpGet")
    if get is None:
        yield f"{kind} does not ask over HTTP"
        return
    if not answers(service, get.get("path", "/"), "get"):
        yield f"{kind}: the service has no GET {get.get('path')}"
    if get.get("port") != PORT:
        yield f"{kind}: port {get.get('port')} is not {PORT}, and Knative does not rewrite it in every probe"
    meant = {"livenessProbe": "/health", "readinessProbe": "/ready", "startupProbe": "/ready"}[kind]
    if service == SERVICE and get.get("path") != meant:
        yield f"{kind}: asks {get.get('path')}, and {meant} is what answers that question"


def scraping(monitor: Object, names: list[str]) -> Iterator[str]:
    endpoints = monitor.get("spec", {}).get("podMetricsEndpoints", [])
    if OWN_PAGE not in {each.get("port") for each in endpoints}:
        yield f"does not scrape the service's own page (port {OWN_PAGE})"
    for endpoint in endpoints:
        port, path = endpoint.get("port"), endpoint.get("path", "/metrics")
        if port not in (OWN_PAGE, SIDECAR_PAGE):
            yield f"port {port!r} is none that Knative gives a pod"
        for name in names:
            if port == OWN_PAGE and not answers(name, path, "get"):
                yield f"{name} has no GET {path}"


def subscription(trigger: Object) -> Iterator[str]:
    """The filter lets in what is asked, and nothing that the service itself sends: that would go round in circles."""
    spec = trigger.get("spec", {})
    if "filters" in spec:
        yield "spec.filters would replace spec.filter; this check reads the latter only"
    wanted = spec.get("filter", {}).get("attributes", {}).get("type")
    if wanted in RESULTS or wanted is None:
        yield f"lets in what the service itself sends (type {wanted!r})"
    elif wanted != REQUESTED:
        yield f"asks for events of type {wanted!r}; the service takes {REQUESTED!r}"
    subscriber = spec.get("subscriber", {})
    uri, name = subscriber.get("uri", "/"), subscriber.get("ref", {}).get("name")
    if name == SERVICE and not answers(SERVICE, uri, "post"):
        yield f"the service has no POST {uri}"
    sink = spec.get("delivery", {}).get("deadLetterSink", {})
    if sink.get("ref", {}).get("name") != DEAD_LETTERS or not answers(DEAD_LETTERS, sink.get("uri", "/"), "post"):
        yield f"its dead letters do not end at {DEAD_LETTERS}"


def declared_type(event_type: Object) -> str | None:
    attributes = event_type.get("spec", {}).get("attributes", [])
    return next((each.get("value") for each in attributes if each.get("name") == "type"), None)


@cache
def image_user() -> int | None:
    users = re.findall(r"^USER\s+(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    user = users[-1].split(":")[0] if users else ""
    return int(user) if user.isdecimal() else None
