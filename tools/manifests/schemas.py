"""Does every object validate, with no field that its kind does not have? An API server drops an unknown field in silence."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator

from tools.manifests.build import ROOT
from tools.manifests.objects import Object, title

# Of the custom resources, as their definitions serve them, and of Grafana's dashboards: reference data beside the checkout.
SCHEMAS = ROOT.parent / "shared" / "schemas"
KUBERNETES = "1.34.0"
OURS = ("knative.dev/", "monitoring.coreos.com/")


def findings(objects: list[Object]) -> Iterator[str]:
    for thing in objects:
        own = any(group in str(thing.get("apiVersion")) for group in OURS)
        for problem in custom(thing) if own else builtin(thing):
            yield f"{title(thing)}: {problem}"
    seen: set[tuple[str, str]] = set()
    for thing in objects:
        key = (str(thing.get("apiVersion")), title(thing))
        if key in seen:
            yield f"{title(thing)}: there are two of it"
        seen.add(key)


def custom(thing: Object) -> Iterator[str]:
    if not SCHEMAS.is_dir():
        return  # `make validate` says so
    schema = validator(f"{str(thing['apiVersion']).replace('/', '_')}_{thing.get('kind')}")
    if schema is None:
        yield f"there is no schema of {thing.get('apiVersion')} {thing.get('kind')} to check it with"
        return
    for error in sorted(schema.iter_errors(thing), key=lambda error: error.json_path):
        yield f"{error.json_path.removeprefix('$.')}: {error.message[:300]}"


def builtin(thing: Object) -> Iterator[str]:
    try:
        kubernetes_validate.validate(thing, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{'.'.join(str(part) for part in error.path)}: {str(error.message)[:300]}"
    except (kubernetes_validate.SchemaNotFoundError, kubernetes_validate.InvalidSchemaError) as error:
        yield f"Kubernetes {KUBERNETES} has no such kind: {error}"


@cache
def validator(name: str) -> Any:
    path = SCHEMAS / f"{name}.json"
    return Draft202012Validator(json.loads(path.read_text())) if path.is_file() else None
