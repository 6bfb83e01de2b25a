"""What `make validate` accepts, and what it refuses."""

import base64
import re
from pathlib import Path

import pytest

from agent_reasoning.service.keys import new_key
from agent_reasoning.service.settings import Settings
from tools.contract import CHOICES, OVERLAYS
from tools.contract import WITHOUT_PROMETHEUS as WITHOUT
from tools.manifests import app
from tools.manifests.build import ROOT, BuildFailed, build
from tools.manifests.check import check
from tools.manifests.objects import environment, of
from tools.manifests.pods import flags, unpublished

GONE = object()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_is_wrong_with_an_overlay(built, overlay):
    assert check(built[overlay]) == []


def test_what_the_service_replies_is_declared_and_not_let_in_again(client, built):
    """Asked of the service itself: an event as the trigger delivers it."""
    [trigger] = of(built["pro"], "Trigger")
    wanted, uri = trigger["spec"]["filter"]["attributes"]["type"], trigger["spec"]["subscriber"]["uri"]
    event = {"ce-id": "1", "ce-source": "/test", "ce-specversion": "1.0", "ce-type": wanted}

    reply = client.post(uri, json={"question": "?", "context": {"steps": {"a": []}}}, headers=event)

    answered = reply.headers.get("ce-type") or reply.json()["type"]
    assert answered in {app.declared_type(each) for each in of(built["pro"], "EventType")} - {wanted}


def edit(objects, kind, name, path, value):
    """Set the value at a path ("spec.a.0.b"; a key with dots in brackets) of one object, or remove it."""
    [thing] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    keys, rest = [], path
    while rest:
        if rest.startswith("["):
            key, _, rest = rest[1:].partition("]")
            rest = rest.removeprefix(".")
        else:
            key, _, rest = rest.partition(".")
        keys.append(int(key) if key.isdecimal() else key)
    for key in keys[:-1]:
        thing = thing[key] if isinstance(thing, list) else thing.setdefault(key, {})
    if value is GONE:
        del thing[keys[-1]]
    else:
        thing[keys[-1]] = value


POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
SECURITY = f"{CONTAINER}.securityContext"
SCALING = "spec.template.metadata.annotations"
MAIN, SINK = ("Service", "agent-reasoning"), ("Service", "agent-reasoning-dead-letters")
TRIGGER, MONITOR = ("Trigger", "agent-reasoning"), ("PodMonitor", "agent-reasoning")
POLICY, BINDING = ("NetworkPolicy", "agent-reasoning"), ("SinkBinding", "agent-reasoning")

