"""Does everything exist that is named? Kustomize leaves names dangling in kinds that it does not know, and says nothing."""

from collections.abc import Iterator

from tools.manifests.objects import Object, of, services, title, walk

# Where a bare name stands, and of what kind the thing is.
FIELDS = {
    "configMapRef": ("ConfigMap", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "configMap": ("ConfigMap", "name"),
    "secretRef": ("Secret", "name"),
    "secretKeyRef": ("Secret", "name"),
    "secret": ("Secret", "secretName"),
}
CLUSTER_WIDE = {"Namespace"}
KEPT = {"argocd.argoproj.io/sync-options": "Prune=false", "kustomize.toolkit.fluxcd.io/prune": "disabled"}
SELECTS = "serving.knative.dev/service"


def findings(objects: list[Object]) -> Iterator[str]:
    known = {(each.get("kind"), each.get("metadata", {}).get("name")) for each in objects}
    for thing in objects:
        for where, kind, name in named_in(thing):
            if (kind, name) not in known:
                yield f"{title(thing)}: {where} names the {kind} {name!r}, which is not among the objects"
        yield from namespaces(thing, known)
    yield from selectors(objects)
    yield from kept(objects)


def named_in(thing: Object) -> Iterator[tuple[str, str, str]]:
    """(path, kind, name) of whatever the object refers to."""
    for path, value in walk(thing.get("spec", {}), "spec"):
        key = path.rsplit(".", 1)[-1].removesuffix("[]")
        if isinstance(value, dict) and {"apiVersion", "kind", "name"} <= value.keys():
            yield path, value["kind"], value["name"]
        elif isinstance(value, dict) and key in FIELDS and FIELDS[key][1] in value:
            kind, field = FIELDS[key]
            yield path, kind, value[field]
        elif key == "serviceAccountName":
            yield path, "ServiceAccount", value
    if thing.get("kind") == "Trigger":
        yield "spec.broker", "Broker", thing.get("spec", {}).get("broker", "")


def namespaces(thing: Object, known: set[tuple[str | None, str | None]]) -> Iterator[str]:
    if thing.get("kind") in CLUSTER_WIDE:
        return
    space = thing.get("metadata", {}).get("namespace")
    if ("Namespace", space) not in known:
        yield f"{title(thing)}: is in the namespace {space!r}, which is not among the objects"
    for path, value in walk(thing.get("spec", {}), "spec"):
        reference = isinstance(value, dict) and {"kind", "name", "namespace"} <= value.keys()
        if reference and value["namespace"] != space:
            yield f"{title(thing)}: {path} points into the namespace {value['namespace']!r}"


def selectors(objects: list[Object]) -> Iterator[str]:
    """Pods carry their service's name as a label; who selects by it must name services that exist."""
    names = {each["metadata"]["name"] for each in services(objects)}
    for thing in [
        each for kind in ("PodMonitor", "NetworkPolicy", "PodDisruptionBudget") for each in of(objects, kind)
    ]:
        spec = thing.get("spec", {})
        selector = spec.get("selector") or spec.get("podSelector") or {}
        chosen = {selector.get("matchLabels", {}).get(SELECTS)} - {None}
        for expression in selector.get("matchExpressions", []):
            chosen |= set(expression["values"]) if expression["key"] == SELECTS else set()
        if (missing := names - chosen) and thing["kind"] != "PodDisruptionBudget":
            yield f"{title(thing)}: selects no pods of {', '.join(sorted(missing))}"
        if strange := chosen - names:
            yield f"{title(thing)}: selects pods of {', '.join(sorted(map(str, strange)))}, which is no service here"


def kept(objects: list[Object]) -> Iterator[str]:
    """A configmap or a secret whose name changes with its content is still that of the revisions that were made with it."""
    used = {(kind, name) for service in services(objects) for _, kind, name in named_in(service)}
    for thing in [*of(objects, "ConfigMap"), *of(objects, "Secret")]:
        if (thing["kind"], thing["metadata"]["name"]) not in used:
            continue
        stated = thing["metadata"].get("annotations", {})
        for annotation, value in KEPT.items():
            if value not in stated.get(annotation, "").split(","):
                yield (
                    f"{title(thing)}: {annotation} is not {value}: GitOps would prune it,"
                    " and revisions to roll back to could not start"
                )
        if thing.get("immutable") is not True:
            yield f"{title(thing)}: is not immutable: a change would reach some pods of a revision and not others"
