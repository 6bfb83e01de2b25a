"""What the engine decides, seen with a model of ten lines (`toy`)."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.engine.engine import STALLED_AFTER_SECONDS, Engine
from agent_reasoning.engine.halting import Halting
from agent_reasoning.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded
from agent_reasoning.problem import Verdict
from tests.engine.toy import OTHER_BUCKET, Counting, accept, submit, told


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


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

    def before(slots):
        clock.now += 1.0

    outcome = submit(engines(Counting(before=before), clock=clock), timeout_seconds=2.5).result(5)

    assert (outcome.halted_by, len(outcome.records)) == ("deadline", 3)


def test_a_deadline_before_the_first_step_is_an_error(engines):
    engine = engines(clock=lambda: 7.0)

    with pytest.raises(DeadlineExceeded):
        submit(engine, timeout_seconds=0.0).result(5)


def test_a_full_queue_refuses_at_once(engines):
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        entered.set()
        release.wait(5)

    engine = engines(Counting(before=before), max_queue=1, slots=1)
    running = submit(engine)
    assert entered.wait(5)
    waiting = submit(engine)

    with pytest.raises(Overloaded):
        submit(engine)

    release.set()
    assert running.result(5)
    assert waiting.result(5)


def test_a_cancelled_job_is_out_of_its_slots_before_the_next_tick(engines):
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        if len(model.ticks) == 1:
            entered.set()
            release.wait(5)

    model = Counting(before=before)
    engine = engines(model)
    future = submit(engine, max_steps=50, samples=3)
    assert entered.wait(5)
    assert future.cancel()
    release.set()

    submit(engine, accept(1)).result(5)

    assert model.ticks == [[(0, 1), (1, 1), (2, 1)], [(0, 2), (1, 2), (2, 2)], [(0, 1)]]
    assert engine.slots() == {"toy": (0, 64)}


def test_a_model_that_fails_fails_its_own_request_and_no_other(engines):
    failing = [True]

    def before(slots):
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

    def before(slots):
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

    def before(slots):
        entered.set()
        release.wait(5)

    engine = Engine([Counting(before=before)])
    engine.start()
    futures = [submit(engine, accept(1)) for _ in range(3)]
    assert entered.wait(5)
    release.set()
    engine.stop()

    assert [future.result(0).halted_by for future in futures] == ["verified"] * 3


def test_observers_hear_of_every_tick(engines):
    reports = []

    submit(engines(observe=reports.append), accept(3), samples=2).result(5)

    assert [(report.task, report.rows) for report in reports] == [("toy", 2)] * 3


def test_listeners_hear_of_every_step_in_order(engines):
    heard = []

    outcome = submit(
        engines(), accept(13), samples=2, listener=lambda sample, step, record: heard.append((sample, step, record))
    ).result(5)

    assert [(sample, step) for sample, step, _ in heard] == [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]
    assert [record for sample, _, record in heard if sample == 1] == list(outcome.records)


def test_an_answer_that_was_refused_before_is_not_checked_again_and_gets_no_confidence(engines):
    checked = []

    def verify(choice):
        checked.append(int(choice[0]))
        return accept(7)(choice)

    model = Counting(answer=lambda sample, step: (5, 6, 5, 7)[step - 1])
    model.confidence = lambda logit, step: 0.8
    outcome = submit(engines(model), verify).result(5)

    assert checked == [5, 6, 7]
    assert [record.confidence for record in outcome.records] == [0.8, 0.8, 0.0, 0.8]
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


def test_who_comes_later_enters_beside_those_on_their_way_and_leaves_when_it_is_done(engines):
    """Continuous batching: no tick waits for a full batch, and nobody waits for a batch to end."""
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        if len(model.ticks) == 2:
            entered.set()
            release.wait(5)

    model = Counting(before=before)
    engine = engines(model)
    long = submit(engine, max_steps=6)
    assert entered.wait(5)
    short = submit(engine, accept(2))
    release.set()

    assert (short.result(5).halted_by, long.result(5).halted_by) == ("verified", "max_steps")
    assert [(0, 1)] in model.ticks[:2]
    assert len(model.pools) == 1
    together = [rows for rows in model.ticks if len(rows) == 2]
    assert together, "they never shared a tick"
    assert all(one != other for one, other in together)  # at different steps
    assert sum(map(len, model.ticks)) == 6 + 2


def test_slots_are_as_many_as_were_asked_for_and_who_waits_gets_the_first_free_one(engines):
    held = []
    model = Counting(before=lambda slots: held.append(engine.slots()["toy"][0]))
    engine = engines(model, slots=3)

    futures = [submit(engine, max_steps=steps) for steps in (9, 2, 3, 4, 5, 2)]

    assert [len(future.result(5).records) for future in futures] == [9, 2, 3, 4, 5, 2]
    assert max(held) <= 3
    assert model.pools[0].capacity == 3


def test_a_job_of_many_samples_shares_its_turns_with_one_of_a_single_sample(engines):
    """Sixteen lanes take four ticks a round here, and the job 128 in all; the other need not wait for that."""
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        if len(model.ticks) == 8:
            entered.set()
            release.wait(5)

    model = Counting(before=before)
    engine = engines(model)
    many = submit(engine, samples=64, max_steps=8)
    assert entered.wait(5)
    single = submit(engine, accept(3), problem=OTHER_BUCKET)
    release.set()
    single.result(5)
    ticks_until_answered = len(model.ticks) - 8

    assert ticks_until_answered < 64  # 6 where verdicts come at once; here they race with empty ticks
    assert many.result(10).halted_by == "max_steps"


def test_more_samples_than_lanes_follow_one_another(engines):
    model = Counting()

    outcome = submit(engines(model, slots=8), accept(75), samples=8, max_steps=6).result(5)

    assert (outcome.sample, len(outcome.records), outcome.halted_by) == (7, 5, "verified")
    assert max(map(len, model.ticks)) == 2
    assert outcome.applications == sum(map(len, model.ticks)) * 2


def test_the_first_verified_answer_frees_its_siblings(engines):
    engine = engines()

    outcome = submit(engine, accept(2), samples=8).result(5)

    assert outcome.sample == 0
    assert engine.slots() == {"toy": (0, 64)}


@st.composite
def jobs(draw):
    return {
        "verify": accept(*draw(st.lists(st.integers(1, 60), max_size=3))),
        "samples": draw(st.integers(1, 9)),
        "max_steps": draw(st.integers(1, 7)),
    }


@settings(deadline=None, max_examples=40)
@given(st.lists(jobs(), min_size=1, max_size=6), st.integers(1, 16), st.integers(1, 5), st.integers(0, 3))
def test_what_a_job_gets_follows_from_the_job_alone(asked, slots, rows_at_once, head_start):
    """Alone, in a crowd, whatever shares its ticks, on several cores, and with steps that run ahead of their verdicts."""

    def run(together, ahead, workers=1):
        halting = Halting(head_start=head_start)
        engine = Engine(
            [Counting(ahead=ahead, rows_at_once=rows_at_once, halting=halting)], slots=slots, workers=workers
        )
        engine.start()
        try:
            if together:
                futures = [submit(engine, **options) for options in asked]
                return [told(future.result(10)) for future in futures]
            return [told(submit(engine, **options).result(10)) for options in asked]
        finally:
            engine.stop()

    alone = run(together=False, ahead=0)

    assert run(together=True, ahead=0) == alone
    assert run(together=True, ahead=0, workers=3) == alone
    assert run(together=True, ahead=1) == alone


def test_running_ahead_starts_the_next_step_before_the_verdict_is_in(engines):
    ahead_by = []

    def verify(choice):
        started.wait(5)
        ahead_by.append(len(model.ticks) - int(choice[0]))
        return accept(3)(choice)

    started = threading.Event()
    model = Counting(ahead=1, before=lambda slots: started.set() if len(model.ticks) == 1 else None)
    outcome = submit(engines(model), verify).result(5)

    assert max(ahead_by) >= 1
    assert len(model.ticks) <= 5
    assert [int(record.choice[0]) for record in outcome.records] == [1, 2, 3]  # what ran ahead is not told


def test_without_running_ahead_no_step_is_taken_in_vain(engines):
    model = Counting()

    submit(engines(model), accept(3)).result(5)

    assert len(model.ticks) == 3


def test_verifying_is_not_the_engine_threads_work_and_holds_up_nobody_else(engines):
    release, threads = threading.Event(), set()

    def slow(choice):
        threads.add(threading.current_thread().name)
        release.wait(5)
        return Verdict(True)

    model = Counting()
    engine = engines(model, workers=2)
    first = submit(engine, slow)
    while not threads:
        first.done() or release.wait(0.001)
    ticked = len(model.ticks)
    others = submit(engine, accept(1), problem=OTHER_BUCKET)
    while len(model.ticks) == ticked:
        assert not others.done()
        release.wait(0.001)
    release.set()

    assert threads <= {"worker-0", "worker-1"}
    assert others.result(5).halted_by == first.result(5).halted_by == "verified"


def test_a_deadline_is_kept_while_a_verdict_is_awaited(engines):
    release = threading.Event()

    def verify(choice):
        if choice[0] == 2:
            release.wait(5)
        return Verdict(False, ("wrong",))

    outcome = submit(engines(), verify, timeout_seconds=0.2).result(4)
    release.set()

    assert (outcome.halted_by, len(outcome.records)) == ("deadline", 1)


class FullDevice:
    """Has room for so many slots, and says so in the words of an allocator."""

    def __init__(self, room, at):
        self.room, self.at = room, at

    def make(self, **options):
        model = Counting(**options)
        make_pool = model.pool

        def pool(bucket, slots):
            self.check("pool", min(slots, model.capacity))
            return make_pool(bucket, slots)

        model.pool = pool
        model.entering = lambda slots: self.check("enter", model.pools[-1].capacity)
        model.before = lambda slots: self.check("step", model.pools[-1].capacity)
        return model

    def check(self, at, capacity):
        if at == self.at and capacity > self.room:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")


@pytest.mark.parametrize("at", ["pool", "enter", "step"])
def test_where_memory_runs_out_the_slots_are_halved_and_the_requests_answered(engines, at):
    engine = engines(FullDevice(room=16, at=at).make(), slots=64)
    futures = [submit(engine, accept(4), seed=seed) for seed in range(12)]

    assert [len(future.result(5).records) for future in futures] == [4] * 12
    assert engine.slots() == {"toy": (0, 16)}
    assert (engine.waiting, engine.ailment()) == (0, None)


def test_where_there_is_no_room_for_one_slot_the_request_fails_clearly(engines):
    engine = engines(FullDevice(room=0, at="step").make(), slots=4)

    with pytest.raises(EngineFailed):
        submit(engine).result(5)
    assert engine.slots() == {"toy": (0, 1)}
    assert (engine.waiting, engine.ailment()) == (0, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_engine_says_so_and_leaves_nobody_waiting(engines):
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        entered.set()
        release.wait(5)

    def confidence(logit, step):
        raise SystemExit  # no Exception: nothing that the engine may survive

    model = Counting(before=before)
    model.confidence = confidence
    engine = engines(model, slots=1)
    futures = [submit(engine) for _ in range(3)]
    assert entered.wait(5)
    release.set()

    for future in futures:
        with pytest.raises(EngineFailed, match="has died"):
            future.result(5)
    engine._thread.join(5)
    assert engine.ailment() == "the engine thread is dead"
    with pytest.raises(NotReady):
        submit(engine)


def test_the_policy_of_the_model_decides_when_to_give_up(engines):
    model = Counting(answer=lambda sample, step: 5, halting=Halting(same_answer=3))

    outcome = submit(engines(model), max_steps=50).result(5)

    assert (outcome.halted_by, len(outcome.records)) == ("same_answer", 3)


def test_the_plain_trajectory_has_a_head_start(engines):
    """Sample 0 would verify at step 3: with a head start of 3 nobody else takes a step for it."""
    model = Counting(halting=Halting(head_start=3))
    engine = engines(model)

    submit(engine, accept(3), samples=8).result(5)
    assert model.ticks == [[(0, 1)], [(0, 2)], [(0, 3)]]

    model.ticks.clear()
    outcome = submit(engine, accept(31), samples=8).result(5)
    assert outcome.sample == 3
    assert [sorted(rows) for rows in model.ticks[2:]] == [[(0, 3)], [(0, 4), (1, 1), (2, 1), (3, 1)]]


def test_a_slot_is_not_given_away_while_a_step_of_it_is_in_flight(engines):
    """A request that leaves in mid-step must not have its step written into its successor's state."""
    entered, release = threading.Event(), threading.Event()
    running, clashes = set(), []

    def before(slots):
        clashes.append(running & set(slots))
        running.update(slots)
        if not entered.is_set():
            entered.set()
            release.wait(5)
        running.difference_update(slots)

    model = Counting(before=before, entering=lambda slots: clashes.append(running & set(slots)))
    engine = engines(model, slots=2, workers=2)
    leaving = submit(engine, max_steps=50)
    assert entered.wait(5)
    leaving.cancel()
    answers = [submit(engine, accept(2)).result(5) for _ in range(3)]
    release.set()
    answers += [future.result(5) for future in [submit(engine, accept(3)) for _ in range(8)]]

    assert [len(answer.records) for answer in answers] == [2] * 3 + [3] * 8
    assert not any(clashes)


def test_a_listener_that_fails_fails_its_own_request_and_no_other(engines):
    engine = engines()

    with pytest.raises(EngineFailed):
        submit(engine, listener=lambda *told: 1 / 0).result(5)
    assert submit(engine, accept(2)).result(5).halted_by == "verified"
