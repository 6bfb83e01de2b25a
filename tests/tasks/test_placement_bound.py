"""What no placement can do better than: beside every assignment tried, and beside what CP-SAT proves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_reasoning.tasks import placement_bound, placement_prices
from agent_reasoning.tasks.cluster import NOWHERE, Cluster
from agent_reasoning.tasks.covering import Covering, least_cost
from agent_reasoning.tasks.placement_solver import best_assignment
from agent_reasoning.tasks.placement_world import random_cluster
from tests.tasks import placements as independent
from tests.tasks.placements import clusters


def cluster(capacity, demand, allowed=None, current=None, apart=(), objective="consolidate"):
    nodes, count = range(len(capacity)), len(demand)
    return Cluster(
        ("cpu", "memory")[: len(demand[0])], tuple(f"n{node}" for node in nodes), tuple(capacity),
        tuple(f"w{workload}" for workload in range(count)), tuple(demand), allowed or (tuple(nodes),) * count,
        current or (NOWHERE,) * count, apart, objective,
    )  # fmt: skip


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(of=clusters(), most_sets=st.sampled_from([1, 2, 6, 600]), most_priced=st.sampled_from([0, 2**16]))
def test_no_bound_is_above_the_best_however_little_of_it_is_looked_at(monkeypatch, of, most_sets, most_priced):
    monkeypatch.setattr(placement_prices, "MOST_SETS", most_sets)
    monkeypatch.setattr(placement_bound, "MOST_PRICED", most_priced)

    best = independent.best(of)

    assert best is None or placement_bound.least(of) <= best


@pytest.mark.parametrize("objective", ["consolidate", "spread", "fewest_moves"])
def test_most_best_placements_are_proven_to_be_the_best(objective):
    rng = np.random.default_rng(5)
    drawn = [random_cluster(rng, 12, objective)[0] for _ in range(20)]
    best = [independent.cost(one, best_assignment(one)[0]) for one in drawn]

    met = [one.bound == least for one, least in zip(drawn, best, strict=True)]

    assert all(one.bound <= least for one, least in zip(drawn, best, strict=True))
    assert sum(met) >= 17


def test_nodes_with_much_of_one_resource_do_not_stand_for_those_with_much_of_another():
    lopsided = cluster([(8, 2), (8, 2), (2, 8), (2, 8)], [(1, 1)] * 5)

    assert lopsided.bound == independent.best(lopsided) == 3


@pytest.mark.parametrize("objective", ["consolidate", "fewest_moves"])
def test_where_nothing_fits_the_bound_is_still_a_number_of_nodes_or_of_workloads(objective):
    crowded = cluster([(8,), (8,)], [(5,)] * 3, current=(0, 0, 1), objective=objective)

    assert independent.best(crowded) is None
    assert crowded.bound <= {"consolidate": 2, "fewest_moves": 3}[objective]


def test_three_halves_and_a_bit_take_a_node_each():
    assert cluster([(10, 10)] * 4, [(6, 1), (5, 5), (1, 6)]).bound == 2
    assert cluster([(10, 10)] * 4, [(6, 1), (5, 6), (1, 6)]).bound == 2
    assert cluster([(10, 10)] * 4, [(6, 5), (5, 6), (5, 5), (6, 6)]).bound == 4


def test_a_drained_workload_that_fits_only_where_another_makes_room_takes_two_moves():
    chain = cluster(
        [(4,), (4,), (4,)], [(4,), (3,), (1,)], [(1, 2), (0, 1, 2), (1, 2)], (0, 1, 2), objective="fewest_moves"
    )

    assert chain.bound == independent.best(chain) == 2


def test_of_an_overfull_node_the_fewest_go_that_free_enough_of_everything():
    overfull = cluster(
        [(9, 9), (20, 20)], [(8, 1), (1, 8), (3, 3)], current=(0, 0, 0), objective="fewest_moves"
    )  # fmt: skip

    assert overfull.bound == independent.best(overfull) == 1
    assert replace(overfull, capacity=((4, 4), (20, 20))).bound == 2


def test_a_workload_that_has_no_node_to_itself_says_how_full_the_fullest_is():
    pairs = cluster([(10, 10)] * 2, [(6, 2), (2, 6), (5, 5)], objective="spread")

    assert pairs.bound == independent.best(pairs) == 80


def test_prices_bound_what_covering_costs_and_stop_where_that_is_known():
    # Three things in pairs: half of each pair would do, so that one and a half are the least, and two in whole numbers.
    pairs = np.array([[1.0, 1, 0], [0, 1, 1], [1, 0, 1]])
    covering = Covering(pairs, np.zeros((1, 3)), np.ones((3, 1)), np.ones(3), np.array([3.0]), 9.0)

    assert 1 < least_cost(covering) <= 1.5 + 1e-6
    assert covering.bound(np.full(3, 0.5)) == 1.5
    assert covering.bound(np.full(3, 9.0)) < 0
