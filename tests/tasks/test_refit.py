"""Placements drawn from what a network says, beside the verifier."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.packing import baseline
from agent_reasoning.tasks.placement_verifier import verify
from agent_reasoning.tasks.placement_words import assigned
from agent_reasoning.tasks.placement_world import drawn_cluster
from agent_reasoning.tasks.refit import OBJECTIVES, SLACK, UNPLACED, Crowd, Refit
from tests.tasks import placements as independent
from tests.tasks.placements import clusters

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def drawn(draw, sizes=st.integers(2, 24), objectives=st.sampled_from(OBJECTIVES)):
    """A cluster of those that are trained on: with selectors, groups apart and what runs, or without."""
    found = drawn_cluster(np.random.default_rng(draw(SEEDS)), draw(sizes), draw(objectives))
    assume(found is not None)
    return found[0]


def one(cluster):
    return Crowd([cluster]), np.zeros(1, np.int64)


def logits_of(rng, cluster, scale=3.0):
    return rng.normal(scale=scale, size=(1, len(cluster.workloads), len(cluster.nodes)))


def held_by(cluster, rng, kind):
    """What a search may hold: nothing, the heuristic's answer, or some of it."""
    answer = baseline(cluster)
    if kind == "nothing" or answer is None:
        return np.full(len(cluster.workloads), NOWHERE)
    keeps = rng.random(len(answer)) < 0.7 if kind == "some" else np.ones(len(answer), bool)
    return np.where(keeps, answer, NOWHERE)


def draws_of(cluster, seed, kind="answer", draws=12):
    rng = np.random.default_rng(seed)
    crowd, of = one(cluster)
    held = held_by(cluster, rng, kind)
    objective, _ = crowd.costs(of, held[None])
    return crowd, held, objective, crowd.draw(rng, of, held[None], objective, logits_of(rng, cluster), draws)


@settings(max_examples=80)
@given(cluster=st.one_of(drawn(), clusters()), seed=SEEDS, kind=st.sampled_from(["nothing", "some", "answer"]))
def test_whatever_is_drawn_keeps_to_the_rules(cluster, seed, kind):
    """Of those who are placed; who finds no room is nowhere."""
    *_, found = draws_of(cluster, seed, kind)

    for at in found[0].tolist():
        assert independent.fits(cluster, at)


@settings(max_examples=60)
@given(cluster=st.one_of(drawn(), clusters()), seed=SEEDS)
def test_an_answer_that_places_everything_is_valid_and_costs_what_the_verifier_says(cluster, seed):
    free = replace(cluster, current=(NOWHERE,) * len(cluster.workloads))  # what is worse than what is, is not valid
    judged = cluster if cluster.objective == "fewest_moves" else free
    crowd, _, _, found = draws_of(cluster, seed)
    costs, ties = crowd.costs(np.zeros(len(found[0]), np.int64), found[0])

    assert ((ties >= 0) & (ties <= 1)).all()
    for at, reached in zip(found[0], costs, strict=True):
        if NOWHERE in at:
            assert reached >= UNPLACED * (at == NOWHERE).sum()
            continue
        assert reached == independent.cost(cluster, at.tolist())
        verdict = verify(judged, assigned(cluster, at.tolist()))
        trivial = independent.as_it_is(judged)
        if trivial is None or reached <= trivial:
            assert verdict.valid, verdict.violations
            assert verdict.objective == reached


@settings(max_examples=60)
@given(cluster=drawn(), seed=SEEDS, kind=st.sampled_from(["nothing", "some", "answer"]))
def test_what_is_held_never_becomes_worse(cluster, seed, kind):
    crowd, held, objective, found = draws_of(cluster, seed, kind)
    of = np.zeros(1, np.int64)

    chosen, reached = crowd.choose(np.random.default_rng(seed), of, held[None], objective, found)

    assert reached[0] <= objective[0]
    assert crowd.costs(of, chosen)[0] == reached
    least = crowd.costs(np.zeros(found.shape[1], np.int64), found[0])[0].min()
    assert reached[0] == min(least, objective[0])


@settings(max_examples=30)
@given(cluster=drawn(), seed=SEEDS)
def test_a_search_goes_from_answer_to_better_answer(cluster, seed):
    rng = np.random.default_rng(seed)
    search, (crowd, of) = Refit(cluster, draws=8), one(cluster)
    held, costs = search.first(), []

    for _ in range(4):
        held = search.next(held, logits_of(rng, cluster)[0].astype(np.float32), rng)
        costs.append(crowd.costs(of, held[None])[0][0])

    assert costs == sorted(costs, reverse=True)


@settings(max_examples=60)
@given(cluster=st.one_of(drawn(), clusters()), seed=SEEDS)
def test_a_node_that_is_closed_takes_nobody_not_even_who_wants_nothing(cluster, seed):
    rng = np.random.default_rng(seed)
    crowd, of = one(cluster)
    cells, width = len(cluster.workloads), len(cluster.nodes)
    closed = rng.random((1, width)) < 0.5

    at = crowd.place(
        of, logits_of(rng, cluster), rng.normal(size=(1, cells)), closed, np.ones(1), SLACK[crowd.objective]
    )

    assert not closed[0, at[at != NOWHERE]].any()


