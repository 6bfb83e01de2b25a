"""The engine with a ten-line model: what it decides, without what a network computes."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest

from agent_reasoning.engine.engine import STALLED_AFTER_SECONDS, Engine
from agent_reasoning.engine.model import Refined
from agent_reasoning.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded
from agent_reasoning.problem import Problem, Verdict

PROBLEM = Problem(np.ones((1, 100), bool), np.zeros(1, np.int64))


@dataclass
class Counting:
    """Sample k answers step + 10 k; `before` runs ahead of each step."""

    task: str = "toy"
    applications_per_step: int = 2
    before: object = lambda step: None
    steps: list = field(default_factory=list)

    def confidence(self, logit, step):
        return logit

    def refine(self, problem, samples, seed):
        step = 0
        while True:
            step += 1
            self.before(step)
            self.steps.append(step)
            answers = [[min(step + 10 * sample, 99)] for sample in range(samples)]
            yield Refined(np.array(answers), np.array([0.1 * sample for sample in range(samples)], np.float32))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def accept(*answers):
    return lambda choice: Verdict(True) if choice[0] in answers else Verdict(False, ("wrong",))


@pytest.fixture
def engines():
    started = []

    def make(model=None, **options):
        engine = Engine([model or Counting()], **options)
        engine.start()
        started.append(engine)
        return engine

    yield make
    for engine in started:
        engine.stop()


def submit(engine, verify=accept(), **options):
    options = {"max_steps": 8, "samples": 1, "seed": 0, "timeout_seconds": 30.0} | options
    return engine.submit("toy", PROBLEM, verify, **options)


def test_it_stops_at_the_first_verified_answer(engines):
    outcome = submit(engines(), accept(3)).result(5)

    assert [int(record.choice[0]) for record in outcome.records] == [1, 2, 3]
    assert [record.verdict.valid for record in outcome.records] == [False, False, True]
    assert (outcome.halted_by, outcome.applications) == ("verified", 6)


def test_without_a_verified_answer_it_stops_at_the_step_limit_and_says_so(engines):
    outcome = submit(engines(), max_steps=4).result(5)

    assert outcome.halted_by == "max_steps"
    assert len(outcome.records) == 4
    assert not outcome.records[-1].verdict.valid


def test_of_several_samples_the_verified_one_wins(engines):
    outcome = submit(engines(), accept(12), samples=4).result(5)

    assert outcome.sample == 1
    assert [int(record.choice[0]) for record in outcome.records] == [11, 12]
    assert outcome.applications == 2 * 4 * 2


def test_where_nothing_verifies_the_most_confident_sample_is_given(engines):
    assert submit(engines(), samples=3, max_steps=2).result(5).sample == 2


def test_an_objective_is_not_settled_by_validity_alone(engines):
    def verify(choice):
        return Verdict(True, objective=float(10 - choice[0]), bound=5.0)

    outcome = submit(engines(), verify).result(5)

    assert outcome.halted_by == "verified"
    assert outcome.records[-1].verdict.objective == 5.0
    assert len(outcome.records) == 5


def test_a_deadline_after_the_first_step_gives_the_best_so_far(engines):
    clock = Clock()

    def before(step):
        clock.now += 1.0

    outcome = submit(engines(Counting(before=before), clock=clock), timeout_seconds=2.5).result(5)

    assert (outcome.halted_by, len(outcome.records)) == ("deadline", 3)


def test_a_deadline_before_the_first_step_is_an_error(engines):
    engine = engines(clock=lambda: 7.0)

    with pytest.raises(DeadlineExceeded):
        submit(engine, timeout_seconds=0.0).result(5)


def test_a_full_queue_refuses_at_once(engines):
    entered, release = threading.Event(), threading.Event()

    def before(step):
        entered.set()
        release.wait(5)

    engine = engines(Counting(before=before), max_queue=1)
    running = submit(engine)
    assert entered.wait(5)
    waiting = submit(engine)

    with pytest.raises(Overloaded):
        submit(engine)

    release.set()
    assert running.result(5)
    assert waiting.result(5)


def test_a_cancelled_job_leaves_before_its_next_step(engines):
    entered, release = threading.Event(), threading.Event()

    def before(step):
        if step == 2:
            entered.set()
            release.wait(5)

    model = Counting(before=before)
    engine = engines(model)
    future = submit(engine, max_steps=50)
    assert entered.wait(5)
    assert future.cancel()
    release.set()

    submit(engine, accept(1)).result(5)

    assert model.steps == [1, 2, 1]


def test_a_model_that_fails_fails_its_own_request_and_no_other(engines):
    failing = [True]

    def before(step):
        if failing.pop() if failing else False:
            raise RuntimeError("tensor at 0x1234")

    engine = engines(Counting(before=before))

    with pytest.raises(EngineFailed) as failed:
        submit(engine).result(5)
    assert "0x1234" not in str(failed.value)
    assert submit(engine, accept(1)).result(5).halted_by == "verified"
    assert engine.ailment() is None


def test_a_verifier_that_fails_fails_its_own_request_and_no_other(engines):
    def broken(choice):
        raise ZeroDivisionError

    engine = engines()

    with pytest.raises(EngineFailed):
        submit(engine, broken).result(5)
    assert submit(engine, accept(1)).result(5)


def test_work_without_a_step_for_long_is_an_ailment(engines):
    clock, entered, release = Clock(), threading.Event(), threading.Event()

    def before(step):
        entered.set()
        release.wait(5)

    engine = engines(Counting(before=before), clock=clock)
    future = submit(engine, accept(1), timeout_seconds=1e9)
    assert entered.wait(5)
    assert engine.ailment() is None
    clock.now += STALLED_AFTER_SECONDS + 1

    assert "no step for 31 s" in engine.ailment()

    release.set()
    future.result(5)


def test_a_stopped_engine_is_ill_and_takes_no_work():
    engine = Engine([Counting()])
    engine.start()
    engine.stop()

    assert engine.ailment() == "the engine thread is dead"
    with pytest.raises(NotReady):
        submit(engine)


def test_stopping_finishes_what_was_accepted():
    entered, release = threading.Event(), threading.Event()

    def before(step):
        entered.set()
        release.wait(5)

    engine = Engine([Counting(before=before)])
    engine.start()
    futures = [submit(engine, accept(1)) for _ in range(3)]
    assert entered.wait(5)
    release.set()
    engine.stop()

    assert [future.result(0).halted_by for future in futures] == ["verified"] * 3


def test_observers_hear_of_every_step(engines):
    reports = []

    submit(engines(observe=reports.append), accept(3), samples=2).result(5)

    assert [(report.task, report.samples) for report in reports] == [("toy", 2)] * 3


def test_an_answer_that_was_refused_before_is_not_checked_again_and_gets_no_confidence(engines):
    @dataclass
    class Wavering(Counting):
        def refine(self, problem, samples, seed):
            for answer in (5, 6, 5, 7):
                yield Refined(np.array([[answer]]), np.array([0.8], np.float32))

    checked = []

    def verify(choice):
        checked.append(int(choice[0]))
        return accept(7)(choice)

    outcome = submit(engines(Wavering()), verify).result(5)

    assert checked == [5, 6, 7]
    assert [round(record.confidence, 1) for record in outcome.records] == [0.8, 0.8, 0.0, 0.8]
    assert [record.verdict.valid for record in outcome.records] == [False, False, False, True]


def test_a_valid_answer_is_not_lost_to_later_steps(engines):
    """With an objective the search goes on after a valid answer; what is given is the best, not the last."""
    costs = {1: 9.0, 2: 4.0, 3: 6.0}

    def verify(choice):
        cost = costs.get(int(choice[0]))
        return Verdict(False, ("wrong",)) if cost is None else Verdict(True, objective=cost, bound=1.0)

    outcome = submit(engines(), verify, max_steps=6).result(5)

    assert len(outcome.records) == 6
    assert (outcome.answer.verdict.objective, outcome.best) == (4.0, 1)
