"""Reading Kubernetes objects: plain dictionaries, as they come out of YAML."""

from collections.abc import Iterator
from typing import Any

Object = dict[str, Any]
KNATIVE = "serving.knative.dev/v1"
ANNOTATION = "autoscaling.knative.dev/"


def title(thing: Object) -> str:
    """How a finding names the object: `Kind/name`."""
    return f"{thing.get('kind', '?')}/{thing.get('metadata', {}).get('name', '?')}"


def of(objects: list[Object], kind: str, group: str = "") -> list[Object]:
    return [each for each in objects if each.get("kind") == kind and str(each.get("apiVersion", "")).startswith(group)]


def services(objects: list[Object]) -> list[Object]:
    """Knative's, not Kubernetes' own."""
    return of(objects, "Service", "serving.knative.dev/")


def template(service: Object) -> Object:
    return dict(service.get("spec", {}).get("template", {}))


def pod(service: Object) -> Object:
    return dict(template(service).get("spec", {}))


def containers(service: Object) -> list[Object]:
    spec = pod(service)
    return [*spec.get("containers", []), *spec.get("initContainers", [])]


def annotations(service: Object) -> dict[str, str]:
    return dict(template(service).get("metadata", {}).get("annotations", {}))


def environment(service: Object, objects: list[Object]) -> dict[str, str]:
    """What the first container finds in its environment, as far as the manifests say."""
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of(objects, "ConfigMap")}
    found: dict[str, str] = {}
    for container in containers(service)[:1]:
        for source in container.get("envFrom", []):
            found |= maps.get(source.get("configMapRef", {}).get("name", ""), {})
        found |= {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
    return found


def walk(thing: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside, with its path; lists do not show their numbers."""
    yield path, thing
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield from walk(value, f"{path}.{key}" if path else str(key))
    elif isinstance(thing, list):
        for value in thing:
            yield from walk(value, f"{path}[]")
