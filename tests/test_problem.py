import numpy as np
import pytest

from agent_reasoning.problem import Problem, ProblemSpec, RelationSpec, Verdict


def problem(**changes):
    fields = {"candidates": np.ones((2, 3), bool), "tokens": np.zeros(2, np.int64)}
    return Problem(**(fields | changes))


def test_a_cell_without_candidates_is_refused():
    with pytest.raises(ValueError, match="no candidate"):
        problem(candidates=np.array([[True, True], [False, False]]))


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": np.zeros(3, np.int64)},
        {"relations": {"needs": np.array([[0, 2]])}},
        {"relations": {"needs": np.array([[-1, 0]])}},
        {"groups": {"row": (np.array([[0, 3]]),)}},
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(changes):
    with pytest.raises(ValueError, match="cell|pair"):
        problem(**changes)


def test_each_trajectory_has_the_next_view_and_the_first_has_the_task_as_it_is():
    spec = ProblemSpec(
        ("a",), relations=(RelationSpec("up"), RelationSpec("down")), views=(("up", "down"), ("down", "up"))
    )

    assert [spec.view(sample) for sample in range(3)] == [(0, 1), (1, 0), (0, 1)]
    assert ProblemSpec(("a",), relations=spec.relations).view(5) == (0, 1)


@pytest.mark.parametrize(
    ("views", "words"),
    [
        ((("down", "up"),), "first view"),
        ((("up", "down", "next"), ("up", "up", "next")), "each relation once"),
        ((("up", "down", "next"), ("up", "next")), "each relation once"),
        ((("up", "down", "next"), ("up", "next", "down")), "one shift"),
    ],
)
def test_a_view_that_is_not_the_same_task_is_refused(views, words):
    relations = RelationSpec("up"), RelationSpec("down"), RelationSpec("next", shift=1)

    with pytest.raises(ValueError, match=words):
        ProblemSpec(("a",), relations=relations, views=views)


def test_where_validity_is_all_every_valid_answer_is_optimal():
    assert Verdict(True).optimal
    assert not Verdict(False, ("wrong",)).optimal


def test_an_objective_is_optimal_only_when_a_bound_proves_it():
    assert Verdict(True, objective=3, bound=3).optimal
    assert not Verdict(True, objective=4, bound=3).optimal
    assert not Verdict(True, objective=3).optimal


def test_a_valid_verdict_cannot_list_violations():
    with pytest.raises(AssertionError):
        Verdict(True, ("wrong",))
