"""The placement task's own form."""

import json

import pytest

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.shapes import looks_like_placement
from agent_reasoning.tasks.cluster import NOWHERE
from agent_reasoning.tasks.placement import Placement
from agent_reasoning.tasks.placement_context import PlacementContext
from agent_reasoning.tasks.placement_input import read_cluster

GIB = 2**30
NODES = [
    {"name": "a", "cpu": 4, "memory": "8Gi", "labels": {"disk": "ssd"}},
    {"name": "b", "cpu": "3500m", "memory": "8Gi", "gpu": 2, "taints": ["gpu=yes:NoSchedule"]},
    {"name": "c", "cpu": 2, "memory": "4Gi", "cordoned": True},
]


def cluster(*workloads, nodes=NODES, question="", **more):
    return read_cluster({"nodes": nodes, "workloads": list(workloads), **more}, question).cluster


def may_run_on(cluster):
    return {
        name: "".join(cluster.nodes[node] for node in nodes)
        for name, nodes in zip(cluster.workloads, cluster.allowed, strict=True)
    }


def refusal(context):
    with pytest.raises(InvalidContext) as refused:
        read_cluster(context)
    assert len(str(refused.value)) < 1000
    return str(refused.value)


@pytest.mark.parametrize("field", ["nodes", "current_nodes"])
def test_a_count_of_nodes_and_nothing_to_place_is_valid(field):
    read = read_cluster({field: 10, "workloads": []})

    assert read.cluster.nodes == tuple(f"node-{number}" for number in range(1, 11))
    assert (read.cluster.workloads, read.cluster.objective) == ((), "consolidate")
    assert read.remarks == read.not_understood == ()


def test_amounts_are_millicores_bytes_and_thousandths():
    found = cluster({"name": "w", "cpu": "0.1", "memory": 1.5e9, "gpu": 0.25, "tolerations": [{"key": "gpu"}]})

    assert found.resources == ("cpu", "memory", "gpu")
    assert found.capacity == ((4000, 8 * GIB, 0), (3500, 8 * GIB, 2000), (2000, 4 * GIB, 0))
    assert found.demand == ((100, 1_500_000_000, 250),)


def test_nodes_that_are_only_counted_have_enough_for_everything_and_that_is_said():
    read = read_cluster({"nodes": 2, "workloads": [{"name": "w", "cpu": 2, "replicas": 3}, {"name": "v", "gpu": 1}]})

    assert read.cluster.capacity == ((6000, 0, 1000),) * 2
    assert [remark.split(" all nodes")[0] for remark in read.remarks] == ["How much cpu", "How much gpu"]


def test_a_node_that_states_its_cpu_has_no_gpus_it_does_not_state():
    read = read_cluster(
        {"nodes": [{"name": "a", "cpu": 4}, {"name": "b"}], "workloads": [{"name": "w", "gpu": 1, "memory": 7}]}
    )

    assert read.cluster.capacity == ((4000, 7, 0), (0, 7, 1000))
    assert any("memory all nodes have is not stated" in remark for remark in read.remarks)
    assert any("gpu b have is not stated" in remark for remark in read.remarks)


def test_replicas_are_workloads_of_their_own():
    found = cluster(
        {"name": "web", "replicas": 3, "node": ["a", "c"]}, {"name": "db", "node": "a"}, {"name": "none", "replicas": 0}
    )

    assert found.workloads == ("web-1", "web-2", "web-3", "db")
    assert found.current == (0, 2, NOWHERE, 0)


def test_selectors_taints_and_cordons_say_where_a_workload_may_run():
    found = cluster(
        {"name": "any"},
        {"name": "picky", "node_selector": {"disk": "ssd"}},
        {"name": "gpu", "tolerations": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]},
        {"name": "lenient", "tolerations": [{}]},
        {"name": "wrong", "tolerations": [{"key": "gpu", "value": "no"}]},
        {"name": "there", "node": "c"},
        {"name": "old", "node": "b"},
        {"name": "named", "node_selector": {"kubernetes.io/hostname": "a"}},
    )

    assert may_run_on(found) == {
        "any": "a", "picky": "a", "gpu": "ab", "lenient": "ab", "wrong": "a", "there": "ac", "old": "ab", "named": "a",
    }  # fmt: skip