BROKEN = {
    # strict schemas
    "a field that Knative does not know": (MAIN, f"{POD}.containerConcurency", 4, "containerConcurency"),
    "a misspelt annotation": (MAIN, f"{SCALING}.[autoscaling.knative.dev/minscale]", "1", "minscale"),
    "a grace period, which Knative sets": (MAIN, f"{POD}.terminationGracePeriodSeconds", 30, "terminationGrace"),
    "a hook, which Knative refuses": (MAIN, f"{CONTAINER}.lifecycle", {"preStop": {}}, "lifecycle"),
    "a number for an annotation": (MAIN, f"{SCALING}.[autoscaling.knative.dev/target]", 10, "is not of type 'string'"),
    "a broker's field misspelt": (("Broker", "agent-reasoning"), "spec.delivry", {}, "delivry"),
    "a delivery that is no duration": (TRIGGER, "spec.delivery.timeout", "60s", "60s"),
    "a policy's field misspelt": (POLICY, "spec.ingres", [], "ingres"),
    "a kind that no schema knows": (("ServiceAccount", "agent-reasoning"), "kind", "ServiceAcount", "no such kind"),
    "an interval that is none": (MONITOR, "spec.podMetricsEndpoints.0.interval", "15 sec", "15 sec"),
    # names
    "a configmap that is not there": (MAIN, f"{CONTAINER}.envFrom.0.configMapRef.name", "agent-reasoning", "ConfigMap"),
    "a secret that is not there": (MAIN, f"{CONTAINER}.envFrom.0.secretRef", {"name": "keys"}, "Secret 'keys'"),
    "an account that is not there": (MAIN, f"{POD}.serviceAccountName", "agent", "ServiceAccount 'agent'"),
    "a broker that is not there": (TRIGGER, "spec.broker", "default", "Broker 'default'"),
    "a subscriber that is not there": (TRIGGER, "spec.subscriber.ref.name", "reasoning", "Service 'reasoning'"),
    "a subject that is not there": (BINDING, "spec.subject.name", "reasoning", "Service 'reasoning'"),
    "another namespace": (MAIN, "metadata.namespace", "ai", "in the namespace 'ai'"),
    "a reference into another namespace": (BINDING, "spec.sink.ref.namespace", "ai", "into the namespace 'ai'"),
    "a monitor of other pods": (
        MONITOR, "spec.selector.matchExpressions.0.values", ["agent-reasoning"], "selects no pods of",
    ),
    "a policy of pods that are not ours": (
        POLICY, "spec.podSelector.matchExpressions.0.values", ["a", "agent-reasoning-dead-letters"], "no service here",
    ),
    # Pod Security "restricted"
    "root": (MAIN, f"{SECURITY}.runAsUser", 0, "runAsUser"),
    "root allowed": (MAIN, f"{SECURITY}.runAsNonRoot", GONE, "runAsNonRoot"),
    "escalation": (SINK, f"{SECURITY}.allowPrivilegeEscalation", True, "allowPrivilegeEscalation"),
    "capabilities kept": (SINK, f"{SECURITY}.capabilities", GONE, "drop ALL"),
    "no seccomp profile": (MAIN, f"{SECURITY}.seccompProfile", GONE, "seccompProfile"),
    "a filesystem to write to": (MAIN, f"{SECURITY}.readOnlyRootFilesystem", False, "readOnlyRootFilesystem"),
    "a token": (MAIN, f"{POD}.automountServiceAccountToken", GONE, "automountServiceAccountToken"),
    "service links": (MAIN, f"{POD}.enableServiceLinks", True, "enableServiceLinks"),
    "the host's files": (MAIN, f"{POD}.volumes", [{"name": "x", "hostPath": {"path": "/"}}], "hostPath"),
    "no limits": (SINK, f"{CONTAINER}.resources.limits", GONE, "resources.limits"),
    # images
    "latest": (MAIN, f"{CONTAINER}.image", "registry.example.com/agent-reasoning:latest", "not pinned"),
    "untagged": (MAIN, f"{CONTAINER}.image", "agent-reasoning", "not pinned"),
    "a tag and a digest": (MAIN, f"{CONTAINER}.image", "a/b:1@sha256:" + "0" * 64, "and no tag"),
    # numbers
    "a minimum over the maximum": (MAIN, f"{SCALING}.[autoscaling.knative.dev/min-scale]", "11", "over max-scale"),
    "no bound on replicas": (MAIN, f"{SCALING}.[autoscaling.knative.dev/max-scale]", GONE, "without bound"),
    "more requests than there is room": (MAIN, f"{POD}.containerConcurrency", 64, "SLOTS + MAX_QUEUE"),
    "a target that is never reached": (MAIN, f"{SCALING}.[autoscaling.knative.dev/target]", "100", "target 100"),
    "too short to drain": (MAIN, f"{POD}.timeoutSeconds", 60, "killed at work"),
    "longer than Knative allows": (MAIN, f"{POD}.timeoutSeconds", 900, "over 600"),
    "a broker that asks twice": (TRIGGER, "spec.delivery.timeout", "PT20S", "twice"),
    "a broker that waits without end": (TRIGGER, "spec.delivery.timeout", GONE, "without end"),
    "retries at once": (TRIGGER, "spec.delivery.backoffDelay", GONE, "backoffDelay"),
    "no dead letters": (TRIGGER, "spec.delivery.deadLetterSink", GONE, "no dead-letter sink"),
    "a probe that the webhook refuses": (MAIN, f"{CONTAINER}.readinessProbe.failureThreshold", 3, "webhook"),
    "no readiness probe": (MAIN, f"{CONTAINER}.readinessProbe", GONE, "has no readinessProbe"),
    "a budget of pods that are not ours": (
        ("PodDisruptionBudget", "agent-reasoning"), "spec.selector.matchLabels.[serving.knative.dev/service]", "x",
        "no service here",
    ),
    # network
    "a policy that keeps requests out": (POLICY, "spec.ingress.0.ports", [{"protocol": "TCP", "port": 80}], "from port 8012"),
    "a policy that keeps the autoscaler out": (POLICY, "spec.ingress.1.ports.0.port", 9091, "from port 9090"),
    "a policy that keeps Prometheus out": (
        POLICY, "spec.ingress.2.from.0.namespaceSelector.matchLabels.[kubernetes.io/metadata.name]", "prometheus",
        "Prometheus from",
    ),
    "a policy without names": (POLICY, "spec.egress.0.ports.0.protocol", "TCP", "UDP 53"),
    "a policy without a broker": (POLICY, "spec.egress.1.ports.0.port", 80, "broker's ingress at port 8080"),
    # agreement with the service
    "another port": (MAIN, f"{CONTAINER}.ports.0.containerPort", 8000, "listens on"),
    "a port of queue-proxy's": (MAIN, f"{CONTAINER}.ports.0.containerPort", 9091, "queue-proxy's"),
    "a probe of a path that is not there": (MAIN, f"{CONTAINER}.readinessProbe.httpGet.path", "/healthz", "no GET /healthz"),
    "a liveness that restarts who is only busy": (MAIN, f"{CONTAINER}.livenessProbe.httpGet.path", "/ready", "/health is"),
    "a startup probe of another port": (MAIN, f"{CONTAINER}.startupProbe.httpGet.port", 8012, "port 8012"),
    "metrics elsewhere": (MONITOR, "spec.podMetricsEndpoints.0.path", "/prometheus", "no GET /prometheus"),
    "metrics at the Service's own port name": (MONITOR, "spec.podMetricsEndpoints.0.port", "http1", "'http1'"),
    "a user that is not the image's": (MAIN, f"{SECURITY}.runAsUser", 1000, "made for"),
    "a command that is not there": (SINK, f"{CONTAINER}.args", ["dead-letter"], "no command 'dead-letter'"),
    "a subscriber's path that is not there": (TRIGGER, "spec.subscriber.uri", "/event", "no POST /event"),
    "a trigger of the service's own events": (
        TRIGGER, "spec.filter.attributes.type", "io.homelab.reasoning.completed", "the service itself sends",
    ),
    "a trigger of everything": (TRIGGER, "spec.filter", GONE, "the service itself sends"),
    "a trigger of events that it does not take": (
        TRIGGER, "spec.filter.attributes.type", "io.homelab.reasoning.request", "asks for events of type",
    ),
    "filters instead of a filter": (
        TRIGGER, "spec.filters", [{"exact": {"type": "io.homelab.reasoning.completed"}}], "would replace",
    ),
    "an event type that is not sent": (
        ("EventType", "io.homelab.reasoning.failed"), "spec.attributes.0.value", "io.homelab.reasoning.error", "declared are",
    ),
}  # fmt: skip


