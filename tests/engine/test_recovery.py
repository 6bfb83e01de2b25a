"""What the engine does when a step, or the making of slots, fails."""

import gc
import threading
import weakref

import pytest

from agent_reasoning.errors import EngineFailed
from tests.engine.toy import Counting, accept, problem_of, submit


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


def test_where_memory_runs_out_for_several_workers_at_once_the_slots_are_halved_once(engines):
    """Four steps of one bucket fail together."""
    together = threading.Barrier(4, timeout=5)
    model = FullDevice(room=32, at="step").make(rows_at_once=1)
    fail = model.before

    def before(slots):
        if model.pools[-1].capacity > 32:
            together.wait()
        fail(slots)

    model.before = before
    engine = engines(model, slots=64, workers=4)
    futures = [submit(engine, accept(4), seed=seed) for seed in range(8)]

    assert [len(future.result(5).records) for future in futures] == [4] * 8
    assert engine.slots() == {"toy": (0, 32)}


def test_where_memory_runs_out_as_a_sample_follows_in_a_slot_the_request_is_answered(engines):
    entered = []

    def entering(slots):
        entered.append(len(slots))
        if len(entered) == 2:
            raise MemoryError

    engine = engines(Counting(entering=entering), slots=8)

    outcome = submit(engine, accept(75), samples=8, max_steps=6).result(5)

    assert (outcome.sample, len(outcome.records)) == (7, 5)
    assert entered[:3] == [2, 1, 1]  # two lanes; the third sample in one's slot; from the start with half the slots
    assert engine.slots() == {"toy": (0, 4)}


class Device:
    """Has room for so many slots in all that are alive."""

    def __init__(self, room):
        self.room, self.alive, self.made = room, weakref.WeakSet(), []

    def model(self):
        model = Counting()
        make_pool = model.pool

        def pool(bucket, slots):
            gc.collect()
            self.made.append((slots, sum(pool.capacity for pool in self.alive)))
            if self.made[-1][1] + slots > self.room:
                raise MemoryError
            made = make_pool(bucket, slots)
            model.pools.clear()
            self.alive.add(made)
            return made

        model.pool = pool
        return model


def test_where_slots_that_nobody_uses_fill_the_memory_they_are_given_back_first(engines):
    device = Device(room=256)
    engine = engines(device.model())

    answers = [submit(engine, accept(1), problem=problem_of(50 + number)).result(5) for number in range(12)]

    assert [answer.halted_by for answer in answers] == ["verified"] * 12
    assert engine.slots() == {"toy": (0, 64)}


def test_what_has_failed_is_let_go_of_before_less_is_asked_for(engines):
    device = Device(room=64)
    model = device.model()
    sizes = weakref.WeakKeyDictionary()

    def entering(slots):
        (pool,) = device.alive
        if sizes.setdefault(pool, pool.capacity) > 16:
            raise MemoryError

    model.entering = entering

    assert submit(engines(model), accept(1)).result(5).halted_by == "verified"
    assert device.made == [(64, 0), (32, 0), (16, 0)]


def test_a_device_that_fails_every_request_that_waits_fails_them_one_by_one(engines):
    """However many they are: the engine once went a level deeper for each."""
    entered, release, broken = threading.Event(), threading.Event(), []

    def before(slots):
        entered.set()
        release.wait(5)

    def entering(slots):
        if broken:
            raise RuntimeError("device lost")

    engine = engines(Counting(before=before, entering=entering), slots=1, max_queue=600)
    first = submit(engine, accept(1))
    assert entered.wait(5)
    futures = [submit(engine) for _ in range(500)]
    broken.append(True)
    release.set()

    assert first.result(5).halted_by == "verified"
    assert {repr(future.exception(5).__cause__) for future in futures} == {"RuntimeError('device lost')"}
    assert all(isinstance(future.exception(), EngineFailed) for future in futures)
    assert (engine.waiting, engine.ailment()) == (0, None)


def test_what_nobody_uses_does_not_fill_the_memory(engines):
    """A service that has seen many sizes of problems holds slots for the latest of them."""
    model = Counting()
    engine = engines(model)
    made = []
    model.entering = lambda slots: setattr(model.pools[-1], "size_bytes", 2**27)

    for number in range(6):
        submit(engine, accept(1), problem=problem_of(50 + number)).result(5)
        made.append(weakref.ref(model.pools.pop()))
    gc.collect()

    assert [pool() is not None for pool in made] == [False] * 3 + [True] * 3


def test_a_pool_that_others_are_still_stepping_is_waited_for_before_a_smaller_one_is_made(engines):
    """One of two steps under way runs out of memory; what the other holds is not free before it is back."""
    device, failed, release = Device(room=64), threading.Event(), threading.Event()
    model = device.model()
    model.rows_at_once = 1
    steps = []

    def before(slots):
        (pool,) = device.alive
        if pool.capacity == 64:
            steps.append(slots)
            if len(steps) == 2:
                failed.set()
                raise MemoryError
            failed.wait(5)
            release.wait(0.2)  # long enough for an engine that does not wait

    model.before = before
    engine = engines(model, workers=2)
    futures = [submit(engine, accept(2), seed=seed) for seed in range(4)]

    assert [len(future.result(5).records) for future in futures] == [2] * 4
    assert engine.slots() == {"toy": (0, 32)}
    assert device.made == [(64, 0), (32, 0)]


def test_what_others_leave_unused_excuses_a_lack_of_memory_once(engines):
    """Otherwise a request that never fits would start afresh for as long as other sizes come and go."""
    never_fits, model, passed_by = problem_of(200), Counting(), threading.Event()
    failures = []

    make_pool = model.pool

    def lacking_memory(slots):
        passed_by.wait(1)  # until there is something to give back again
        passed_by.clear()
        failures.append(slots)
        raise MemoryError

    def pool(bucket, slots):
        made = make_pool(bucket, slots)
        if bucket == never_fits.size and slots > 16:
            made.step = lacking_memory
        return made

    model.pool = pool
    engine = engines(model, slots=64, workers=2)
    large = submit(engine, accept(1), problem=never_fits, timeout_seconds=3.0)
    others = 0
    while not large.done():
        submit(engine, accept(1), problem=problem_of(100 + others % 40)).result(5)
        others += 1
        passed_by.set()

    assert large.result().halted_by == "verified"
    assert engine.slots() == {"toy": (0, 16)}
    assert len(failures) <= 3  # with 64 slots, which is excused, with 64 again, and with 32