def test_no_execute_drives_out_what_no_schedule_lets_stay():
    nodes = [{"name": "a"}, {"name": "b", "taints": [{"key": "k", "effect": "NoExecute"}]}]

    assert may_run_on(cluster({"name": "w", "node": "b"}, nodes=nodes)) == {"w": "a"}


def test_what_prefers_not_to_be_scheduled_may_be():
    assert may_run_on(cluster({"name": "w"}, nodes=[{"name": "a", "taints": ["k:PreferNoSchedule"]}])) == {"w": "a"}


def test_a_drain_leaves_nothing_on_its_nodes_and_is_done_with_the_fewest_moves():
    found = cluster({"name": "w", "node": "b", "cpu": 1}, drain=["b"])

    assert (may_run_on(found), found.current, found.objective) == ({"w": "a"}, (1,), "fewest_moves")


@pytest.mark.parametrize(
    ("own", "asked", "drain", "objective"),
    [
        (None, "", [], "consolidate"), (None, "spread", [], "spread"), ("consolidate", "spread", [], "consolidate"),
        (None, "", ["b"], "fewest_moves"), (None, "spread", ["b"], "spread"),
    ],
)  # fmt: skip
def test_the_contexts_objective_comes_before_the_questions(own, asked, drain, objective):
    context = {"nodes": NODES, "workloads": [], "drain": drain} | ({"objective": own} if own else {})

    assert read_cluster(context, asked).cluster.objective == objective


@pytest.mark.parametrize(
    ("question", "drained"),
    [
        ("Drain node b for maintenance.", ["b"]),
        ("drain w-1, gpu.example.com and b", ["w-1", "b", "gpu.example.com"]),
        ("Cordon a node.", None),
        ("Drain everything but w-1.", None),
        ("Which nodes can I drain, w-1?", []),
        ("Spread w-1 evenly.", []),
    ],
)
def test_a_question_that_drains_nodes_by_name_is_taken_at_its_word_or_told_how(question, drained):
    nodes = [{"name": name} for name in ("a", "w-1", "w-10", "b", "gpu.example.com")]

    read = read_cluster({"nodes": nodes, "workloads": [{"name": "w"}]}, question)

    (allowed,) = read.cluster.allowed
    assert [name for node, name in enumerate(read.cluster.nodes) if node not in allowed] == (drained or [])
    if drained:
        assert read.remarks == (f"To be drained, as the question says: {', '.join(drained)}.",)
        assert read.cluster.objective == "fewest_moves"
    else:
        assert read.remarks == (() if drained == [] else (TELLING,))


TELLING = "No node is drained: which shall be is read from `drain`, a list of names."


def test_a_drain_in_the_context_comes_before_that_of_the_question():
    found = cluster({"name": "w"}, drain=["b"], question="Drain node a.")

    assert may_run_on(found) == {"w": "a"}


def test_groups_and_spread_replicas_are_kept_apart():
    nodes = [{"name": name} for name in "abcd"]
    found = cluster(
        {"name": "web", "replicas": 2, "spread_replicas": True},
        {"name": "x", "apart": "g"},
        {"name": "y", "apart": ["g", "h"], "replicas": 2},
        {"name": "z", "apart": ["h", "h"]},
        nodes=nodes,
    )

    assert [[found.workloads[member] for member in group] for group in found.apart] == [
        ["web-1", "web-2"], ["x", "y-1", "y-2"], ["y-1", "y-2", "z"],
    ]  # fmt: skip


def test_constraints_are_repeated_as_not_understood():
    read = read_cluster({"nodes": 1, "workloads": [], "constraints": ["keep db near web", {"max": 3}, "x" * 500]})

    assert read.not_understood[:2] == ('The constraint "keep db near web"', 'The constraint "{\\"max\\": 3}"')
    assert len(read.not_understood[2]) < 250


def test_a_memory_of_a_few_bytes_is_remarked_on():
    read = read_cluster({"nodes": [{"name": "a", "cpu": 1, "memory": 64}], "workloads": [{"name": "w", "memory": 8}]})

    assert any("bytes" in remark and "a, w" in remark for remark in read.remarks)


def test_what_runs_where_its_rules_leave_it_no_node_stays_and_that_is_said():
    read = read_cluster({"nodes": NODES, "workloads": [{"name": "db", "node": "a", "node_selector": {"disk": "nvme"}}]})

    assert may_run_on(read.cluster) == {"db": "a"}
    assert any("they stay where they do: db" in remark for remark in read.remarks)