# What the schemas of custom resources alone refuse.
BY_SCHEMA = {
    "a field that Knative does not know", "a misspelt annotation", "a grace period, which Knative sets",
    "a hook, which Knative refuses", "a number for an annotation", "a broker's field misspelt",
    "a delivery that is no duration", "an interval that is none",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_variant_is_refused(request, overlays, name):
    if name in BY_SCHEMA:
        request.getfixturevalue("shared")
    (kind, thing), path, value, words = BROKEN[name]
    edit(overlays["pro"], kind, thing, path, value)

    assert any(words in finding for finding in check(overlays["pro"]))


SETTINGS = [
    ("REQUEST_TIMEOUT_SECONDS", "90", "done twice"),
    ("MAX_QUEUE", "256", "SLOTS + MAX_QUEUE"),
    ("MAX_QEUE", "16", "MAX_QEUE is no setting"),
    ("DEVICE", "gpu", "DEVICE='gpu'"),
    ("DEVICE", "cuda", "do not fit"),
    ("RATE_LIMIT", "600/minute", "all are one"),
    ("LOG_FORMAT", "xml", "LOG_FORMAT='xml'"),
    ("SHUTDOWN_SECONDS", "75", "under 30 s of drain"),
    ("API_KEYS_FILE", "/etc/agent-reasoning/keys", "in no Secret that is mounted"),
    ("FUNCTIONS_ENABLED", "true", "needs an API key"),
    ("EVENTS_NEED_KEY", "true", "needs API_KEYS"),
]


@pytest.mark.parametrize(("variable", "value", "words"), SETTINGS)
def test_a_setting_that_cannot_work_is_refused(overlays, variable, value, words):
    for each in of(overlays["pro"], "ConfigMap"):
        if "DEVICE" in each["data"]:
            each["data"][variable] = value

    assert any(words in finding for finding in check(overlays["pro"]))


KEPT = ["argocd.argoproj.io/sync-options", "kustomize.toolkit.fluxcd.io/prune"]


@pytest.mark.parametrize("annotation", KEPT)
@pytest.mark.parametrize("overlay", ["pro", "studio"])
def test_settings_that_gitops_would_prune_are_refused(overlays, overlay, annotation):
    """Revisions to roll back to read the configmap of their own time, which no overlay names any more."""
    for each in of(overlays[overlay], "ConfigMap"):
        each["metadata"].get("annotations", {}).pop(annotation, None)

    assert any(annotation in finding for finding in check(overlays[overlay]))


def test_settings_that_can_change_under_a_revision_are_refused(overlays):
    for each in of(overlays["pro"], "ConfigMap"):
        each.pop("immutable", None)

    assert any("not immutable" in finding for finding in check(overlays["pro"]))


@pytest.mark.parametrize("overlay", CHOICES)
def test_without_prometheus_nothing_of_its_operator_is_left_and_all_else_is(built, overlay):
    whole, less = (
        {(each["kind"], each["metadata"]["name"]) for each in built[name]} for name in (overlay, f"{WITHOUT}/{overlay}")
    )

    assert whole - less == {
        ("PodMonitor", "agent-reasoning"), ("PrometheusRule", "agent-reasoning"), ("ConfigMap", "agent-reasoning-dashboard"),
    }  # fmt: skip
    assert not less - whole
    assert not [each for each in built[f"{WITHOUT}/{overlay}"] if "monitoring.coreos.com" in each["apiVersion"]]


def test_replicas_are_spread_over_nodes_where_the_flag_is_on(tree, shared):
    overlay = tree / "pro" / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("  - ../images/cpu\n", "  - ../images/cpu\n  - ../spread\n"))

    objects = build(tree / "pro")

    assert check(objects) == []
    assert flags(objects) == {"kubernetes.podspec-topologyspreadconstraints"}


