"""Clusters as kubectl prints them, and as manifests describe them."""

import pytest

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.shapes import looks_like_placement
from agent_reasoning.tasks.cluster import NOWHERE
from agent_reasoning.tasks.placement_input import read_cluster
from tests.tasks.cluster_objects import ORDERED, PRINTED, apart_from, controller, node, pod, requesting, required

GIB, MIB = 2**30, 2**20


def read(*items, **more):
    return read_cluster({"kind": "List", "items": list(items), **more})


def may_run_on(read):
    cluster = read.cluster
    return {
        name: [cluster.nodes[node] for node in nodes]
        for name, nodes in zip(cluster.workloads, cluster.allowed, strict=True)
    }


def demands(read):
    return dict(zip(read.cluster.workloads, read.cluster.demand, strict=True))


def test_what_kubectl_prints_is_read_as_kubernetes_means_it():
    found = read_cluster(PRINTED)

    assert found.cluster.nodes == ("control-1", "worker-1", "worker-2", "gpu-1")
    # Allocatable, less 100m and 64Mi of node-exporter and on control-1 the API server's 250m.
    assert found.cluster.capacity == (
        (3450, 7 * GIB - 64 * MIB, 0), (7700, 30 * GIB - 64 * MIB, 0), (7700, 30 * GIB - 64 * MIB, 0),
        (15700, 62 * GIB - 64 * MIB, 2000),
    )  # fmt: skip
    assert demands(found) == {
        "web-6d4b75cb6d-5wq2x": (2100, 640 * MIB, 0),  # migrating, beside the sidecar; or running, beside it
        "web-6d4b75cb6d-m8k4d": (2100, 640 * MIB, 0),
        "postgres-0": (2000, 8 * GIB, 0),  # its limits, as it requests nothing
        "cache-7f9c6d5b8-zx2lp": (260, 1040 * MIB, 0),  # with the overhead
        "llm-5c8d7f6b9-q4r7s": (4000, 24 * GIB, 1000),
        "embed-66b7d4c5f-hj8nv": (1000, 2 * GIB, 0),
        "debug": (0, 0, 0),
        "shop/cache": (50, 32 * MIB, 0),
        "ops/cache": (50, 32 * MIB, 0),
    }
    assert may_run_on(found) == {
        "web-6d4b75cb6d-5wq2x": ["worker-1"],
        "web-6d4b75cb6d-m8k4d": ["worker-1", "worker-2"],  # worker-2 is cordoned: it may stay there
        "postgres-0": ["worker-1"],
        "cache-7f9c6d5b8-zx2lp": ["worker-1", "worker-2"],
        "llm-5c8d7f6b9-q4r7s": ["worker-1", "gpu-1"],
        "embed-66b7d4c5f-hj8nv": ["worker-1"],
        "debug": ["worker-1"],
        "shop/cache": ["worker-1"],
        "ops/cache": ["worker-1"],
    }
    assert found.cluster.current == (1, 2, 1, 2, 3, NOWHERE, 1, 1, 1)
    assert found.cluster.apart == ((0, 1),)


def test_what_was_left_out_or_not_modelled_is_said_once_each():
    found = read_cluster(PRINTED)

    assert found.remarks == (
        "2 pods: ended (Succeeded or Failed) and left out.",
        "4 pods: of DaemonSets, which take their share of their nodes and stay.",
        "1 pod: static, which take their share of their nodes and stay.",
        "These are on no node yet: embed-66b7d4c5f-hj8nv.",
        "These ask for nothing, so that any node has room for them: debug.",
        "These have no controller that would start them elsewhere: debug.",
        "Only cpu, memory and GPUs are looked at, not how many pods a node may hold.",
    )
    assert found.not_understood == (
        "volumes (persistentVolumeClaim), of postgres-0",
        "topologySpreadConstraints, of llm-5c8d7f6b9-q4r7s",
        "preferred affinity, of embed-66b7d4c5f-hj8nv",
    )