def test_zero_capacity_is_a_capacity():
    nodes = [{"name": "empty", "cpu": 0, "memory": 0}, {"name": "a", "cpu": 1, "memory": "1Gi"}]

    assert cluster({"name": "w", "cpu": 1}, nodes=nodes).capacity == ((0, 0, 0), (1000, GIB, 0))
    assert "fits on no node" in refusal({"nodes": nodes[:1], "workloads": [{"name": "w", "cpu": "1m"}]})


BIG = {"name": "big", "cpu": 5, "memory": "1Gi"}


@pytest.mark.parametrize(
    ("workload", "more", "said"),
    [
        (BIG, {}, "big fits on no node: it asks for 5 of cpu, and the largest that it may use, a, has 4."),
        ({"name": "w", "cpu": 4, "gpu": 1, "tolerations": [{}]}, {}, "none that it may use has 4 of cpu, 1 of gpu at once"),
        ({"name": "w", "gpu": 1}, {}, "it asks for 1 of gpu, and the largest that it may use, a, has 0"),
        ({"name": "w", "node_selector": {"disk": "hdd"}}, {}, "no node has disk=hdd, which its node selector asks for"),
        ({"name": "w", "node_selector": {"disk": "ssd", "kubernetes.io/hostname": "b"}}, {}, "no node has all that its node"),
        ({"name": "w", "node_selector": {"kubernetes.io/hostname": "b"}}, {}, "not tolerate the taint gpu=yes:NoSchedule of b"),
        ({"name": "w", "node_selector": {"kubernetes.io/hostname": "c"}}, {}, "w may run nowhere: c is cordoned"),
        ({"name": "w", "node": "a"}, {"drain": ["a", "b"]}, "a, b are to be drained; c is cordoned"),
        ({"name": "w", "replicas": 3, "spread_replicas": True}, {}, "w-1, w-2, w-3 must not share a node: that takes 3 nodes"),
        ({"name": "w", "replicas": 3, "cpu": 2}, {}, "together they ask for 6 of cpu, and the nodes that they may use have 4."),
        ({"name": "w", "replicas": 3, "memory": "3Gi"}, {}, "for 9Gi of memory, and the nodes that they may use have 8Gi."),
    ],
)  # fmt: skip
def test_who_fits_nowhere_is_named_with_the_reason(workload, more, said):
    assert said in refusal({"nodes": NODES, "workloads": [workload, {"name": "fine"}], **more})


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ({"nodes": 10_000, "workloads": []}, "less than or equal to 2000"),
        ({"nodes": 10**400, "workloads": []}, "less than or equal to 2000"),
        ({"nodes": [{"name": f"n{n}"} for n in range(10_000)], "workloads": []}, "There are 10000 nodes; at most 2000 are"),
        ({"nodes": 1, "workloads": [{}] * 10_001}, "There are 10001 workloads; at most 10000 are allowed."),
        ({"nodes": 1, "workloads": [{"name": "w", "replicas": 9_999}, {"name": "v", "replicas": 2}]}, "more than 10000"),
        ({"nodes": 0, "workloads": []}, "greater than or equal to 1"),
        ({"nodes": [], "workloads": []}, "There are no nodes"),
        ({"workloads": [{"name": "w"}]}, "There are no nodes"),
        ({"nodes": 3}, "There is nothing to place"),
        ({"nodes": True, "workloads": []}, "nodes: Input should be a valid integer"),
        ({"nodes": "three", "workloads": []}, "nodes: Input should be a valid list"),
        ({"nodes": 1, "workloads": 3}, "workloads: Input should be a valid list"),
        ({"nodes": 1, "current_nodes": 1, "workloads": []}, "given twice"),
        ({"nodes": 1, "workloads": [], "objectiv": "spread"}, "objectiv: Extra inputs are not permitted"),
        ({"nodes": 1, "workloads": [], "objective": "cheap"}, "'consolidate', 'spread' or 'fewest_moves'"),
        ({"nodes": 1, "workloads": [{"name": "w", "ram": 1}]}, "workloads.0.ram: Extra inputs are not permitted"),
        ({"nodes": [{"name": "a", "memory": "-1Gi"}], "workloads": []}, "nodes.0.memory: a quantity is a number that is not"),
        ({"nodes": [{"name": "a", "memory": "1e999Gi"}], "workloads": []}, "not '1e999Gi'"),
        ({"nodes": [{"name": "a", "cpu": True}], "workloads": []}, "not true"),
        ({"nodes": [{"name": "a"}, {"name": "a"}], "workloads": []}, "Nodes named more than once: a."),
        ({"nodes": 1, "workloads": [{"name": "w", "replicas": 2}, {"name": "w-1"}]}, "Workloads named more than once: w-1."),
        ({"nodes": NODES, "workloads": [{"name": "w", "node": "x"}]}, "Running on what is not among the nodes: w on x."),
        ({"nodes": NODES, "workloads": [], "drain": ["x"]}, "To be drained, and not among the nodes: x."),
        ({"nodes": NODES, "workloads": [{"name": "w", "node": ["a", "a"]}]}, "w runs on 2 nodes, which is more than its"),
        ({"nodes": 1, "workloads": [{"name": "v", "node": "a"}, {"name": "w", "node": "b"}]}, "something runs on 2"),
        ({"nodes": 1, "workloads": [{"name": "a\nb"}]}, "workloads.0.name"),
        ({"nodes": 1, "workloads": [{"name": "w", "tolerations": [{"operator": "Gt"}]}]}, "'Equal' or 'Exists'"),
        ({"nodes": [{"name": "a", "taints": ["k=v:Never"]}], "workloads": []}, "'NoSchedule', 'PreferNoSchedule' or 'NoExecute'"),
        ({"nodes": 1, "workloads": [{"name": "w", "memory": "512Ti", "replicas": 10}]}, "at most 4096Ti are allowed"),
        ({"nodes": {"a": {"cpu": 1}}, "workloads": []}, "nodes.items: Field required"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_is_allowed(context, said):
    assert said in refusal(context)


def test_constraints_nested_too_deeply_are_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]

    assert "nested too deeply" in refusal({"nodes": 1, "workloads": [], "constraints": [deep]})


