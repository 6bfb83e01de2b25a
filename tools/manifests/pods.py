"""Would a cluster with Pod Security "restricted" take these pods, and is the image the one that was meant?

The rules are the Pod Security Standards', "Restricted", as far as a Knative Service can say them: at the container, since
pod-level fields need a feature flag.
"""

import json
import re
from collections.abc import Iterator

from tools.manifests.objects import Object, containers, pod, services, title, walk
from tools.manifests.schemas import SCHEMAS

PINNED = re.compile(r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9][a-z0-9._-]*)+@sha256:[0-9a-f]{64}")
UNPUBLISHED = "sha256:" + "0" * 64
ALLOWED_VOLUMES = {
    "configMap",
    "secret",
    "projected",
    "emptyDir",
    "persistentVolumeClaim",
    "downwardAPI",
    "csi",
    "ephemeral",
}


def findings(objects: list[Object]) -> Iterator[str]:
    for service in services(objects):
        if not containers(service):
            yield f"{title(service)}: has no container"
        for problem in [*identity(service), *volumes(service)]:
            yield f"{title(service)}: {problem}"
        for container in containers(service):
            for problem in [*restricted(container), *image(container), *resources(container)]:
                yield f"{title(service)}: container {container.get('name')}: {problem}"


def identity(service: Object) -> Iterator[str]:
    spec = pod(service)
    if spec.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken is not false: a token that nothing needs is mounted"
    if spec.get("enableServiceLinks") is not False:
        yield "enableServiceLinks is not false: other services would set variables such as PORT's neighbours"
    if spec.get("serviceAccountName", "default") == "default":
        yield "runs as the namespace's default service account"


def volumes(service: Object) -> Iterator[str]:
    for volume in pod(service).get("volumes", []):
        for kind in volume.keys() - {"name"} - ALLOWED_VOLUMES:
            yield f"volume {volume.get('name')}: {kind} is not allowed under 'restricted'"


def restricted(container: Object) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot is not true"
    if not isinstance(context.get("runAsUser"), int) or context["runAsUser"] == 0:
        yield "securityContext.runAsUser is not a numeric user other than 0"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation is not false"
    if context.get("privileged"):
        yield "securityContext.privileged is set"
    capabilities = context.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "securityContext.capabilities does not drop ALL"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "securityContext.capabilities adds some"
    if context.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "securityContext.seccompProfile is not RuntimeDefault"
    if context.get("readOnlyRootFilesystem") is not True:  # not of "restricted", but nothing here writes
        yield "securityContext.readOnlyRootFilesystem is not true"


def image(container: Object) -> Iterator[str]:
    reference = str(container.get("image", ""))
    if not PINNED.fullmatch(reference):
        yield f"image {reference!r} is not pinned by digest (name@sha256:…, and no tag)"


def unpublished(objects: list[Object]) -> list[str]:
    """The images that stand for one that nobody has pushed yet: they may be checked in, and must not be deployed."""
    return sorted(
        {
            str(container.get("image"))
            for service in services(objects)
            for container in containers(service)
            if UNPUBLISHED in str(container.get("image"))
        }
    )


def resources(container: Object) -> Iterator[str]:
    stated = container.get("resources", {})
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            if resource not in stated.get(kind, {}):
                yield f"resources.{kind} does not say {resource}: a namespace with a quota refuses the pod"
    gpu = [stated.get(kind, {}).get("nvidia.com/gpu") for kind in ("requests", "limits")]
    if gpu[0] != gpu[1]:
        yield "resources ask for other numbers of GPUs in requests than in limits"


def flags(objects: list[Object]) -> set[str]:
    """The feature flags of Knative Serving that the objects need and that are off by default (config-features). Raises
    FileNotFoundError where the table of them is not there."""
    table = json.loads((SCHEMAS / "serving.knative.dev_feature-flags.json").read_text())["flags"]
    fields = {
        str(entry["field"]): flag for flag, entry in table.items() if entry["field"] and entry["default"] == "disabled"
    }
    return {
        flag
        for service in services(objects)
        for path, _ in walk(service)
        for field, flag in fields.items()
        if path == field
    }
