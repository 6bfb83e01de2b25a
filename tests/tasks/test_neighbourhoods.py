"""Large placements in parts, beside the verifier and the heuristics of small ones."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent_reasoning.tasks import packing, wide_packing
from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.neighbourhoods import NODES, PlacementParts
from agent_reasoning.tasks.placement_verifier import verify
from agent_reasoning.tasks.placement_words import assigned
from agent_reasoning.tasks.placement_world import drawn_cluster
from agent_reasoning.tasks.refit import OBJECTIVES, Crowd, Refit
from tests.tasks import placements as independent
from tests.tasks.placements import clusters

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def large(draw, objectives=st.sampled_from(OBJECTIVES)):
    """A cluster that its heuristic places, and does not place best."""
    rng = np.random.default_rng(draw(SEEDS))
    found = drawn_cluster(rng, draw(st.integers(40, 90)), draw(objectives))
    assume(found is not None)
    cluster, _ = found
    if draw(st.booleans()):  # more groups apart than are drawn
        members = rng.permutation(len(cluster.workloads))[:12].reshape(4, 3)
        cluster = replace(cluster, apart=(*cluster.apart, *(tuple(sorted(map(int, group))) for group in members)))
    parts = PlacementParts(cluster, draw(st.integers(0, 2**63 - 1)))
    assume(judged(cluster, parts.start()).valid)
    return cluster, parts


@st.composite
def divided(draw):
    """Such a cluster, and a part of it."""
    cluster, parts = draw(large())
    part = parts.next()
    assume(part is not None)
    return cluster, parts, part


def judged(cluster, at):
    return verify(cluster, assigned(cluster, at.tolist()))


def found_by(kind, part, rng):
    """What may come back of a part: nothing, some valid placement or other, or what a search comes to."""
    crowd, of, held = Crowd([part.cluster]), np.zeros(1, np.int64), part.at[None]
    logits = np.zeros((1, len(part.workloads), len(part.nodes)))
    if kind == "nothing":
        return None
    if kind == "search":
        search = Refit(part.cluster, start=part.at)
        return search.next(search.first(), logits[0].astype(np.float32), rng)
    drawn = crowd.draw(rng, of, held, np.full(1, 100.0), logits, 6)[0]
    return next((at for at in drawn if NOWHERE not in at), None)


@settings(max_examples=12)
@given(problem=large(), seed=SEEDS)
def test_parts_come_back_in_any_order_and_the_whole_stays_valid_and_gets_no_worse(problem, seed):
    cluster, parts = problem
    rng, out = np.random.default_rng(seed), []
    before = judged(cluster, parts.at).objective

    for _ in range(16):
        while len(out) < 3 and (part := parts.next()) is not None:
            out.append(part)
        assert len(set().union(*(part.nodes for part in out))) == sum(len(part.nodes) for part in out)
        if not out:
            break
        part = out.pop(int(rng.integers(len(out))))
        was, found = parts.at.copy(), found_by(rng.choice(["nothing", "search", "any"]), part, rng)
        better = parts.take(part, found)

        verdict, shown = judged(cluster, parts.at), judged(cluster, parts.choice)
        assert verdict.valid, verdict.violations
        assert shown.valid, shown.violations
        assert shown.objective <= verdict.objective <= before
        moved = np.flatnonzero(parts.at != was)
        assert set(moved.tolist()) <= set(part.workloads)
        if found is None:
            assert not better
            assert not len(moved)
        before = verdict.objective


@settings(max_examples=10)
@given(problem=divided())
def test_a_part_is_a_small_cluster_in_which_everything_runs_where_it_is_now(problem):
    _, parts, part = problem
    small, search = parts.problem(part)

    assert 2 <= len(small.nodes) <= NODES
    assert search.first().tolist() == part.at.tolist()
    assert verify(small, assigned(small, part.at.tolist())).valid
    assert [part.nodes[place] for place in part.at] == parts.at[list(part.workloads)].tolist()
    here = set(part.nodes)
    assert {w for w, node in enumerate(parts.at.tolist()) if node in here} == set(part.workloads)


@settings(max_examples=10)
@given(problem=divided())
def test_who_is_kept_apart_in_the_whole_is_kept_apart_in_the_part(problem):
    cluster, parts, part = problem
    small, _ = parts.problem(part)

    together = {frozenset(part.workloads[w] for w in group) for group in small.apart}
    assert together == {here for group in cluster.apart if len(here := frozenset(group) & set(part.workloads)) > 1}


@settings(max_examples=8)
@given(problem=large())
def test_a_search_that_finds_nothing_ends(problem):
    _, parts = problem
    start, taken = parts.choice.copy(), 0

    while not parts.exhausted:
        part = parts.next()
        if part is not None:
            parts.take(part, None)
        taken += 1
        assert taken < 5000

    assert (parts.choice == start).all()


def test_a_search_ends_as_soon_as_nothing_can_be_better():
    """Four nodes with one small workload each: the bound is one node."""
    cluster = Cluster(
        ("cpu",), tuple("abcd"), ((8,),) * 4, tuple("wxyz"), ((2,),) * 4, ((0, 1, 2, 3),) * 4, (0, 1, 2, 3)
    )
    parts = PlacementParts(cluster, 0)

    assert len(set(parts.start().tolist())) == 1  # by best fit
    assert parts.exhausted


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_search_on_the_only_node_ends(objective):
    cluster = Cluster(("cpu",), ("a",), ((100,),), tuple("wxyz"), ((2,),) * 4, ((0,),) * 4, (0,) * 4, (), objective)
    parts = PlacementParts(cluster, 0)
    parts.start()

    for _ in range(100):
        assert parts.next() is None

    assert parts.exhausted


def test_who_fits_nowhere_is_put_where_it_may_run_and_the_verifier_says_so():
    cluster = Cluster(
        ("cpu",), tuple("abc"), ((8,),) * 3, tuple("xyz"), ((9,), (4,), (4,)), ((1, 2),) * 3, (NOWHERE,) * 3
    )

    at = PlacementParts(cluster, 0).start()
    verdict = judged(cluster, at)

    assert at[0] in (1, 2)
    assert not verdict.valid
    assert "are wanted there" in verdict.violations[0]


@settings(max_examples=100)
@given(cluster=clusters(most_nodes=5, most_workloads=8))
def test_what_runs_validly_may_stay_as_it_is(cluster):
    stays = independent.as_it_is(cluster) is not None
    assert packing.as_it_is(cluster) == (list(cluster.current) if stays else None)


def one_by_one(cluster):
    """What `wide_packing` does for all nodes at once, by the parts of `packing`, up to where somebody finds no room."""
    if cluster.objective == "fewest_moves":
        filling, order = packing._as_wanted(cluster, cluster.current)
        merit = packing.best_fit
    else:
        filling, order = packing.Filling(cluster), cluster.largest_first
        merit = packing.BEST[cluster.objective]
    for workload in order:
        if (node := packing.best_node(filling, workload, merit)) != NOWHERE:
            filling.put(workload, node)
    return filling.at


@settings(max_examples=50)
@given(cluster=st.one_of(clusters(most_nodes=5, most_workloads=8), large().map(lambda problem: problem[0])))
def test_the_heuristics_for_large_clusters_place_whom_those_for_small_ones_place(cluster):
    expected = one_by_one(cluster)

    found = wide_packing.packed(cluster)

    assert independent.fits(cluster, found)
    assert found.count(NOWHERE) <= expected.count(NOWHERE)
    if found.count(NOWHERE) == expected.count(NOWHERE):
        assert [at == NOWHERE for at in found] == [at == NOWHERE for at in expected]
    if NOWHERE not in expected and cluster.objective == "fewest_moves":
        assert independent.cost(cluster, found) == independent.cost(cluster, expected)


def test_where_spreading_leaves_no_room_for_the_last_they_are_packed():
    """Sizes that fill two nodes to the last: 5 and 5, 4 and 3 and 3."""
    cluster = Cluster(
        ("cpu",), ("a", "b"), ((10,), (10,)), tuple("vwxyz"), ((5,), (5,), (4,), (3,), (3,)), ((0, 1),) * 5,
        (NOWHERE,) * 5, (), "spread",
    )  # fmt: skip

    assert NOWHERE in one_by_one(cluster)
    assert independent.fits(cluster, wide_packing.packed(cluster))
    assert NOWHERE not in wide_packing.packed(cluster)
