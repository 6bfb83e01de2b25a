"""Rollouts with limits."""

import copy
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.rollout import Rollout
from agent_reasoning.tasks.schedule import Limits
from tests.tasks.rollouts import soonest

TASK = Rollout()
STEPS = {"a": [], "b": [], "c": ["a"], "d": ["a", "b"], "e": ["c"]}


@st.composite
def limits(draw, most=6):
    size = draw(st.integers(1, most))
    needs = tuple(
        tuple(sorted(draw(st.sets(st.integers(0, step - 1), max_size=3)))) if step else () for step in range(size)
    )
    durations = draw(st.just([1] * size) | st.lists(st.integers(1, 5), min_size=size, max_size=size))
    return Limits(needs, tuple(durations), draw(st.integers(1, 3)))


@settings(deadline=None, max_examples=150)
@given(limits())
def test_the_bound_is_no_higher_than_the_best_schedule_and_list_scheduling_no_better(of):
    best = soonest(of.needs, of.durations, of.at_once)

    assert of.bound <= best
    assert of.done(of.by_critical_path()) >= best


@settings(deadline=None, max_examples=150)
@given(limits(), st.data())
def test_every_order_makes_a_schedule_that_keeps_the_limits(of, data):
    priority = data.draw(st.lists(st.floats(0, 9), min_size=len(of.needs), max_size=len(of.needs)))
    starts = of.schedule(priority)

    for step, needs in enumerate(of.needs):
        assert all(starts[step] >= starts[need] + of.durations[need] for need in needs)
    for moment in starts:
        running = sum(start <= moment < start + duration for start, duration in zip(starts, of.durations, strict=True))
        assert running <= of.at_once


@settings(deadline=None, max_examples=100)
@given(limits())
def test_in_the_order_of_a_best_schedule_one_as_good_is_found(of):
    by_order = min(
        (of.done(of.schedule([float(order.index(step)) for step in range(len(of.needs))])) for order in
         permutations(range(len(of.needs)))),
    )  # fmt: skip

    assert by_order == soonest(of.needs, of.durations, of.at_once)


def test_the_answer_names_waves_starts_and_the_critical_path():
    graph = TASK.read({"steps": STEPS, "max_parallel": 2})
    solution = TASK.baseline(graph)

    verdict = TASK.verify(graph, solution)

    assert (verdict.valid, verdict.optimal, verdict.objective) == (True, True, 3.0)
    assert solution["critical_path"] == ["a", "c", "e"]
    assert all(len(wave) <= 2 for wave in solution["waves"])
    assert "Critical path: a → c → e." in TASK.describe(graph, solution)


def test_durations_count():
    graph = TASK.read({"steps": STEPS, "max_parallel": 2, "durations": {"b": 4, "e": 0.125}})
    solution = TASK.baseline(graph)

    verdict = TASK.verify(graph, solution)

    assert verdict.valid
    assert verdict.objective == verdict.bound == 5.0
    assert solution["critical_path"] == ["b", "d"]


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=128))
def test_no_sum_of_durations_is_rounded(thousandths):
    chain = tuple((step - 1,) if step else () for step in range(len(thousandths)))

    of = Limits.of(chain, [duration / 1000 for duration in thousandths], 1)

    assert [round(of.in_callers_unit(start) * 1000) for start in of.by_critical_path()] == [
        sum(thousandths[:step]) for step in range(len(thousandths))
    ]
    assert of.done(of.by_critical_path()) == of.bound == sum(thousandths) // of.unit


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["starts"].update(c=0.0),
        lambda s: s["starts"].update(nobody=0.0),
        lambda s: s["starts"].pop("a"),
        lambda s: s["starts"].update(a=float("nan")),
        lambda s: s["starts"].update(a=-1.0),
        lambda s: s["starts"].update(a=True),
        lambda s: s["starts"].update(a="0"),
        lambda s: s.update(total=1.0),
        lambda s: s["waves"].reverse(),
        lambda s: s.update(waves=3),
        lambda s: s.update(starts=dict.fromkeys(STEPS, 0.0)),
        lambda s: s.update(starts=[0.0]),
        lambda s: s["starts"].update(a=0.0001),
        lambda s: s["starts"].update(e=9.0),
        lambda s: s.pop("total"),
        lambda s: s.update(critical_path=["a", "d"]),
        lambda s: s.update(critical_path=["a", "e"]),
        lambda s: s.update(critical_path=["a", "nobody"]),
        lambda s: s.update(critical_path="ace"),
    ],
)
def test_whatever_breaks_the_limits_or_contradicts_itself_is_refused(change):
    graph = TASK.read({"steps": STEPS, "max_parallel": 2})
    solution = copy.deepcopy(TASK.baseline(graph))
    change(solution)

    assert not TASK.verify(graph, solution).valid


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"max_parallel": 0}, "max_parallel"),
        ({"max_parallel": 2.5}, "max_parallel"),
        ({"max_parallel": True}, "max_parallel"),
        ({"durations": {"z": 1}}, "Durations of what is no step: z"),
        ({"durations": {"a": 0}}, "durations"),
        ({"durations": {"a": float("inf")}}, "durations"),
        ({"durations": {"a": 1e-9}}, "durations"),
        ({"durations": {"a": 1e300}}, "durations"),
        ({"durations": {"a": 0.0625}}, "three decimals, not 0.0625"),
        ({"max_parralel": 2}, "max_parralel"),
    ],
)
def test_limits_that_cannot_be_are_refused(more, words):
    with pytest.raises(InvalidContext, match=words):
        TASK.read({"steps": STEPS} | more)


