"""How a deployment goes, on a small model of what Knative and the scheduler do.

The model knows what matters here: each revision has its own pods; a new revision starts beside the old one; requests move
when the new one is ready; a revision that no request reaches is scaled to nothing, whatever its minimum; a pod that asks
for a GPU that another has waits; the SinkBinding sets its variables in a service that it finds, which makes a revision, and
in one that is applied later on the way in. It is no cluster: what it leaves out, it does not test.
"""

import json
from pathlib import Path

import pytest

from tools.contract import DEAD_LETTERS, SERVICE
from tools.deploy import Stuck, apply, deploy
from tools.manifests.build import build
from tools.manifests.objects import services
from tools.release import record

PUSHED = "registry.example.com/agent-reasoning@sha256:"


class Cluster:
    """Answers kubectl. Time passes when somebody waits."""

    def __init__(self, gpus=1):
        self.gpus = gpus
        self.revisions = []  # dictionaries: name, gpu, image, sink, pod: None, "pending", "ready" or "ending"
        self.serving = None
        self.spec = None
        self.binding_ready_in = 3  # moments: the broker needs an address first
        self.served = []  # which revision answered, at each moment
        self.traffic = []  # spec.traffic, which somebody has set by hand
        self.sink_ready = self.trigger_ready = True
        self.applied = []
        self.operator = True  # Prometheus'

    def kubectl(self, *arguments):
        if arguments[0] == "apply":
            self.applied.append(Path(arguments[2]))
            objects = build(Path(arguments[2]))
            if not self.operator and [each for each in objects if "monitoring.coreos.com" in each["apiVersion"]]:
                raise Stuck('no matches for kind "PodMonitor" in version "monitoring.coreos.com/v1"')
            [main] = [each for each in services(objects) if each["metadata"]["name"] == SERVICE]
            if main["spec"] != self.spec:
                self.spec = main["spec"]
                self.revise()
            return ""
        if "sinkbindings" in arguments[1]:
            return self.answer(self.binding_ready_in == 0, "BrokerUnknown", 1)
        if arguments[1] == "pods":
            pods = [each for each in self.revisions if each["pod"]]
            label = "serving.knative.dev/revision"
            items = [{"metadata": {"name": f"{each['name']}-0", "labels": {label: each["name"]}}} for each in pods]
            return json.dumps({"items": items})
        if "triggers" in arguments[1]:
            return self.answer(self.trigger_ready, "SubscriberResolutionFailed", 1)
        if arguments[2] == DEAD_LETTERS:
            return self.answer(self.sink_ready, "ContainerMissing", 1)
        if not self.revisions:
            return ""
        newest = self.revisions[-1]
        given = [{"revisionName": newest["name"], "percent": 100}]
        return self.answer(
            self.serving is newest,
            "RevisionMissing",
            len(self.revisions),
            traffic=[each | {"revisionName": each.get("revisionName", newest["name"])} for each in self.traffic]
            or given,
            latestCreatedRevisionName=newest["name"],
            latestReadyRevisionName=self.serving and self.serving["name"],
        )

    def answer(self, ready, reason, generation, **status):
        condition = {"type": "Ready", "status": str(ready), "reason": reason, "message": "no node"}
        status |= {"observedGeneration": generation, "conditions": [condition]}
        spec = {"traffic": self.traffic or [{"latestRevision": True, "percent": 100}]}
        return json.dumps({"metadata": {"generation": generation}, "spec": spec, "status": status})

    def revise(self):
        container = self.spec["template"]["spec"]["containers"][0]
        self.revisions.append(
            {
                "name": f"{SERVICE}-{len(self.revisions) + 1:05}",
                "gpu": "nvidia.com/gpu" in container["resources"]["limits"],
                "image": container["image"],
                "sink": self.binding_ready_in == 0,
                "pod": "pending",
            }
        )

    def pause(self, seconds):
        for each in self.revisions:
            if each["pod"] == "ending":
                each["pod"] = None
        for each in self.revisions:
            busy = sum(other["gpu"] and other["pod"] in ("ready", "ending") for other in self.revisions)
            if each["pod"] == "pending" and (not each["gpu"] or busy < self.gpus):
                each["pod"] = "ready"
        newest = self.revisions[-1]
        if newest["pod"] == "ready":
            self.serving = newest
        for each in self.revisions:
            if each["pod"] == "ready" and each is not self.serving and each is not newest:
                each["pod"] = "ending"
        self.binding_ready_in = max(0, self.binding_ready_in - 1)
        if self.binding_ready_in == 0 and not newest["sink"]:
            self.revise()
        self.served.append(self.serving and self.serving["pod"] == "ready" and self.serving["name"])


@pytest.fixture
def release(tree):
    """Puts another image into the overlays."""

    def publish(letter):
        for variant in ("cpu", "cuda"):
            record(variant, PUSHED + letter * 64, tree)

    return publish


