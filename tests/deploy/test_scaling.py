"""The simulation of replicas, against what queueing theory knows exactly."""

import numpy as np
import pytest

from tools.scaling import Shape, capacity, load, simulate

ONE_CORE = Shape(cores=1, concurrency=10_000)


def test_an_empty_system_takes_the_work_itself():
    run = simulate(np.array([0.0, 10.0, 20.0]), np.array([1.0, 2.0, 3.0]), ONE_CORE)

    assert run.latencies == pytest.approx([1.0, 2.0, 3.0])


def test_two_requests_share_one_core_and_not_two():
    together, work = np.array([0.0, 0.0]), np.array([1.0, 1.0])

    assert simulate(together, work, ONE_CORE).latencies == pytest.approx([2.0, 2.0])
    assert simulate(together, work, Shape(cores=2)).latencies == pytest.approx([1.0, 1.0])


def test_one_request_more_than_fits_waits_for_a_place():
    run = simulate(np.zeros(3), np.ones(3), Shape(cores=2, concurrency=2))

    assert run.latencies == pytest.approx([1.0, 1.0, 2.0])


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_the_mean_of_processor_sharing_is_that_of_theory(busy):
    """M/G/1-PS: the mean time is the mean work over (1 - utilization), whatever the distribution of work."""
    work = np.array([0.2, 0.2, 0.2, 3.4])
    arrivals, drawn = load(work, [(60_000, busy / 1.0)], seed=1)

    run = simulate(arrivals, drawn, ONE_CORE)

    assert run.latencies.mean() == pytest.approx(
        1.0 / (1 - busy), rel=0.06
    )  # of some ten thousands of correlated times


def test_more_replicas_carry_more_and_never_more_than_their_cores():
    work = np.full(10, 0.05)
    one, four = (capacity(work, count, Shape(), seed=0) for count in (1, 4))

    assert one < four < 4 * 2 / 0.05
    assert four > 3.5 * one


def test_the_autoscaler_adds_replicas_in_a_burst_and_keeps_to_its_bounds():
    work = np.full(10, 0.05)
    arrivals, drawn = load(work, [(60, 40), (120, 150)], seed=0)

    run = simulate(arrivals, drawn, Shape(most=6), scaled=True)

    numbers = [number for _, number in run.replicas]
    assert numbers[0] == 2
    assert max(numbers) <= 6
    assert max(number for at, number in run.replicas if at > 100) > 2
    assert not np.isnan(run.latencies).any()