def with_keys(tree, overlay="pro", text=None):
    """The overlay's objects with the component; the lines are those of a key that was made as users make theirs."""
    for image in ("cpu", "cuda"):
        path = tree / overlay / "kustomization.yaml"
        added = f"  - ../images/{image}\n"
        path.write_text(path.read_text().replace(added, added + "  - ../with-api-keys\n"))
    (tree / "with-api-keys" / "keys").write_text(new_key("sre-bot")[1] + "\n" if text is None else text)
    return build(tree / overlay)


@pytest.mark.parametrize("overlay", ["pro", "local", "studio"])
def test_with_api_keys_nothing_is_wrong_and_no_flag_more_is_needed(tree, built, shared, overlay):
    objects = with_keys(tree, overlay)

    assert check(objects) == []
    assert flags(objects) == flags(built[overlay])
    assert len(of(objects, "Secret")) == 1


def test_the_handover_of_the_gpu_keeps_the_keys(tree):
    with_keys(tree, "studio")

    objects = build(tree / "studio-handover")

    assert check(objects) == []
    assert len(of(objects, "Secret")) == 1


def test_the_service_reads_the_keys_that_are_mounted(tree, tmp_path):
    """The Secret as a volume shows it: a file for each of its entries."""
    key, line = new_key("sre-bot")
    objects = with_keys(tree, text=f"# who may ask\n{line}\n")
    [secret] = of(objects, "Secret")
    [service] = [each for each in of(objects, "Service") if each["metadata"]["name"] == "agent-reasoning"]
    path = Path(environment(service, objects)["API_KEYS_FILE"])
    (tmp_path / path.name).write_bytes(base64.b64decode(secret["data"][path.name]))

    assert Settings(api_keys_file=tmp_path / path.name).keys().name_of(key) == "sre-bot"