@pytest.mark.parametrize("size", [8, 20, 32])
def test_labels_make_schedules_no_worse_than_list_scheduling(size):
    rng = np.random.default_rng(size)
    for _ in range(12):
        item = TASK.generate(rng, size)
        if item.instance.limits is None:
            continue
        problem = TASK.encode(item.instance)
        totals = set()
        for choice in (item.choice, *item.alternatives):
            assert problem.candidates[np.arange(size), choice].all()
            verdict = TASK.verify(item.instance, TASK.decode(item.instance, choice))
            assert verdict.valid
            totals.add(verdict.objective)
        assert len(totals) == 1
        # A slot is coarser than a start: now and then no choice says exactly what the best schedule is.
        assert item.objective <= totals.pop() <= item.objective * 1.1
        assert item.objective <= TASK.verify(item.instance, TASK.baseline(item.instance)).objective


def test_the_largest_is_read_and_bounded_in_time():
    steps = {f"s{number:03}": [f"s{need:03}" for need in range(max(0, number - 40), number)] for number in range(128)}
    graph = TASK.read(
        {"steps": steps, "max_parallel": 3, "durations": {f"s{number:03}": number % 7 + 0.5 for number in range(128)}}
    )

    assert TASK.verify(graph, TASK.decode(graph, np.zeros(128, np.int64))).valid


@pytest.mark.parametrize(
    ("waves", "each", "at_once", "least"), [(2, 4, 3, 4), (16, 4, 3, 32), (12, 3, 2, 24), (1, 1, 1, 1)]
)
def test_between_waves_the_bounds_of_the_parts_add_up(waves, each, at_once, least):
    needs = tuple(
        tuple(range((wave - 1) * each, wave * each)) if wave else () for wave in range(waves) for _ in range(each)
    )

    of = Limits.of(needs, [1.0] * len(needs), at_once)

    assert of.bound == least == of.done(of.by_critical_path())


def test_times_are_told_exactly():
    durations = {"a": 100000.125, "b": 300000.25, "c": 100000.375, "d": 999999.999}
    graph = TASK.read(
        {"steps": {"a": [], "b": ["a"], "c": ["b"], "d": ["c"]}, "max_parallel": 1, "durations": durations}
    )

    words = TASK.describe(graph, TASK.baseline(graph))

    assert "done after 1500000.749 units of time." in words
    assert "At 500000.75: d" in words
    assert "Nothing can be done sooner than 1500000.749." in words


def test_a_limit_that_nobody_set_is_not_told():
    graph = TASK.read({"steps": {"a": [], "b": ["a"]}, "durations": {"a": 2}})

    assert TASK.describe(graph, TASK.baseline(graph)).startswith("2 steps: done after 3 units of time.")
