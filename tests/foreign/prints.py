"""What other tools print, each with a secret wherever such tools have them."""

SECRET = "hunter2"

COMPOSE = {
    "name": "shop",
    "services": {
        "db": {"image": "postgres", "environment": {"POSTGRES_PASSWORD": SECRET}, "labels": {"note": SECRET}},
        "api": {"command": [f"--token={SECRET}"], "depends_on": {"db": {"condition": "service_healthy", "required": True}}},
        "web": {"image": "web", "depends_on": ["api", "db"]},
        "extra": {"depends_on": {"ghost": {"condition": "service_started", "required": False}}},
    },
    "networks": {"default": {"name": "shop_default"}},
    "secrets": {"key": {"environment": SECRET}},
    "x-common": {"environment": {"KEY": SECRET}},
}  # fmt: skip


def _thing(kind, name, annotations=None, **more):
    metadata = {"name": name, "namespace": "shop", "annotations": {"last-applied": SECRET, **(annotations or {})}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **more}


HELM = {
    "documents": [
        _thing("Secret", "keys", data={"password": SECRET}),
        _thing("Job", "migrate", {"helm.sh/hook": "pre-upgrade"}, spec={"template": {"spec": {"env": [{"value": SECRET}]}}}),
        _thing("Deployment", "api", {"argocd.argoproj.io/sync-wave": "1"}, spec={"replicas": 1, "env": SECRET}),
        {"kind": "List", "items": [_thing("ConfigMap", "settings", data={"password": SECRET})]},
    ]
}  # fmt: skip

FLUX = {
    "apiVersion": "v1",
    "kind": "List",
    "metadata": {"resourceVersion": ""},
    "items": [
        {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization",
            "metadata": {"name": name, "namespace": "flux-system", "annotations": {"note": SECRET}, "labels": {"a": SECRET}},
            "spec": {"path": f"./{name}", "dependsOn": needs, "postBuild": {"substitute": {"password": SECRET}}},
        }
        for name, needs in (("core", []), ("apps", [{"name": "core", "readyExpr": SECRET}]))
    ],
}  # fmt: skip

WEBHOOK = {
    "version": "4",
    "receiver": "agents",
    "status": "firing",
    "groupLabels": {"alertname": "Down", "team": SECRET},
    "commonAnnotations": {"runbook_url": f"https://wiki/?token={SECRET}"},
    "externalURL": f"https://user:{SECRET}@alertmanager",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Down", "service": service, "instance": SECRET},
            "annotations": {"summary": SECRET},
            "generatorURL": SECRET,
        }
        for service in ("frontend", "checkout")
    ],
}  # fmt: skip