@pytest.mark.parametrize(
    ("spec", "wants"),
    [
        ({"containers": [requesting(cpu="1", memory="1Gi"), requesting(cpu="500m")]}, (1500, GIB, 0)),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}}]}, (2000, GIB, 0)),
        ({"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}]}, (1000, 0, 0)),
        ({"containers": [requesting(cpu="1")], "initContainers": [requesting(cpu="3"), requesting(cpu="2")]}, (3000, 0, 0)),
        # A sidecar counts for the init containers after it, and not for those before.
        ({"containers": [requesting(cpu="1")],
          "initContainers": [requesting(cpu="3"), {"restartPolicy": "Always", **requesting(cpu="1")}]}, (3000, 0, 0)),
        ({"containers": [requesting(cpu="1")],
          "initContainers": [{"restartPolicy": "Always", **requesting(cpu="1")}, requesting(cpu="3")]}, (4000, 0, 0)),
        ({"containers": [requesting(cpu="3")],
          "initContainers": [{"restartPolicy": "Always", **requesting(cpu="1")}, requesting(cpu="1")]}, (4000, 0, 0)),
        ({"containers": [requesting(cpu="1")], "overhead": {"cpu": "10m", "memory": "1Mi"}}, (1010, MIB, 0)),
        ({"containers": [requesting(cpu="1", memory="1Gi")], "resources": {"requests": {"cpu": "4"}}}, (4000, GIB, 0)),
        ({"containers": [{}], "resources": {"limits": {"cpu": "2"}}}, (2000, 0, 0)),
        ({"containers": [{"resources": {"limits": {"nvidia.com/gpu": 2}}}]}, (0, 0, 2000)),
        ({"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1, "amd.com/gpu": "1"}}}]}, (0, 0, 2000)),
        ({"containers": [{"resources": {}}, {}]}, (0, 0, 0)),
    ],
)  # fmt: skip
def test_a_pod_asks_for_what_the_scheduler_counts(spec, wants):
    assert demands(read(pod("p", **spec), nodes=1)) == {"p": wants}


@pytest.mark.parametrize(
    ("affinity", "where"),
    [
        (required({"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}]}), ["a", "c"]),
        (required({"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["ssd"]}]}), ["b", "c", "d"]),
        (required({"matchExpressions": [{"key": "disk", "operator": "Exists"}]}), ["a", "b", "c"]),
        (required({"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]}), ["d"]),
        (required({"matchExpressions": [{"key": "age", "operator": "Gt", "values": ["9"]}]}), ["b"]),
        (required({"matchExpressions": [{"key": "age", "operator": "Lt", "values": ["10"]}]}), ["a"]),
        (required({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["d"]}]}), ["d"]),
        (required({"matchExpressions": [{"key": "age", "operator": "Exists"}],
                   "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["a"]}]}), ["b", "c"]),
        (required({"matchExpressions": [{"key": "disk", "operator": "In", "values": ["hdd"]}]},
                  {"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]}, {}), ["b", "d"]),
        ({"nodeAffinity": {}}, ["a", "b", "c", "d"]),
    ],
)  # fmt: skip
def test_required_node_affinity_chooses_nodes(affinity, where):
    nodes = [
        node("a", labels={"disk": "ssd", "age": "9"}), node("b", labels={"disk": "hdd", "age": "10"}),
        node("c", labels={"disk": "nvme", "age": "old"}), node("d"),
    ]  # fmt: skip

    assert may_run_on(read(*nodes, pod("p", affinity=affinity))) == {"p": where}


def test_an_affinity_that_matches_nothing_is_named():
    nothing = required({"matchExpressions": [{"key": "disk", "operator": "In", "values": ["tape"]}]})

    with pytest.raises(
        InvalidContext, match=r"p may run nowhere: no node matches its required node affinity \(disk=tape\)"
    ):
        read(node("a"), pod("p", affinity=nothing))


def test_nothing_comes_to_a_node_that_is_not_ready_and_what_is_there_goes_after_its_time():
    nodes = node("a"), node("b", ready="Unknown")
    lasting = [{"operator": "Exists"}]

    found = read(*nodes, pod("new"), pod("there", "b"), pod("lasting", "b", tolerations=lasting))

    assert may_run_on(found) == {"new": ["a"], "there": ["a"], "lasting": ["a", "b"]}


def test_what_stays_takes_its_share_and_is_no_workload():
    found = read(
        node("a"), node("b", cpu="1"),
        pod("of-daemonset", "a", "DaemonSet"), pod("static", "b", "Node"),
        pod("mirror", "a", None, metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}),
        pod("going", "b", metadata={"deletionTimestamp": "2026-08-30T08:00:00Z"}),
        pod("daemon-without-node", None, "DaemonSet"), pod("moves", "a"),
    )  # fmt: skip

    assert found.cluster.capacity == ((2000, 8 * GIB, 0), (0, 8 * GIB, 0))
    assert found.cluster.workloads == ("moves",)
    assert "What stays on b asks for more than there is: nothing is left there." in found.remarks


def test_a_daemonset_without_pods_takes_its_share_of_every_node_that_it_chooses():
    nodes = (
        node("a"),
        node("b", labels={"gpu": "no"}, unschedulable=True),
        node("c", taints=[{"key": "k", "effect": "NoSchedule"}]),
    )

    everywhere = read(*nodes, controller("DaemonSet", "d"), pods=[])
    somewhere = read(*nodes, controller("DaemonSet", "d", nodeSelector={"gpu": "no"}), pods=[])

    assert [has[0] for has in everywhere.cluster.capacity] == [3000, 3000, 4000]
    assert [has[0] for has in somewhere.cluster.capacity] == [4000, 3000, 4000]


def test_manifests_are_as_many_workloads_as_they_have_replicas():
    found = read_cluster({
        "nodes": 3,
        "documents": [
            controller("Deployment", "web", 2), None, controller("StatefulSet", "db", None), controller("ReplicaSet", "old", 0),
            {"kind": "Service", "metadata": {"name": "web"}}, {"kind": "Job", "metadata": {"name": "seed"}},
        ],
    })  # fmt: skip

    assert found.cluster.workloads == ("web-1", "web-2", "db")
    assert "1 of kind Job: left out, as only their pods run." in found.remarks


def test_of_a_deployment_its_replica_set_and_their_pods_the_pods_count():
    owned = {"ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d8f", "controller": True}]}
    replicas = controller("ReplicaSet", "web-5d8f")
    replicas["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
    pods = [pod(f"web-5d8f-{n}", "a", labels={"pod-template-hash": "5d8f"}, metadata=owned) for n in "xy"]

    assert read(node("a"), controller("Deployment", "web"), replicas).cluster.workloads == ("web-1", "web-2")
    assert read(node("a"), controller("Deployment", "web"), replicas, *pods).cluster.workloads == (
        "web-5d8f-x",
        "web-5d8f-y",
    )
    assert read(node("a"), controller("Deployment", "web"), *pods).cluster.workloads == ("web-5d8f-x", "web-5d8f-y")


def test_deployments_of_one_name_in_two_namespaces_are_told_apart():
    found = read(node("a"), controller("Deployment", "web", 1), controller("Deployment", "web", 2, namespace="ops"))

    assert found.cluster.workloads == ("shop/web", "ops/web-1", "ops/web-2")


def test_pods_alone_run_on_nodes_that_nobody_describes():
    found = read(pod("p", "a"), pod("q", "b"), pod("r"))

    assert found.cluster.nodes == ("a", "b")
    assert found.cluster.capacity == ((3000, 0, 0),) * 2
    assert "send `kubectl get nodes,pods -A -o json`" in found.remarks[-2]
    assert read(pod("p", "a"), nodes=3).cluster.nodes == ("a", "node-1", "node-2")
    with pytest.raises(InvalidContext, match="There are no nodes"):
        read(pod("p"))


def test_lists_may_stand_beside_the_own_form():
    as_api = {"kind": "PodList", "items": [{key: value for key, value in pod("p", "a").items() if key != "kind"}]}
    new = {"name": "new", "cpu": 2, "node_selector": {"disk": "ssd"}}

    found = read_cluster(
        {"nodes": {"items": [node("a"), node("b", labels={"disk": "ssd"})]}, "pods": as_api, "workloads": [new]}
    )
    own_nodes = read_cluster({"nodes": [{"name": "a", "cpu": 8}], "pods": [pod("p", "a")], "drain": []})

    assert may_run_on(found) == {"p": ["a", "b"], "new": ["b"]}
    assert own_nodes.cluster.capacity[0][0] == 8000
    assert read_cluster({"nodes": 2, "pods": {"kind": "List", "items": []}}).cluster.workloads == ()


def test_a_deployment_that_keeps_its_pods_apart_is_a_group():
    web = {"labels": {"app": "web"}, "affinity": apart_from("app", "web")}
    found = read(node("a"), node("b"), controller("Deployment", "web", 2, **web), controller("Deployment", "api", 2))

    assert found.cluster.apart == ((0, 1),)
    assert found.not_understood == ()


def test_who_keeps_away_from_others_is_paired_with_each_and_with_what_stays():
    found = read(
        node("a"), node("b"), node("c"),
        pod("web", labels={"app": "web"}, affinity=apart_from("app", "db")), pod("db-0", labels={"app": "db"}),
        pod("db-1", labels={"app": "db"}), pod("elsewhere", labels={"app": "db"}, namespace="ops"),
        pod("db-daemon", "c", "DaemonSet", labels={"app": "db"}),
    )  # fmt: skip

    assert found.cluster.apart == ((0, 1), (0, 2))
    assert may_run_on(found)["web"] == ["a", "b"]


def test_anti_affinity_reaches_the_namespaces_it_names():
    def groups(**more):
        web = [pod(f"web-{namespace}", labels={"app": "web"}, namespace=namespace, affinity=apart_from("app", "web", **more))
               for namespace in ("shop", "ops")]  # fmt: skip
        return read(node("a"), node("b"), *web).cluster.apart

    assert groups() == ()
    assert groups(namespaces=["shop", "ops"]) == ((0, 1),)
    assert groups(namespaceSelector={}) == ((0, 1),)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"affinity": apart_from("app", "web", topologyKey="zone")}, "anti-affinity between pods by zone"),
        (
            {"affinity": apart_from("a", "b", namespaceSelector={"matchLabels": {"team": "x"}})},
            "of selected namespaces",
        ),
        ({"affinity": {"podAffinity": apart_from("app", "web")["podAntiAffinity"]}}, "required affinity between pods"),
        ({"volumes": [{"name": "d", "hostPath": {"path": "/d"}}]}, "volumes (hostPath)"),
        ({"volumes": [{"name": "d", "ephemeral": {"volumeClaimTemplate": {}}}]}, "volumes (ephemeral)"),
        ({"containers": [{"ports": [{"containerPort": 80, "hostPort": 80}]}]}, "host ports"),
        ({"runtimeClassName": "gvisor"}, "runtimeClassName"),
        ({"schedulerName": "volcano"}, "another scheduler"),
        ({"resourceClaims": [{"name": "gpu"}]}, "resourceClaims"),
        ({"tolerations": [{"key": "k", "operator": "Gt", "value": "3"}]}, "other operators of tolerations"),
    ],
)
def test_what_is_not_modelled_is_not_dropped(spec, said):
    found = read(node("a"), pod("p", **spec), pod("q", **spec))

    assert [f"{one}" for one in found.not_understood if said in one and one.endswith(", of p, q")] == list(
        found.not_understood
    )
    assert len(found.not_understood) == 1


def test_budgets_other_resources_and_mixed_gpus_are_said():
    mixed = node("a"), node("b")
    mixed[0]["status"]["allocatable"]["nvidia.com/gpu"] = "1"
    mixed[1]["status"]["allocatable"]["amd.com/gpu"] = "1"
    budget = {"kind": "PodDisruptionBudget", "metadata": {"name": "web"}}

    found = read(*mixed, budget, pod("p", containers=[requesting(**{"ephemeral-storage": "1Gi", "cpu": 1})]))

    assert found.not_understood == (
        "Which GPU is whose: amd.com/gpu, nvidia.com/gpu are counted as one.",
        "PodDisruptionBudgets: 1",
    )
    assert "Only cpu, memory and GPUs are looked at, not ephemeral-storage." in found.remarks


def test_who_asks_for_what_is_not_counted_runs_where_there_is_some():
    nodes = [node(name) for name in "abc"]
    nodes[0]["status"]["allocatable"] |= {"example.com/fpga": "2", "hugepages-2Mi": "0"}
    nodes[1]["status"]["allocatable"] |= {"example.com/fpga": "0", "hugepages-2Mi": "64Mi"}
    own = {"name": "own", "cpu": 4}
    asking = {name: requesting(cpu="1", **{resource: "1"}) for name, resource in
              (("f", "example.com/fpga"), ("h", "hugepages-2Mi"), ("e", "ephemeral-storage"))}  # fmt: skip

    found = read(*nodes, *(pod(name, containers=[one]) for name, one in asking.items()), nodes=[own])

    where = {
        name: [found.cluster.nodes[node] for node in allowed]
        for name, allowed in zip(found.cluster.workloads, found.cluster.allowed, strict=True)
    }
    assert where == {"f": ["a", "own"], "h": ["b", "own"], "e": ["a", "b", "c", "own"]}
    assert (
        "Of example.com/fpga, hugepages-2Mi it is looked at only whether a node has any, not how much." in found.remarks
    )
    assert "Only cpu, memory and GPUs are looked at, not ephemeral-storage." in found.remarks


def test_who_asks_for_what_only_a_closed_node_has_is_told_so():
    nodes = [node("a", unschedulable=True), node("b")]
    nodes[0]["status"]["allocatable"]["example.com/fpga"] = "2"
    items = [*nodes, pod("p", containers=[requesting(**{"example.com/fpga": "1"})])]

    with pytest.raises(InvalidContext, match="p may run nowhere: a is cordoned; there is no example.com/fpga on b"):
        read(*items)


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([node("a"), pod("p", containers=[requesting(memory="-1Gi")])], "p: memory: a quantity is a number that is not negative"),
        ([node("a", memory="1e999999"), pod("p")], "Node a: memory: '1e999999' of memory is too much"),
        ([node("a"), pod("p", containers=[requesting(memory="512Ti")] * 2)], "p: 1024Ti of memory is too much"),
        ([node("a"), pod("p", "gone")], "Running on what is not among the nodes: p on gone."),
        ([node("a"), node("a"), pod("p")], "Nodes named more than once: a."),
        ([node("a"), pod("p"), pod("p")], "Workloads named more than once: shop/p."),
        ([node("a"), pod("p", containers=[requesting(cpu="5")])], "p fits on no node: it asks for 5 of cpu, and the largest"),
        ([node("a"), pod("d", "a", "DaemonSet"), pod("p", containers=[requesting(cpu="4")])], "beside what stays there"),
        ([node("a"), pod("p", nodeSelector={"disk": 3})], "The spec of p breaks its schema: nodeSelector.disk"),
        ([node("a"), {"kind": "Pod", "metadata": {}, "spec": {}}], "an object whose metadata has no name"),
        ([node("a"), {"kind": "Pod", "metadata": {"name": "p"}}], "The Pod p breaks its schema: spec: Field required"),
        ([node("a"), controller("Deployment", "web", 10_001)], "With the replicas of web there are more than 10000 workloads"),
        ([node("a", taints=[{"key": "k", "effect": "Never"}]), pod("p")], "a taint's effect is NoSchedule"),
        ([node(f"n{n}") for n in range(2_001)] + [pod("p")], "There are 2001 nodes; at most 2000 are allowed."),
        ([node("a")], "There is nothing to place"),
        ([node("a"), pod("p", affinity=required({"matchFields": [{"key": "x", "operator": "In"}]}))], "matchFields can name"),
        ([node("a"), pod("p", affinity=required({"matchExpressions": [{"key": "x", "operator": "Is"}]}))], "In, NotIn, Exists"),
    ],
)  # fmt: skip
def test_what_is_wrong_names_the_object(items, said):
    with pytest.raises(InvalidContext) as refused:
        read(*items)

    assert said in str(refused.value)


def test_thousands_of_ended_pods_are_only_counted():
    ended = {**pod("done"), "status": {"phase": "Succeeded"}}

    assert "40000 pods: ended" in read(node("a"), pod("p", "a"), *[ended] * 40_000).remarks[0]


def test_pods_of_many_deployments_on_many_nodes_are_read():
    nodes = [node(f"n{n}", cpu="64", labels={"zone": f"{n % 3}"}) for n in range(500)]
    pods = [
        pod(f"app{n // 8}-{n}", f"n{n % 500}", labels={"app": f"app{n // 8}"}, affinity=apart_from("app", f"app{n // 8}"),
            nodeSelector={"zone": f"{n % 500 % 3}"})
        for n in range(2_000)
    ]  # fmt: skip

    found = read(*nodes, *pods)

    assert len(found.cluster.apart) == 250
    assert {len(nodes) for nodes in found.cluster.allowed} == {166, 167}


FLUX = {"kind": "Kustomization", "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "metadata": {"name": "a"}, "spec": {}}


@pytest.mark.parametrize(
    ("context", "claimed"),
    [
        (PRINTED, True),
        (node("a"), True),
        (pod("p", "a"), True),
        ({"kind": "PodList", "items": [{"metadata": {"name": "p"}, "spec": {}}]}, True),
        ({"documents": [controller("Deployment", "web")], "nodes": 3}, True),
        ({"documents": [ORDERED], "nodes": 3}, True),
        (controller("StatefulSet", "db"), True),
        ({"documents": [ORDERED]}, False),
        ({"kind": "List", "items": [FLUX]}, False),
        ({"kind": "List", "items": []}, False),
        ({"items": [{"kind": "Service", "metadata": {"name": "web"}}]}, False),
        ({"services": {"web": {}}, "items": [node("a")]}, False),
    ],
)
def test_the_shape_is_known_by_its_kinds(context, claimed):
    assert looks_like_placement(context) is claimed
