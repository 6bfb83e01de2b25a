"""Orders that Argo CD and Helm are told by annotations."""

import pytest

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.dependencies import read_dependencies
from agent_reasoning.tasks.rollout import Rollout
from agent_reasoning.tasks.services import read_services

WAVE, HOOK = "argocd.argoproj.io/sync-wave", "argocd.argoproj.io/hook"
HELM, WEIGHT = "helm.sh/hook", "helm.sh/hook-weight"


def thing(name, kind="Deployment", namespace=None, **more):
    annotations = {key: value for key, value in more.items() if key in (WAVE, HOOK, HELM, WEIGHT)}
    metadata = {"name": name, "annotations": annotations} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata} | {"spec": more.get("spec", {"replicas": 1})}


def waves(*documents):
    graph = read_dependencies({"documents": list(documents)})
    task = Rollout()
    heads = [0] * len(graph.names)
    for _ in graph.names:
        heads = [max((heads[need] + 1 for need in needs), default=0) for needs in graph.needs]
    found = [set() for _ in range(max(heads) + 1)]
    for name, head in zip(graph.names, heads, strict=True):
        found[head].add(name)
    assert task.matches({"documents": list(documents)})
    return found


def test_sync_waves_follow_each_other_and_what_has_none_is_in_wave_0():
    found = waves(
        thing("web", **{WAVE: "5"}), thing("api"), thing("crds", "CustomResourceDefinition", **{WAVE: "-10"}),
        thing("queue", **{WAVE: "0"}),
    )  # fmt: skip

    assert found == [{"crds"}, {"api", "queue"}, {"web"}]


def test_phases_come_before_waves():
    found = waves(
        thing("migrate", "Job", **{HOOK: "PreSync", WAVE: "7"}), thing("smoke", "Job", **{HOOK: "PostSync", WAVE: "-7"}),
        thing("early", **{WAVE: "-9"}), thing("api"),
    )  # fmt: skip

    assert found == [{"migrate"}, {"early"}, {"api"}, {"smoke"}]


def test_a_hook_of_two_phases_is_two_steps_and_one_for_failures_none():
    found = waves(
        thing("notify", "Job", **{HOOK: "PreSync, PostSync"}), thing("api"), thing("undo", "Job", **{HOOK: "SyncFail"})
    )

    assert found == [{"notify (PreSync)"}, {"api"}, {"notify (PostSync)"}]


def test_helm_hooks_by_weight():
    found = waves(
        thing("config", "ConfigMap"), thing("api"),
        thing("schema", "Job", **{HELM: "pre-install,pre-upgrade", WEIGHT: "-5"}),
        thing("seed", "Job", **{HELM: "pre-install", WEIGHT: "1"}),
        thing("warm", "Job", **{HELM: "post-install"}),
        thing("check", "Pod", **{HELM: "test"}),
    )  # fmt: skip

    assert found == [{"schema"}, {"seed"}, {"config", "api"}, {"warm"}]


def test_argos_own_annotations_win_over_helms():
    both = thing("a", "Job", **{HOOK: "PostSync", HELM: "pre-install", WAVE: "3", WEIGHT: "9"})

    assert waves(both, thing("b", "Job", **{HOOK: "PostSync"})) == [{"b"}, {"a"}]


def test_the_same_name_in_two_namespaces_or_of_two_kinds_is_two_steps():
    found = waves(
        thing("api", namespace="blue"), thing("api", namespace="green", **{WAVE: "1"}),
        thing("api", "Service", namespace="green"),
    )  # fmt: skip

    assert found == [{"blue/api", "Service/green/api"}, {"Deployment/green/api"}]


def test_what_flux_is_told_beside_counts_too():
    found = waves(
        thing("base", "Kustomization", **{WAVE: "0"}),
        thing("apps", "Kustomization", spec={"dependsOn": [{"name": "base"}]}),
        thing("late", "ConfigMap", **{WAVE: "1"}),
    )

    assert found == [{"base"}, {"apps"}, {"late"}]


def test_limits_go_with_manifests():
    graph = read_dependencies(
        {"items": [thing("a", **{WAVE: "1"}), thing("b")], "max_parallel": 1, "durations": {"a": 2}}
    )

    assert (graph.limits.at_once, graph.limits.durations) == (1, (1, 2))


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        ({WAVE: "first"}, r"sync-wave: 'first' is no whole number"),
        ({WAVE: "٣"}, "is no whole number"),
        ({WAVE: "1" * 400}, "is no whole number"),
        ({HOOK: "BeforeSync"}, "'BeforeSync' is no hook; there are PreSync, Sync, PostSync"),
        ({HELM: "pre-instal"}, "'pre-instal' is no hook; there are crd-install"),
        ({WAVE: 3}, "annotations"),
    ],
)
def test_annotations_that_mean_nothing_are_refused(annotations, words):
    with pytest.raises(InvalidContext, match=words):
        read_dependencies(thing("a", **annotations))


def test_only_hooks_that_never_run_in_a_rollout_are_no_steps():
    with pytest.raises(InvalidContext, match="There are no steps"):
        read_dependencies(thing("a", **{HOOK: "Skip"}))


def test_thousands_of_objects_in_two_waves_are_refused_before_they_are_multiplied():
    documents = [thing(f"a{number}", **{WAVE: str(number % 2)}) for number in range(5_000)]

    with pytest.raises(InvalidContext, match="There are 5000 objects; at most 128"):
        read_dependencies({"documents": documents})


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ([thing("a", **{WAVE: "1"}), {"kind": "Job", "metadata": {"annotations": {WAVE: "3"}}}], "needs a name"),
        ([thing("a", **{WAVE: "1"}), "junk"], "objects.1"),
        ([thing("a", **{WAVE: "1"}), {"kind": "Job", "metadata": None}], "objects.1.metadata"),
        ([{"kind": "Kustomization", "metadata": {"name": "a"}}, {"kind": "Kustomization"}], "objects.1.metadata"),
        ([{"kind": "Kustomization", "metadata": {}}], "needs a name"),
    ],
)
def test_nothing_is_silently_left_out(documents, words):
    with pytest.raises(InvalidContext, match=words):
        read_dependencies({"documents": documents})


def test_the_order_of_a_sync_is_no_need_of_a_service():
    with pytest.raises(InvalidContext, match="does not say which of them fails without which"):
        read_services({"documents": [thing("a"), thing("b", **{WAVE: "1"})]})


@pytest.mark.parametrize("other", [{"services": {"b": []}}, {"documents": []}, {"items": []}])
def test_steps_given_twice_are_refused(other):
    with pytest.raises(InvalidContext, match="given twice, as steps and as "):
        read_dependencies({"steps": {"a": []}} | other)


def test_objects_without_any_order_are_no_rollout():
    assert not Rollout().matches({"documents": [{"kind": "Deployment", "metadata": {"name": "a"}}]})
    assert not Rollout().matches({"documents": [{"kind": "Deployment", "metadata": {"annotations": None}}]})