@settings(max_examples=60)
@given(cluster=st.one_of(drawn(objectives=st.just("spread")), clusters()), level=st.integers(20, 100), seed=SEEDS)
def test_no_node_is_filled_beyond_the_level(cluster, level, seed):
    rng = np.random.default_rng(seed)
    crowd, of = one(cluster)
    closed = np.zeros((1, len(cluster.nodes)), bool)

    at = crowd.place(
        of, logits_of(rng, cluster), rng.normal(size=(1, len(cluster.workloads))), closed, np.array([level / 100]),
        SLACK[crowd.objective],
    )[0]  # fmt: skip

    for node, capacity in enumerate(cluster.capacity):
        for resource, has in enumerate(capacity):
            assert 100 * sum(cluster.demand[w][resource] for w in np.flatnonzero(at == node)) <= level * has


@settings(max_examples=80)
@given(cluster=st.one_of(drawn(objectives=st.just("fewest_moves")), clusters()))
def test_where_moves_count_the_first_that_is_held_is_who_may_stay(cluster):
    crowd, of = one(cluster)

    first = crowd.first(of)[0].tolist()

    if cluster.objective != "fewest_moves":
        assert first == [NOWHERE] * len(first)
        return
    assert independent.fits(cluster, first)
    for workload, (at, current) in enumerate(zip(first, cluster.current, strict=True)):
        assert at in (NOWHERE, current)
        if at == NOWHERE and current != NOWHERE:  # and nobody else who could
            assert not independent.fits(cluster, [*first[:workload], current, *first[workload + 1 :]])


@settings(max_examples=25)
@given(seed=SEEDS, size=st.integers(3, 16), count=st.integers(2, 4))
def test_clusters_of_a_crowd_are_placed_as_each_is_alone(seed, size, count):
    rng = np.random.default_rng(seed)
    found = [drawn_cluster(rng, size, OBJECTIVES[int(rng.integers(3))]) for _ in range(count)]
    assume(None not in found)
    each = [cluster for cluster, _ in found]
    logits = np.concatenate([logits_of(rng, cluster) for cluster in each])
    order, closed = rng.normal(size=(count, size)), rng.random((count, len(each[0].nodes))) < 0.2
    level = rng.uniform(0.8, 1.0, count)
    crowd, of = Crowd(each), np.arange(count)

    together = crowd.place(of, logits, order, closed, level, SLACK[crowd.objective])

    costs = crowd.costs(of, together)[0]
    firsts = crowd.first(of)
    for number, cluster in enumerate(each):
        alone, zero = one(cluster)
        here = slice(number, number + 1)
        given_alone = logits[here], order[here], closed[here], level[here], SLACK[alone.objective]
        assert (alone.place(zero, *given_alone)[0] == together[number]).all()
        assert alone.costs(zero, together[here])[0][0] == costs[number]
        assert (alone.first(zero)[0] == firsts[number]).all()


def small(capacity, demand, allowed=None, objective="consolidate", **fields):
    names = tuple(f"n{n}" for n in range(len(capacity))), tuple(f"w{w}" for w in range(len(demand)))
    everywhere = (tuple(range(len(capacity))),) * len(demand)
    return Cluster(
        ("cpu", "memory"), names[0], tuple(capacity), names[1], tuple(demand), allowed or everywhere,
        fields.pop("current", (NOWHERE,) * len(demand)), objective=objective, **fields,
    )  # fmt: skip


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_node_without_capacity_takes_who_wants_nothing_and_nobody_else(objective):
    cluster = small([(0, 0), (4, 4)], [(0, 0), (2, 1)], ((0,), (0, 1)), objective)

    *_, found = draws_of(cluster, 1, "nothing")

    placed = [at for at in found[0].tolist() if NOWHERE not in at]
    assert placed
    assert all(at == [0, 1] for at in placed)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_workload_alone_goes_where_it_fits(objective):
    cluster = small([(1, 1), (4, 4), (1, 1)], [(3, 3)], objective=objective)

    *_, found = draws_of(cluster, 2, "nothing")

    assert set(found.ravel().tolist()) <= {1, NOWHERE}
    assert 1 in found


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_who_fits_nowhere_is_nowhere_and_the_others_are_placed_all_the_same(objective):
    cluster = small([(4, 4), (4, 4)], [(9, 1), (2, 2), (1, 1)], objective=objective)
    search, rng = Refit(cluster), np.random.default_rng(0)

    held = search.next(search.first(), np.zeros((3, 2), np.float32), rng)

    assert held[0] == NOWHERE
    assert NOWHERE not in held[1:]


def test_a_draw_wishes_for_what_the_network_says():
    """Where there is room for everybody, the most of them get what it is sure of."""
    cluster = small([(9, 9)] * 4, [(1, 1)] * 4, objective="fewest_moves")
    crowd, of = one(cluster)
    said = np.full((1, 4, 4), -20.0)
    said[0, range(4), [2, 0, 3, 1]] = 20.0

    found = crowd.draw(np.random.default_rng(0), of, np.full((1, 4), NOWHERE), np.zeros(1), said, 16)

    assert (found == [2, 0, 3, 1]).all()


def test_of_equals_another_is_held_rather_than_the_same():
    cluster = small([(9, 9)] * 3, [(1, 1), (1, 1)])
    crowd, of = one(cluster)
    held, other = np.array([[0, 0]]), [1, 1]

    chosen, reached = crowd.choose(np.random.default_rng(0), of, held, np.ones(1), np.array([[[0, 0], other, [0, 1]]]))

    assert (chosen.tolist(), reached.tolist()) == ([other], [1.0])


def test_a_search_of_a_part_begins_with_what_is_there():
    cluster = small([(4, 4), (4, 4)], [(1, 1), (1, 1)])

    assert Refit(cluster, start=np.array([1, 0])).first().tolist() == [1, 0]
