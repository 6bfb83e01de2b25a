from dataclasses import replace

import numpy as np
import pytest

from agent_reasoning.engine.evidence import Evidence, names
from agent_reasoning.engine.job import StepRecord
from agent_reasoning.problem import Problem, Verdict
from agent_reasoning.tasks import builtin_tasks

PROBLEM = Problem(
    candidates=np.array([[True, True], [True, False]]),
    tokens=np.zeros(2, np.int64),
    cell_features=np.array([[1.0, 4.0], [3.0, 4.0]], np.float32),
)


def step(objective, valid=True):
    return StepRecord(np.zeros(2, np.int64), 0.5, Verdict(valid, () if valid else ("no",), objective, 10.0))


def sign(evidence, number):
    return evidence.signs()[number]


def test_a_problem_is_summed_up_in_numbers_that_do_not_depend_on_the_order_of_its_cells():
    turned = Problem(PROBLEM.candidates[::-1], PROBLEM.tokens, PROBLEM.cell_features[::-1])

    of_tokens = np.bincount(PROBLEM.tokens, minlength=8) / 2
    expected = [np.log(2), np.log(2), 0.75, 0.25, 2.0, 4.0, 1.0, 0.0, 1.0, 4.0, 3.0, 4.0, *of_tokens]
    assert PROBLEM.summary == pytest.approx(expected)
    assert turned.summary == pytest.approx(PROBLEM.summary)


def test_each_sign_has_a_name_whatever_the_task():
    for task in builtin_tasks().all():
        item = task.generate(np.random.default_rng(0), task.info.sizes[0])
        evidence = Evidence(0.0, 1, 12.0, 10.0, task.encode(item.instance))

        found = names(task.info.spec)
        assert len(evidence.signs()) == len(found) == len(set(found))


def test_without_an_objective_or_a_bound_there_is_nothing_to_weigh():
    whole = Evidence(0.0, 1, 12.0, 10.0, PROBLEM)

    assert whole.signs() is not None
    assert replace(whole, objective=None).signs() is None
    assert replace(whole, bound=None).signs() is None


def test_how_long_nothing_better_was_found_counts_valid_answers_only():
    earlier = [step(14.0), step(12.0), step(11.0, valid=False), step(13.0)]

    assert sign(Evidence(0.0, 5, 12.0, 10.0, PROBLEM, earlier), 4) == pytest.approx(np.log(1 + 3))
    assert sign(Evidence(0.0, 5, 11.5, 10.0, PROBLEM, earlier), 4) == 0.0


def test_the_signs_do_not_depend_on_the_unit_of_the_objective():
    one, other = Evidence(1.0, 2, 12.0, 10.0, PROBLEM), Evidence(1.0, 2, 12000.0, 10000.0, PROBLEM)

    assert one.signs() == pytest.approx(other.signs())
