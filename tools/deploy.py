"""`python -m tools.deploy OVERLAY`: apply an overlay and wait until it serves.

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
from pathlib import Path
from typing import Any

from tools.contract import NAMESPACE, SERVICE
from tools.manifests.build import OVERLAYS_AT

Kubectl = Callable[..., str]
WAIT_SECONDS = 900
LABEL = "serving.knative.dev"
BINDING = "sinkbindings.sources.knative.dev"
HANDOVER = "studio-handover"


class Stuck(Exception):
    """What was waited for did not happen; the message says what is known of why."""


def kubectl(*arguments: str) -> str:
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Stuck(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def deploy(overlay: str, run: Kubectl, pause: Callable[[float], None], overlays: Path = OVERLAYS_AT) -> None:
    """Raises Stuck. `pause` waits so many seconds; an argument, as the cluster is, for tests."""
    if overlay == "studio":
        print("first on the CPU, so that the GPU is free for the new revision", file=sys.stderr)
        apply(HANDOVER, run, pause, overlays)
        wait_until(lambda: not others(run), "the old revision still has pods", pause)
    apply(overlay, run, pause, overlays)


def apply(overlay: str, run: Kubectl, pause: Callable[[float], None], overlays: Path) -> None:
    run("apply", "-k", str(overlays / overlay))
    # In this order: once it is bound, what is applied gets its variables on the way in, and no revision follows.
    wait_until(
        lambda: bound(read(run, BINDING)), "the SinkBinding is not ready", pause, lambda: words(read(run, BINDING))
    )
    wait_until(lambda: settled(read(run)), f"{overlay} is not ready", pause, lambda: words(read(run)))
    print(f"{overlay} is ready", file=sys.stderr)


def read(run: Kubectl, kind: str = "services.serving.knative.dev") -> dict[str, Any] | None:
    """The service, or its SinkBinding, as the cluster has it; None where there is none."""
    text = run("get", kind, SERVICE, "-n", NAMESPACE, "-o", "json", "--ignore-not-found")
    return json.loads(text) if text.strip() else None


def bound(binding: dict[str, Any] | None) -> bool:
    current = (
        binding is not None and binding.get("status", {}).get("observedGeneration") == binding["metadata"]["generation"]
    )
    return current and condition(binding or {}).get("status") == "True"


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
    options = parser.parse_args()
    try:
        deploy(options.overlay, kubectl, time.sleep)
    except Stuck as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
