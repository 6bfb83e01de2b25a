"""Placement: the verifier, the bound, the moves and the heuristics beside an independent checker."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.cluster import Cluster
from agent_reasoning.tasks.moves import plan
from agent_reasoning.tasks.packing import baseline, settle
from agent_reasoning.tasks.placement import Placement
from agent_reasoning.tasks.placement_input import asked_for
from agent_reasoning.tasks.placement_solver import best_assignment
from tests.tasks import placements as independent
from tests.tasks.placements import clusters

TASK = Placement()


def solution(cluster, at):
    return {"assignment": {name: cluster.nodes[node] for name, node in zip(cluster.workloads, at, strict=True)}}


@settings(deadline=None, max_examples=300)
@given(clusters(), st.data())
def test_an_answer_is_valid_exactly_where_it_fits_and_is_no_worse_than_what_is(cluster, data):
    at = [data.draw(st.integers(0, len(cluster.nodes) - 1)) for _ in cluster.workloads]
    trivial = independent.as_it_is(cluster)

    verdict = TASK.verify(cluster, solution(cluster, at))

    right = independent.fits(cluster, at) and (trivial is None or independent.cost(cluster, at) <= trivial)
    assert verdict.valid == right
    if right:
        assert verdict.objective == independent.cost(cluster, at)


@settings(deadline=None, max_examples=300)
@given(clusters())
def test_the_bound_is_no_higher_than_the_best_and_the_exact_solver_finds_that(cluster):
    best = independent.best(cluster)
    found, proven = best_assignment(cluster)

    assert proven
    assert (found is None) == (best is None)
    if best is not None:
        assert independent.fits(cluster, found)
        assert cluster.bound <= best == independent.cost(cluster, found)


@settings(deadline=None, max_examples=200)
@given(clusters(), st.data())
def test_what_a_choice_or_a_heuristic_leads_to_is_what_the_verifier_sees(cluster, data):
    choice = [data.draw(st.sampled_from(allowed)) for allowed in cluster.allowed]
    heuristic = baseline(cluster)

    settled = settle(cluster, choice)

    if independent.fits(cluster, choice):
        assert settled == choice
    assert all(node in allowed for node, allowed in zip(settled, cluster.allowed, strict=True))
    if heuristic is not None:
        assert TASK.verify(cluster, solution(cluster, heuristic)).valid


@settings(deadline=None, max_examples=300)
@given(clusters(), st.data())
def test_moves_lead_there_one_by_one_or_are_said_to_be_blocked(cluster, data):
    found, _ = best_assignment(cluster)
    if found is None:
        return
    whole = TASK.complete(cluster, solution(cluster, found))

    verdict = TASK.verify(cluster, whole)

    assert verdict.valid, verdict.violations
    if whole["needs_temporary_move"]:
        assert not independent.can_be_reached(cluster, found)
    tampered = copy.deepcopy(whole)
    if tampered["moves"]:
        tampered["moves"][0]["to"] = data.draw(st.sampled_from([*cluster.nodes, "nowhere"]))
        if tampered != whole:
            assert not TASK.verify(cluster, tampered).valid


def test_two_that_would_have_to_swap_full_nodes_are_blocked():
    full = Cluster(
        ("cpu",), ("a", "b"), ((1,), (1,)), ("x", "y"), ((1,), (1,)), ((1,), (0,)), (0, 1), objective="fewest_moves"
    )  # fmt: skip

    found = plan(full, [1, 0])

    assert (found.moves, sorted(found.blocked), found.exhausted) == ((), [0, 1], True)
    whole = TASK.complete(full, solution(full, [1, 0]))
    assert TASK.verify(full, whole).valid
    assert "no order does without a temporary move: x, y" in TASK.describe(full, whole)


def test_nobody_comes_to_where_two_are_that_are_to_be_kept_apart_before_one_has_left():
    cluster = Cluster(
        ("cpu",), ("a", "b"), ((9,), (9,)), ("big", "x", "y"), ((3,), (1,), (1,)), ((0,), (0,), (0, 1)), (1, 0, 0), ((1, 2),),
        "fewest_moves",
    )  # fmt: skip

    assert plan(cluster, [0, 0, 1]).moves == (2, 0)
    assert TASK.verify(cluster, TASK.complete(cluster, solution(cluster, [0, 0, 1]))).valid


def test_an_order_that_the_greedy_one_misses_is_found():
    # Whoever goes to c first decides: big must leave b before mid can, and mid's place is wanted by small.
    cluster = Cluster(
        ("cpu",), ("a", "b", "c"), ((4,), (4,), (4,)), ("p", "q", "r"), ((3,), (2,), (2,)),
        ((2,), (0,), (2, 1)), (0, 2, 1), objective="fewest_moves",
    )  # fmt: skip
    found = plan(cluster, [2, 0, 1])

    assert set(found.moves) | set(found.blocked) == {0, 1}
    assert TASK.verify(cluster, TASK.complete(cluster, solution(cluster, [2, 0, 1]))).valid


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.pop("assignment"),
        lambda s: s["assignment"].pop("web-1"),
        lambda s: s["assignment"].update({"web-1": "nowhere"}),
        lambda s: s["assignment"].update({"web-1": None}),
        lambda s: s["assignment"].update(ghost="a"),
        lambda s: s.update(moves=3),
        lambda s: s.update(moves=[{}]),
        lambda s: s.update(moves=s["moves"] * 2),
        lambda s: s.update(moves=[], blocked=[]),
        lambda s: s["assignment"].update({"web-1": ["a"]}),
        lambda s: s.update(moves=[{"workload": [], "from": None, "to": {}}]),
        lambda s: s.update(blocked=["ghost"]),
        lambda s: s.update(blocked=[[]]),
        lambda s: s.update(needs_temporary_move=True),
        lambda s: s.update(freed=["c"]),
        lambda s: s.update(unused=[]),
        lambda s: s.update(nodes_in_use=2),
        lambda s: s["utilisation"]["after"]["cpu"].update(of_fullest_node=1.0),
    ],
)
def test_whatever_contradicts_itself_is_refused(change):
    cluster = TASK.read(TASK.info.example_context)
    whole = TASK.complete(cluster, solution(cluster, baseline(cluster)))
    assert TASK.verify(cluster, whole).valid
    changed = copy.deepcopy(whole)
    change(changed)

    assert not TASK.verify(cluster, changed).valid


def test_that_no_order_exists_is_believed_only_where_it_is_so():
    there_is_one = Cluster(
        ("cpu",), ("a", "b"), ((2,), (2,)), ("x", "y"), ((1,), (1,)), ((0, 1), (0, 1)), (0, 1)
    )  # fmt: skip
    none = replace(there_is_one, capacity=((1,), (1,)))
    stuck = {**solution(none, [1, 0]), "moves": [], "blocked": ["x", "y"]}

    assert TASK.verify(none, stuck | {"needs_temporary_move": True}).valid
    assert TASK.verify(there_is_one, stuck | {"needs_temporary_move": False}).valid
    assert TASK.verify(there_is_one, stuck | {"needs_temporary_move": True}).violations == (
        "It is not shown that no order does without a temporary move.",
    )


def test_a_temporary_move_may_lead_only_where_the_workload_may_run():
    full = Cluster(
        ("cpu",), ("a", "b", "c"), ((1,), (1,), (1,)), ("x", "y"), ((1,), (1,)), ((0, 1, 2), (0, 1)), (0, 1),
        objective="consolidate",
    )  # fmt: skip

    def by_way_of_c(first, second):
        stops = [(first, "c"), (second, None), (first, None)]
        there = {"x": ("a", "b"), "y": ("b", "a")}
        moves = [{"workload": name, "from": there[name][0], "to": to or there[name][1]} for name, to in stops]
        moves[2]["from"] = "c"
        return {**solution(full, [1, 0]), "moves": moves, "blocked": []}

    assert TASK.verify(full, by_way_of_c("x", "y")).valid
    assert TASK.verify(full, by_way_of_c("y", "x")).violations == ("Move 1: y may not run on c.",)


@pytest.mark.parametrize(
    ("question", "objective"),
    [
        ("Drain node b for maintenance.", "fewest_moves"),
        ("Spread the load evenly.", "spread"),
        ("Which nodes can be freed?", "consolidate"),
        ("How should I optimize my Kubernetes cluster?", "consolidate"),
        ("Where does it all go?", None),
        ("What happens in the evening?", None),
    ],
)
def test_the_question_picks_the_objective(question, objective):
    assert asked_for(question) == objective


def test_a_cluster_too_large_to_be_answered_is_refused():
    nodes = [{"name": f"n{number}", "cpu": 64} for number in range(2000)]

    with pytest.raises(InvalidContext, match="9000 workloads on 2000 nodes are 18000000 pairs; at most 16777216"):
        TASK.read({"nodes": nodes, "workloads": [{"name": "w", "cpu": 1, "replicas": 9000}]})


@pytest.mark.parametrize("size", [8, 16, 32])
def test_labels_are_valid_and_no_worse_than_the_heuristics(size):
    rng = np.random.default_rng(size)
    for _ in range(5):
        item = TASK.generate(rng, size)
        problem = TASK.encode(item.instance)
        verdict = TASK.verify(item.instance, TASK.decode(item.instance, item.choice))

        assert verdict.valid
        assert problem.candidates[np.arange(size), item.choice].all()
        heuristic = TASK.baseline(item.instance)
        assert heuristic is None or verdict.objective <= TASK.verify(item.instance, heuristic).objective


def test_how_full_the_nodes_are_is_told_before_and_after():
    nodes = [{"name": name, "cpu": 4, "memory": "8Gi"} for name in "ab"]
    running = {"nodes": nodes, "workloads": [{"name": "w", "cpu": 1, "replicas": 2, "node": ["a", "b"]}]}
    new = {"nodes": nodes, "workloads": [{"name": "w", "cpu": 1, "memory": "2Gi"}]}

    def words(context, at):
        cluster = TASK.read(context)
        return TASK.describe(cluster, TASK.complete(cluster, solution(cluster, at)))

    assert "Asked for of the nodes in use: cpu 25 → 50 %." in words(running, [0, 0])
    assert "Asked for of the nodes in use: cpu 25 %, memory 25 %." in words(new, [0])
    assert "1 move: w: new → a." in words(new, [0])
    assert "The fullest node is 50 % full; in whole percent, rounded up, nothing is below 25." in words(
        running | {"objective": "spread"}, [0, 0]
    )


def test_what_kubectl_prints_is_placed():
    context = json.loads((Path(__file__).parent / "kubectl.json").read_text())
    cluster = TASK.read(context, "On how few nodes can this run?")

    found = TASK.baseline(cluster)

    assert found is not None
    assert TASK.verify(cluster, TASK.complete(cluster, found)).valid