def test_a_change_of_the_keys_makes_a_new_revision(tree):
    before = with_keys(tree)
    (tree / "with-api-keys" / "keys").write_text(new_key("planner")[1] + "\n")

    assert [each["spec"] for each in of(build(tree / "pro"), "Service")] != [
        each["spec"] for each in of(before, "Service")
    ]


def test_who_forgets_the_file_of_keys_is_told(tree):
    (tree / "with-api-keys" / "keys").unlink(missing_ok=True)
    overlay = tree / "pro" / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("  - ../images/cpu\n", "  - ../images/cpu\n  - ../with-api-keys\n"))

    with pytest.raises(BuildFailed, match="with-api-keys/keys"):
        build(tree / "pro")


@pytest.mark.parametrize(
    ("text", "words"), [("# nobody yet\n", "holds no key"), ("ar_secret\n", "line 1: expected name:")]
)
def test_a_file_of_keys_that_stops_the_start_is_refused_and_not_repeated(tree, text, words):
    found = check(with_keys(tree, text=text))

    assert any(words in finding for finding in found)
    assert "ar_secret" not in " ".join(found)


def test_a_mount_that_holds_another_file_is_refused(tree):
    objects = with_keys(tree)
    edit(objects, *MAIN, f"{CONTAINER}.env.0.value", "/etc/agent-reasoning/api-keys")

    assert any("in no Secret that is mounted" in finding for finding in check(objects))


def test_keys_that_gitops_would_prune_are_refused(tree):
    objects = with_keys(tree)
    [secret] = of(objects, "Secret")
    secret["metadata"]["annotations"].clear()

    assert any(finding.startswith(f"names: Secret/{secret['metadata']['name']}") for finding in check(objects))


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("EVENTS_NEED_KEY", "true", "broker sends no key"),
        ("FUNCTIONS_ENABLED", "true", "max-scale of 10"),
        ("RATE_LIMIT", "600/minute", None),  # by name of a key clients are told apart
    ],
)
def test_what_keys_allow_and_what_not(tree, variable, value, words):
    objects = with_keys(tree)
    for each in of(objects, "ConfigMap"):
        if "DEVICE" in each["data"]:
            each["data"][variable] = value

    found = check(objects)

    assert any(words in finding for finding in found) if words else found == []


def test_a_brokers_configuration_keeps_its_name_whatever_it_says(tree, built):
    """Eventing refuses a change of spec.config."""
    overlay = tree / "local" / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("kind: InMemoryChannel", "kind: KafkaChannel"))

    [broker], [before] = of(build(tree / "local"), "Broker"), of(built["local"], "Broker")
    assert broker["spec"] == before["spec"]


def test_faces_that_are_added_to_the_service_need_nothing_here(built, monkeypatch):
    more = {
        path: {"get": {}, "post": {}, "delete": {}} for path in ("/", "/v1/chat/completions", "/mcp", "/playground")
    }
    monkeypatch.setattr(app, "paths", lambda known=app.paths(): known | more)

    assert check(built["pro"]) == []


