"""Kubernetes objects to test with. `kubectl.json` is what kubectl prints of four nodes and their pods."""

import json
from pathlib import Path

PRINTED = json.loads((Path(__file__).parent / "kubectl.json").read_text())
IN_TIME = {"effect": "NoExecute", "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 300}
HOSTNAME = "kubernetes.io/hostname"


def node(name, cpu="4", memory="8Gi", labels=None, ready="True", **spec):
    return {
        "kind": "Node", "metadata": {"name": name, "labels": {HOSTNAME: name, **(labels or {})}}, "spec": spec,
        "status": {"allocatable": {"cpu": cpu, "memory": memory}, "conditions": [{"type": "Ready", "status": ready}]},
    }  # fmt: skip


def requesting(**requests):
    return {"resources": {"requests": requests}}


def pod(name, on=None, owner="ReplicaSet", labels=None, namespace="shop", containers=None, metadata=None, **spec):
    owners = [{"kind": owner, "name": "o", "controller": True}] if owner else None
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": owners, **(metadata or {})},
        "spec": {"nodeName": on, "containers": containers or [requesting(cpu="1")], "tolerations": [IN_TIME], **spec},
    }  # fmt: skip


def controller(kind, name, replicas=2, labels=None, namespace="shop", **spec):
    template = {"metadata": {"labels": labels}, "spec": {"containers": [requesting(cpu="1")], **spec}}
    return {
        "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": {"replicas": replicas, "template": template},
    }  # fmt: skip


def apart_from(key, value, **more):
    term = {"labelSelector": {"matchLabels": {key: value}}, "topologyKey": HOSTNAME, **more}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def required(*terms):
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}}


ORDERED = {
    **controller("Deployment", "web"),
    "metadata": {"name": "web", "annotations": {"argocd.argoproj.io/sync-wave": "1"}},
}