def test_applied_alone_the_first_revision_keeps_the_gpu_from_the_one_with_a_sink(tree, release):
    cluster = Cluster()
    release("a")

    with pytest.raises(Stuck, match="no node"):
        apply("studio", cluster.kubectl, cluster.pause, tree)

    assert not cluster.serving["sink"]


def test_applied_alone_a_new_revision_never_gets_the_one_gpu(tree, release):
    cluster = Cluster()
    release("a")
    deploy("studio", cluster.kubectl, cluster.pause, tree)
    release("b")

    with pytest.raises(Stuck, match="no node"):
        apply("studio", cluster.kubectl, cluster.pause, tree)


def test_the_first_deployment_ends_on_the_gpu_with_a_sink(tree, release):
    cluster = Cluster()
    release("a")

    deploy("studio", cluster.kubectl, cluster.pause, tree)

    assert cluster.serving["gpu"]
    assert cluster.serving["sink"]


def test_the_handover_brings_the_new_revision_to_the_gpu_and_somebody_always_answers(tree, release):
    cluster = Cluster()
    release("a")
    deploy("studio", cluster.kubectl, cluster.pause, tree)
    cluster.served.clear()
    release("b")

    deploy("studio", cluster.kubectl, cluster.pause, tree)

    assert cluster.serving["gpu"]
    assert cluster.serving["image"] == PUSHED + "b" * 64
    assert all(cluster.served)
    assert [each["pod"] for each in cluster.revisions if each["gpu"]][:-1] == [None]


def test_other_overlays_are_applied_at_once(tree, release):
    cluster = Cluster(gpus=0)
    for letter in "ab":
        release(letter)
        deploy("pro", cluster.kubectl, cluster.pause, tree)

    assert cluster.serving["image"] == PUSHED + "b" * 64
    assert cluster.serving["sink"]


OLD = {"revisionName": f"{SERVICE}-00001", "percent": 100}


def test_a_revision_that_is_ready_and_gets_no_requests_is_no_success(tree, release):
    cluster = Cluster(gpus=0)
    release("a")
    deploy("pro", cluster.kubectl, cluster.pause, tree)
    cluster.traffic = [OLD]
    release("b")

    with pytest.raises(
        Stuck, match=rf"gets no requests: requests are split by hand \({SERVICE}-00001 100 %\).*spec/traffic"
    ):
        deploy("pro", cluster.kubectl, cluster.pause, tree)


def test_a_revision_that_gets_some_of_the_requests_is_one_and_it_is_said(tree, release, capsys):
    cluster = Cluster(gpus=0)
    release("a")
    deploy("pro", cluster.kubectl, cluster.pause, tree)
    cluster.traffic = [OLD | {"percent": 90}, {"latestRevision": True, "percent": 10}]
    release("b")

    deploy("pro", cluster.kubectl, cluster.pause, tree)

    assert "gets 10 % of the requests" in capsys.readouterr().err


def test_one_gpu_is_not_handed_over_while_requests_are_split(tree, release):
    cluster = Cluster()
    release("a")
    deploy("studio", cluster.kubectl, cluster.pause, tree)
    cluster.traffic = [OLD]
    cluster.applied.clear()

    with pytest.raises(Stuck, match="with one GPU the old revision must end"):
        deploy("studio", cluster.kubectl, cluster.pause, tree)

    assert cluster.applied == []


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("sink_ready", r"the dead-letter sink is not ready\. ContainerMissing"),
        ("trigger_ready", r"the Trigger is not ready\. SubscriberResolutionFailed"),
    ],
)
def test_it_is_not_over_before_events_reach_the_service_and_dead_letters_a_place(tree, release, what, words):
    cluster = Cluster(gpus=0)
    setattr(cluster, what, False)
    release("a")

    with pytest.raises(Stuck, match=words):
        deploy("pro", cluster.kubectl, cluster.pause, tree)


def test_a_cluster_without_prometheus_operator_is_told_how_and_takes_it_so(tree, release):
    cluster = Cluster()
    cluster.operator = False
    release("a")

    with pytest.raises(Stuck, match="PROMETHEUS=no"):
        deploy("studio", cluster.kubectl, cluster.pause, tree)
    deploy("studio", cluster.kubectl, cluster.pause, tree, prometheus=False)

    assert cluster.serving["gpu"]
    assert cluster.serving["sink"]


def test_what_never_becomes_ready_is_said_with_the_clusters_own_reason(tree, release):
    cluster = Cluster(gpus=0)
    release("a")

    with pytest.raises(Stuck, match=r"studio is not ready\. RevisionMissing: no node"):
        deploy("studio", cluster.kubectl, cluster.pause, tree)


@pytest.mark.parametrize("reference", ["agent-reasoning:latest", "a/b:1@sha256:" + "1" * 64, "a/b@sha256:" + "0" * 64])
def test_only_an_image_by_digest_is_written_down(tree, reference):
    with pytest.raises(ValueError, match="by its digest"):
        record("cpu", reference, tree)
