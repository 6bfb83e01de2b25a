"""Kubernetes objects between which there is an order: Flux's `dependsOn`, Argo CD's and Helm's annotations."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from agent_reasoning.foreign.kubernetes_objects import Part, pruned

FLUX_KINDS = ("Kustomization", "HelmRelease")
SYNC_WAVE, ARGO_HOOK = "argocd.argoproj.io/sync-wave", "argocd.argoproj.io/hook"
HELM_HOOK, HOOK_WEIGHT = "helm.sh/hook", "helm.sh/hook-weight"


class _Annotations(Part):
    sync_wave: Any = Field(None, alias=SYNC_WAVE)
    argo_hook: Any = Field(None, alias=ARGO_HOOK)
    helm_hook: Any = Field(None, alias=HELM_HOOK)
    hook_weight: Any = Field(None, alias=HOOK_WEIGHT)


class _Metadata(Part):
    name: Any = None
    generateName: Any = None
    namespace: Any = None
    annotations: _Annotations | None = None


class _Reference(Part):
    name: Any = None
    namespace: Any = None


class _Spec(Part):
    dependsOn: list[_Reference] | None = None


class OrderedObject(Part):
    """The fields that are read, and sent."""

    apiVersion: Any = None
    kind: Any = None
    metadata: _Metadata | None = None
    spec: _Spec | None = None


def ordered_objects(context: Mapping[str, Any]) -> list[Any] | None:
    """The Kubernetes objects of a context between which there is an order, with the fields that are read; None if it holds
    none."""
    objects = [
        pruned(item, OrderedObject) for item in _listed(context) if not _is_kustomizes_own(item) and item is not None
    ]
    if not any(map(annotated, objects)):  # then all of them count, and what is no object is refused
        objects = [item for item in objects if isinstance(item, Mapping) and item.get("kind") in FLUX_KINDS]
    return objects or None


def _listed(context: Mapping[str, Any]) -> list[Any]:
    if isinstance(context.get("documents"), list):
        listed = [document for document in context["documents"] if document is not None]
    elif isinstance(context.get("items"), list):
        listed = list(context["items"])
    else:
        listed = [context]
    objects: list[Any] = []
    for item in listed:
        nested = item.get("items") if isinstance(item, Mapping) else None
        objects.extend(nested if isinstance(nested, list) else [item])
    return objects


def _is_kustomizes_own(item: Any) -> bool:
    """Kustomize's own kustomization.yaml has the same kind as Flux's: it orders nothing."""
    return isinstance(item, Mapping) and str(item.get("apiVersion", "")).startswith("kustomize.config.k8s.io/")


def annotated(item: Any) -> bool:
    metadata = item.get("metadata") if isinstance(item, Mapping) else None
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return isinstance(annotations, Mapping) and any(
        annotations.get(name) is not None for name in (SYNC_WAVE, ARGO_HOOK, HELM_HOOK, HOOK_WEIGHT)
    )
