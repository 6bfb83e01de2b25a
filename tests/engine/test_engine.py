"""What the engine decides, seen with a model of ten lines (`toy`)."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.engine.cores import usable_cores
from agent_reasoning.engine.engine import STALLED_AFTER_SECONDS, Engine
from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.job import Job, Trajectory
from agent_reasoning.engine.slots import ModelSlots
from agent_reasoning.engine.turns import Turns
from agent_reasoning.errors import DeadlineExceeded, EngineFailed, NotReady, Overloaded
from agent_reasoning.problem import Verdict
from tests.engine.toy import OTHER_BUCKET, PROBLEM, Clock, Counting, accept, problem_of, submit, told


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


def test_as_many_requests_as_slots_and_queue_are_never_refused_however_many_samples_they_ask_for(engines):
    """What Knative is told a pod can hold (containerConcurrency); it counts requests, and the engine trajectories."""
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        entered.set()
        release.wait(5)

    engine = engines(Counting(before=before), slots=8, max_queue=2)
    held = [submit(engine, samples=64, max_steps=1)]
    assert entered.wait(5)
    held += [submit(engine, samples=64, max_steps=1) for _ in range(8 + 2 - 1)]

    with pytest.raises(Overloaded):
        submit(engine)
    assert held.pop().cancel()
    held.append(submit(engine, max_steps=1))  # the place of who has gone is free at once

    release.set()
    assert all(future.result(5) for future in held)
    assert engine.waiting == 0


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
    model.confidence = lambda evidence: 0.8
    outcome = submit(engines(model), verify).result(5)

    assert checked == [5, 6, 7]
    assert [record.confidence for record in outcome.records] == [0.8, 0.8, 0.0, 0.8]
    assert [record.verdict.valid for record in outcome.records] == [False, False, False, True]


def test_an_answer_worse_than_one_before_gets_no_confidence_and_one_at_the_bound_its_own(engines):
    costs = {1: 5.0, 2: 7.0, 3: 5.0, 4: 1.0}
    model = Counting()
    model.confidence = lambda evidence: 0.9 if evidence.meets_bound else 0.6

    outcome = submit(engines(model), lambda choice: Verdict(True, (), costs[int(choice[0])], bound=1.0)).result(5)

    assert [record.confidence for record in outcome.records] == [0.6, 0.0, 0.6, 0.9]


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


def test_who_may_need_no_more_than_the_first_sample_goes_before_whom_others_work_for_already():
    """Both may have as many samples; the one in company came first."""
    model, turns = Counting(), Turns()
    company, alone = (
        Job("toy", problem, problem.size, problem, accept(), 8, 64, 0, 9.0, queued)
        for problem, queued in ((PROBLEM, 0.0), (OTHER_BUCKET, 1.0))
    )
    company.lanes = [Trajectory(0, 0, 0), Trajectory(1, 1, 0)]
    alone.lanes = [Trajectory(0, 0, 0), Trajectory(1, 1, 8)]
    for job in (company, alone):
        assert job.start_round(0)
        turns.add(job)

    _, rows = turns.take(lambda job: model.pool(job.bucket, 64))

    assert [row.job for row in rows] == [alone]


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
@given(
    st.lists(jobs(), min_size=1, max_size=6),
    st.integers(1, 16),
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from([None, 2, 3]),
    st.booleans(),
)
def test_what_a_job_gets_follows_from_the_job_alone(asked, slots, rows_at_once, head_start, same_answer, one_job):
    """Alone, in a crowd, whatever shares its ticks, on several cores, and with steps that run ahead of their verdicts."""

    def run(together, ahead, workers=1):
        halting = Halting(head_start=head_start, same_answer=same_answer)
        answer = (lambda sample, step: min(step // 2 + 10 * sample, 99)) if same_answer else Counting.answer
        engine = Engine(
            [Counting(ahead=ahead, rows_at_once=rows_at_once, one_job=one_job, halting=halting, answer=answer)],
            slots=slots,
            workers=workers,
        )
        engine.start()
        try:
            if together:
                futures = [submit(engine, **options) for options in asked]
                return [told(future.result(10)) for future in futures]
            return [told(submit(engine, **options).result(10)) for options in asked]
        finally:
            engine.stop()
            assert engine.slots() == {"toy": (0, slots)}

    alone = run(together=False, ahead=0)

    assert run(together=True, ahead=0) == alone
    assert run(together=True, ahead=0, workers=3) == alone
    assert run(together=True, ahead=1, workers=2) == alone


@pytest.mark.parametrize(
    ("lanes", "parts"), [(1, [[0]]), (2, [[0], [1]]), (5, [[0, 1, 2], [3, 4]]), (8, [[0, 1, 2], [3, 4, 5], [6, 7]])]
)
def test_where_a_step_is_of_one_job_a_round_is_cut_up_the_same_way_whoever_waits_beside_it(lanes, parts):
    """In the order of samples, whatever their slots; into two parts at least, for as many cores."""
    model, turns = Counting(rows_at_once=3, one_job=True), Turns()
    pool = model.pool(PROBLEM.size, 64)
    asked, *others = (
        Job("toy", PROBLEM, PROBLEM.size, PROBLEM, accept(), 8, 64, 0, 9.0, queued) for queued in (1.0, 0.0, 2.0)
    )
    for job, number in zip((asked, *others), (lanes, 4, 1), strict=True):
        job.lanes = [Trajectory(sample, 40 - sample, 0) for sample in range(number)]
        assert job.start_round(0)
        turns.add(job)

    steps = []
    while turns:
        _, rows = turns.take(lambda job: pool)
        (job,) = {row.job for row in rows}
        if job.to_step:
            turns.add(job)
        if job is asked:
            steps.append([row.trajectory.sample for row in rows])

    assert steps == parts


def test_running_ahead_starts_the_next_step_before_the_verdict_is_in(engines):
    ahead_by = []

    def verify(choice):
        started.wait(5)
        ahead_by.append(len(model.ticks) - int(choice[0]))
        return accept(3)(choice)

    started = threading.Event()
    model = Counting(ahead=1, before=lambda slots: started.set() if len(model.ticks) == 1 else None)
    outcome = submit(engines(model, workers=2), verify).result(5)

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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_engine_says_so_and_leaves_nobody_waiting(engines):
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        entered.set()
        release.wait(5)

    def confidence(evidence):
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


def test_a_slot_is_freed_once_where_a_request_leaves_after_one_of_its_samples_has_ended(engines):
    """Sample 0 has given up while a step of it is in flight; then the caller goes."""
    gave_up, entered, release = threading.Event(), threading.Event(), threading.Event()

    def before(slots):
        if not entered.is_set() and max(model.pools[0].held[slot][1] for slot in slots) == 2:
            entered.set()
            release.wait(5)

    def answer(sample, step):
        return 5 if sample == 0 else step + 10 * sample

    def listen(sample, step, record):
        if (sample, step) == (1, 2):
            gave_up.set()

    model = Counting(ahead=1, halting=Halting(same_answer=2), before=before, answer=answer)
    engine = engines(model, workers=2, slots=16)
    leaving = submit(engine, samples=2, max_steps=50, listener=listen)
    assert entered.wait(5)
    release.set()
    assert gave_up.wait(5)
    leaving.cancel()
    model.answer = Counting.answer
    following = [submit(engine, accept(9), max_steps=9, seed=seed) for seed in range(20)]

    assert [len(future.result(5).records) for future in following] == [9] * 20
    assert engine.slots() == {"toy": (0, 16)}


def test_at_the_deadline_the_verdicts_of_an_incomplete_round_count(engines):
    """Two of four samples have taken their first step then."""
    clock = Clock()

    def before(slots):
        clock.now += 1

    model = Counting(before=before, rows_at_once=1)
    outcome = submit(engines(model, clock=clock), accept(11), samples=4, timeout_seconds=1.5).result(5)

    assert (outcome.halted_by, outcome.sample, outcome.answer.verdict.valid) == ("verified", 1, True)


def test_a_step_that_hangs_is_an_ailment_though_nobody_waits_for_it_any_more(engines):
    clock, entered, release = Clock(), threading.Event(), threading.Event()

    def before(slots):
        entered.set()
        release.wait(5)

    engine = engines(Counting(before=before), clock=clock)
    future = submit(engine, timeout_seconds=1e9)
    assert entered.wait(5)
    future.cancel()
    with pytest.raises(DeadlineExceeded):  # one more, so that the engine has seen the first one go
        submit(engine, timeout_seconds=0.0).result(5)
    clock.now += STALLED_AFTER_SECONDS + 1

    assert "no step for 31 s" in engine.ailment()
    release.set()


def test_requests_of_many_samples_leave_a_quarter_of_the_slots_to_the_others(engines):
    entered, release = threading.Event(), threading.Event()

    def before(slots):
        entered.set()
        release.wait(5)

    engine = engines(Counting(before=before))
    many = [submit(engine, samples=64, problem=problem_of(50 + number), max_steps=2) for number in range(4)]
    single = submit(engine, accept(1))
    assert entered.wait(5)
    while engine.waiting > 1:
        release.wait(0.001)
    used = engine.slots()
    release.set()

    assert used == {"toy": (3 * 16 + 1, 64)}
    assert single.result(5).halted_by == "verified"
    assert [future.result(5).halted_by for future in many] == ["max_steps"] * 4


def test_a_request_of_many_samples_is_not_passed_for_ever_by_smaller_ones():
    """A stream of eight-lane jobs would always hold more than there must be left for sixteen lanes."""
    slots = ModelSlots(Counting(), 64)

    def job(samples):
        return Job("toy", PROBLEM, PROBLEM.size, PROBLEM, accept(), 8, samples, 0, 9.0, 0.0)

    running = [job(8) for _ in range(6)]
    large, small, single = job(16), job(8), job(1)
    slots.waiting.extend([*running, large, small, single])
    while (entering := slots.next_to_enter()) is not None:
        slots.enter(entering)
    assert list(slots.waiting) == [large, small]

    slots.leave(running[0])
    assert slots.next_to_enter() is None  # the small one would fit
    slots.leave(running[1])
    assert slots.next_to_enter() is large


@pytest.mark.parametrize(("ahead", "workers"), [(0, usable_cores()), (1, 2)])
def test_a_cpu_gets_a_worker_for_each_core_and_a_gpu_two(ahead, workers):
    before = threading.active_count()
    engine = Engine([Counting(ahead=ahead)])
    engine.start()
    try:
        assert threading.active_count() - before == workers + 1
    finally:
        engine.stop()