def test_counted_nodes_take_the_names_of_those_that_something_runs_on():
    found = cluster({"name": "w", "node": "node-2"}, {"name": "v", "node": "x"}, nodes=4)

    assert found.nodes == ("node-2", "x", "node-1", "node-3")


def test_ten_thousand_workloads_with_rules_of_their_own_on_two_thousand_nodes_are_read():
    nodes = [{"name": f"n{n}", "cpu": 64, "labels": {"l": f"{n}", "rack": f"{n % 40}"}} for n in range(2_000)]
    workloads = [{"name": f"w{w}", "cpu": f"{w % 900 + 1}m", "node_selector": {"rack": f"{w % 40}"}, "apart": f"g{w // 10}"}
                 for w in range(10_000)]  # fmt: skip

    found = cluster(*workloads, nodes=nodes)

    assert len(found.workloads) == 10_000
    assert len(found.apart) == 1_000
    assert found.allowed[7] is found.allowed[47]  # one for all that share their rules


def test_rules_that_leave_too_many_different_sets_of_nodes_are_refused():
    nodes = [{"name": f"n{n}", "taints": [f"t{n}=x"]} for n in range(2_000)]
    workloads = [{"name": f"w{w}", "tolerations": [{"key": f"t{n}"} for n in range(w, w + 3)]} for w in range(1_000)]

    assert "different sets of tolerations" in refusal({"nodes": nodes, "workloads": workloads})


def test_the_example_is_read_and_the_schema_is_json():
    read = read_cluster(Placement.info.example_context)

    assert len(read.cluster.workloads) == 4
    assert json.loads(json.dumps(PlacementContext.model_json_schema()))["additionalProperties"] is False


@pytest.mark.parametrize(
    ("context", "claimed"),
    [
        ({"nodes": 10, "workloads": []}, True),
        ({"current_nodes": 10, "workloads": []}, True),
        ({"workloads": [{"name": "w"}]}, True),
        ({"pods": "nonsense"}, True),
        ({"nodes": 3}, False),
        ({}, False),
        ({"steps": {"a": []}}, False),
        ({"services": {"a": []}, "nodes": 3, "workloads": []}, False),
        ({"alerts": [], "edges": [], "pods": []}, False),
    ],
)
def test_the_shape_is_known_by_its_fields(context, claimed):
    assert looks_like_placement(context) is claimed
