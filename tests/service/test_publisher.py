import asyncio
from collections import Counter

import pytest
import stamina

from agent_reasoning.service.publisher import Publisher


class Away(Exception):
    """May pass."""


class Refused(Exception):
    """Will not."""


class Sink:
    """Does with each attempt what the plan says; then takes everything."""

    def __init__(self, *plan):
        self.plan, self.attempts, self.taken, self.open = list(plan), 0, [], asyncio.Event()
        self.open.set()

    async def __call__(self, item):
        self.attempts += 1
        await self.open.wait()
        if self.plan:
            raise self.plan.pop(0)
        self.taken.append(item)


@pytest.fixture(autouse=True)
def without_waits():
    with stamina.set_testing(True, attempts=50):
        yield


def publisher(sink, counted=None, **options):
    counted = Counter() if counted is None else counted
    return Publisher(
        sink, lambda error: isinstance(error, Away), count=lambda outcome: counted.update([outcome]), **options
    )


def test_everything_arrives_though_the_sink_fails_at_times():
    async def run():
        counted, sink = Counter(), Sink(Away(), Away(), Away())
        publishing = publisher(sink, counted)
        publishing.start()
        for item in range(20):
            publishing.offer(item)
        await publishing.flush(30)
        return counted, sorted(sink.taken), sink.attempts, publishing.depth

    assert asyncio.run(run()) == ({"delivered": 20}, list(range(20)), 23, 0)


def test_what_the_sink_refuses_is_not_tried_again():
    async def run():
        counted, sink = Counter(), Sink(Refused())
        publishing = publisher(sink, counted)
        publishing.start()
        publishing.offer("bad")
        await publishing.flush(30)
        return counted, sink.attempts

    assert asyncio.run(run()) == ({"refused": 1}, 1)


def test_what_never_arrives_is_given_up():
    async def run():
        counted, sink = Counter(), Sink(*[Away()] * 50)
        publishing = publisher(sink, counted)
        publishing.start()
        publishing.offer("unlucky")
        await publishing.flush(30)
        return counted, sink.taken

    assert asyncio.run(run()) == ({"given-up": 1}, [])


def test_a_sink_that_hangs_holds_up_nobody_and_what_is_beyond_the_limit_is_dropped():
    async def run():
        counted, sink = Counter(), Sink()
        sink.open.clear()
        publishing = publisher(sink, counted, limit=20)
        publishing.start()
        for item in range(30):
            publishing.offer(item)
            await asyncio.sleep(0)  # the senders take what they can hold
        depth = publishing.depth
        sink.open.set()
        await publishing.flush(30)
        return depth, counted, sorted(sink.taken)

    assert asyncio.run(run()) == (20, {"dropped": 10, "delivered": 20}, list(range(20)))


@pytest.mark.parametrize(
    ("plan", "attempts", "outcome"), [([], 1, "delivered"), ([Away()], 2, "delivered"), ([Refused()], 1, "refused")]
)
def test_an_attempt_under_way_when_the_end_comes_is_let_end_and_made_again_only_if_that_can_help(
    plan, attempts, outcome
):
    async def run():
        counted, sink = Counter(), Sink(*plan)
        sink.open.clear()
        publishing = publisher(sink, counted)
        publishing.start()
        publishing.offer("in flight")
        while not sink.attempts:
            await asyncio.sleep(0)  # polls a condition
        flushing = asyncio.ensure_future(publishing.flush(30))
        await asyncio.sleep(0)  # the senders have been told to end
        sink.open.set()
        await flushing
        return counted, sink.taken, sink.attempts, publishing.depth

    assert asyncio.run(run()) == ({outcome: 1}, ["in flight"] if outcome == "delivered" else [], attempts, 0)


def test_an_attempt_that_hangs_at_the_end_does_not_hold_up_what_waits_to_be_tried_again():
    """Its retry comes soon, not when the hanging one is given up."""

    async def run():
        counted, sink, hanging = Counter(), Sink(Away()), asyncio.Event()

        async def send(item):
            if item == "hanging":
                hanging.set()
                await asyncio.Event().wait()
            await sink(item)

        publishing = publisher(send, counted)
        stamina.set_testing(False)  # with real waits
        publishing.start()
        for item in ("hanging", "waiting"):
            publishing.offer(item)
        await hanging.wait()
        while not publishing._failing:
            await asyncio.sleep(0)  # polls a condition: the other one waits now
        flushing = asyncio.ensure_future(publishing.flush(30))
        while not sink.taken:
            assert not flushing.done()
            await asyncio.sleep(0.01)  # polls a condition
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
        return sink.taken

    assert asyncio.run(run()) == ["waiting"]


def test_what_has_not_arrived_when_the_time_is_over_is_counted_as_lost():
    async def run():
        counted, sink = Counter(), Sink()
        sink.open.clear()
        publishing = publisher(sink, counted)
        publishing.start()
        for item in range(12):
            publishing.offer(item)
        await publishing.flush(0.05)
        return counted, publishing.depth

    assert asyncio.run(run()) == ({"lost": 12}, 0)


def test_an_outage_is_said_once_and_so_is_its_end(capsys):
    async def run():
        sink = Sink(*[Away()] * 9)
        publishing = publisher(sink)
        publishing.start()
        for item in range(5):
            publishing.offer(item)
        await publishing.flush(30)

    asyncio.run(run())

    said = capsys.readouterr().out
    assert (said.count("publisher.failing"), said.count("publisher.recovered")) == (1, 1)
