"""`python -m tools.deploy OVERLAY`: apply an overlay; wait until it serves, events reach it and dead letters have a place.

For `studio` it first puts the service on the CPU. Knative starts a new revision beside the old one and ends the old one
only when the new one is ready; with one GPU the new one would wait for it without end. On the CPU it needs none: the
revision there becomes ready, requests go to it, Knative ends the old one (a revision that no request reaches has no
minimum, serving pkg/apis/autoscaling/v1alpha1 ScaleBounds), and the GPU is free for the next. The first deployment needs
it too: the SinkBinding sets its variables in a service that exists already, which makes a second revision at once.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tools.contract import DEAD_LETTERS, NAMESPACE, SERVICE, WITHOUT_PROMETHEUS
from tools.manifests.build import OVERLAYS_AT

Kubectl = Callable[..., str]
WAIT_SECONDS = 900
LABEL = "serving.knative.dev"
SERVICES, BINDING, TRIGGER = (
    "services.serving.knative.dev",
    "sinkbindings.sources.knative.dev",
    "triggers.eventing.knative.dev",
)
HANDOVER = "studio-handover"
UNPIN = (
    f"To send all to the newest: kubectl -n {NAMESPACE} patch ksvc {SERVICE} --type=json"
    """ -p '[{"op": "remove", "path": "/spec/traffic"}]'"""
)


class Stuck(Exception):
    """What was waited for did not happen; the message says what is known of why."""


def kubectl(*arguments: str) -> str:
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Stuck(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def deploy(
    overlay: str, run: Kubectl, pause: Callable[[float], None], overlays: Path = OVERLAYS_AT, *, prometheus: bool = True
) -> None:
    """Raises Stuck. `pause` waits so many seconds; an argument, as the cluster is, for tests. `prometheus`: whether the cluster
    has its operator, whose kinds an API server without it refuses."""
    at = overlays if prometheus else overlays / WITHOUT_PROMETHEUS
    if overlay == "studio":
        if elsewhere := pinned(read(run)):
            raise Stuck(f"{elsewhere}, and with one GPU the old revision must end before the new one begins. {UNPIN}")
        print("first on the CPU, so that the GPU is free for the new revision", file=sys.stderr)
        apply(HANDOVER, run, pause, at)
        wait_until(lambda: not others(run), "the old revision still has pods", pause)
    apply(overlay, run, pause, at)


def apply(overlay: str, run: Kubectl, pause: Callable[[float], None], overlays: Path) -> None:
    try:
        run("apply", "-k", str(overlays / overlay))
    except Stuck as error:
        if "monitoring.coreos.com" in str(error):
            raise Stuck(
                f"{error}\nThis cluster has no Prometheus Operator: install it, or say PROMETHEUS=no."
            ) from None
        raise
    # In this order: once it is bound, what is applied gets its variables on the way in, and no revision follows.
    for what, kind, name, reached in (
        ("the SinkBinding", BINDING, SERVICE, bound),
        (overlay, SERVICES, SERVICE, settled),
        ("the dead-letter sink", SERVICES, DEAD_LETTERS, settled),
        ("the Trigger", TRIGGER, SERVICE, bound),
    ):
        wait_for(what, partial(read, run, kind, name), reached, pause)
    if elsewhere := pinned(read(run)):
        newest = (read(run) or {})["status"]["latestReadyRevisionName"]
        share = received(read(run), newest)
        if share == 0:
            raise Stuck(f"{overlay} is ready as {newest}, and gets no requests: {elsewhere}. {UNPIN}")
        print(f"{overlay} is ready as {newest}, and gets {share} % of the requests: {elsewhere}", file=sys.stderr)
    else:
        print(f"{overlay} is ready", file=sys.stderr)


def read(run: Kubectl, kind: str = SERVICES, name: str = SERVICE) -> dict[str, Any] | None:
    """An object as the cluster has it; None where there is none."""
    text = run("get", kind, name, "-n", NAMESPACE, "-o", "json", "--ignore-not-found")
    return json.loads(text) if text.strip() else None


def pinned(service: dict[str, Any] | None) -> str:
    """Which revisions are named to get requests, in words; empty where all go to the newest, as they do unless somebody says
    otherwise. What is applied says nothing of traffic, and so leaves it as it is."""
    traffic = (service or {}).get("spec", {}).get("traffic", [])
    named = [f"{each['revisionName']} {each.get('percent') or 0} %" for each in traffic if each.get("revisionName")]
    return f"requests are split by hand ({', '.join(named)})" if named else ""


def received(service: dict[str, Any] | None, revision: str) -> int:
    """The share of requests, in percent, that a revision gets."""
    traffic = (service or {}).get("status", {}).get("traffic", [])
    return sum(each.get("percent") or 0 for each in traffic if each.get("revisionName") == revision)


def bound(thing: dict[str, Any] | None) -> bool:
    """Whether a SinkBinding or a Trigger is ready, as it was applied last."""
    current = thing is not None and thing.get("status", {}).get("observedGeneration") == thing["metadata"]["generation"]
    return current and condition(thing or {}).get("status") == "True"


def settled(service: dict[str, Any] | None) -> bool:
    """Whether what was applied last is what serves: a Ready that speaks of an older generation does not count."""
    if service is None:
        return False
    status = service.get("status", {})
    return (
        status.get("observedGeneration") == service["metadata"]["generation"]
        and status.get("latestReadyRevisionName") == status.get("latestCreatedRevisionName")
        and condition(service).get("status") == "True"
    )


def condition(service: dict[str, Any]) -> dict[str, Any]:
    conditions = service.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each.get("type") == "Ready"), {})


def words(service: dict[str, Any] | None) -> str:
    found = condition(service or {})
    return f"{found.get('reason', 'no reason given')}: {found.get('message', '')}"


def others(run: Kubectl) -> list[str]:
    """Pods of this service that are not of the revision that serves."""
    serving = (read(run) or {}).get("status", {}).get("latestReadyRevisionName")
    listed = run("get", "pods", "-n", NAMESPACE, "-l", f"{LABEL}/service={SERVICE}", "-o", "json")
    pods = [each["metadata"] for each in json.loads(listed)["items"]]
    return [each["name"] for each in pods if each["labels"].get(f"{LABEL}/revision") != serving]


def wait_for(
    what: str,
    seen: Callable[[], dict[str, Any] | None],
    reached: Callable[[dict[str, Any] | None], bool],
    pause: Callable[[float], None],
) -> None:
    wait_until(lambda: reached(seen()), f"{what} is not ready", pause, lambda: words(seen()))


def wait_until(
    reached: Callable[[], bool], wanted: str, pause: Callable[[float], None], why: Callable[[], str] = str
) -> None:
    waited = 0.0
    while not reached():
        if waited >= WAIT_SECONDS:
            raise Stuck(f"after {WAIT_SECONDS} s {wanted}. {why()}".strip())
        pause(2.0)
        waited += 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overlay", choices=["studio", "pro", "local"])
    parser.add_argument("--without-prometheus", action="store_true", help="the cluster has no Prometheus Operator")
    options = parser.parse_args()
    try:
        deploy(options.overlay, kubectl, time.sleep, prometheus=not options.without_prometheus)
    except Stuck as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