def test_what_is_deleted_by_label_is_all_that_was_applied_and_not_the_namespace(built, tree):
    text = (ROOT / "docs" / "operate.md").read_text()
    [kinds, label] = re.findall(r"kubectl -n ai-agents delete (\S+) -l (\S+)", text)[0]
    plurals = {"ksvc": "Service", "networkpolicies": "NetworkPolicy", "poddisruptionbudgets": "PodDisruptionBudget"}
    named = {plurals.get(kind, kind.removesuffix("s")).lower() for kind in kinds.split(",")}
    objects = [each for overlay in OVERLAYS for each in built[overlay]] + with_keys(tree)
    key, value = label.split("=")

    assert named == {each["kind"].lower() for each in objects} - {"namespace"}
    assert all(each["metadata"]["labels"][key] == value for each in objects)


def test_a_gpu_in_requests_only_is_refused(overlays):
    edit(overlays["studio"], *MAIN, f"{CONTAINER}.resources.limits.[nvidia.com/gpu]", GONE)

    assert any("numbers of GPUs" in finding for finding in check(overlays["studio"]))


def test_the_same_object_twice_is_refused(overlays):
    overlays["pro"].append(overlays["pro"][0])

    assert any("there are two" in finding for finding in check(overlays["pro"]))


def test_objects_of_no_shape_at_all_are_refused_and_not_a_crash(overlays):
    edit(overlays["pro"], *MAIN, "spec.template", [])

    assert check(overlays["pro"])


def test_without_knatives_names_kustomize_leaves_the_configmap_dangling(tree):
    """The trap that the check is for: this builds, and the pod would never start."""
    base = tree / "base" / "kustomization.yaml"
    base.write_text(base.read_text().replace("configurations:\n  - names.yaml\n", ""))

    assert any("names the ConfigMap 'agent-reasoning'" in finding for finding in check(build(tree / "pro")))


def test_a_strategic_patch_that_replaces_the_containers_is_refused(tree):
    """Kustomize knows no merge keys of Knative's lists: a patch with one field of a container drops the others."""
    (tree / "pro" / "patch.yaml").write_text(
        "{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: agent-reasoning, namespace: ai-agents},"
        " spec: {template: {spec: {containers: [{name: agent-reasoning, args: [serve]}]}}}}"
    )
    overlay = tree / "pro" / "kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("patches:\n", "patches:\n  - path: patch.yaml\n"))

    assert any("not pinned" in finding for finding in check(build(tree / "pro")))


def test_what_does_not_build_says_why(tree):
    (tree / "base" / "broker.yaml").unlink()

    with pytest.raises(BuildFailed, match=r"broker\.yaml"):
        build(tree / "pro")


def test_a_change_of_a_setting_makes_a_new_revision(tree, built):
    settings = tree / "base" / "settings.env"
    settings.write_text(settings.read_text().replace("LOG_LEVEL=info", "LOG_LEVEL=debug"))

    changed, before = build(tree / "pro"), built["pro"]
    assert check(changed) == []
    assert [each["spec"] for each in of(changed, "Service")] != [each["spec"] for each in of(before, "Service")]


def test_the_flags_that_are_off_by_default_and_needed_are_documented(built, shared):
    text = (ROOT / "docs" / "operate.md").read_text()

    assert flags(built["pro"]) == flags(built["local"]) == set()
    assert flags(built["studio"]) == {"kubernetes.podspec-nodeselector", "kubernetes.podspec-tolerations"}
    assert all(flag in text for flag in flags(built["studio"]))


def test_an_image_that_nobody_pushed_is_told_from_one_that_was(overlays):
    pushed = "registry.example.com/agent-reasoning@sha256:" + "a" * 64
    for name in ("agent-reasoning", "agent-reasoning-dead-letters"):
        edit(overlays["pro"], "Service", name, f"{CONTAINER}.image", pushed)

    assert unpublished(overlays["pro"]) == []
    assert unpublished(overlays["studio"])
