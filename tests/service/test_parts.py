"""Clusters that are too large to be looked at whole, with a network that has learnt nothing: what is asked here is what comes
of the search, not how good it is."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.errors import DeadlineExceeded, InvalidContext, NotReady, NotVerified
from agent_reasoning.networks.bundle import Bundle, BundleConfig
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.schemas import ReasonRequest
from agent_reasoning.service import parts
from agent_reasoning.service.reason import LARGE_AT_ONCE, ReasoningService
from agent_reasoning.tasks import builtin_tasks, neighbourhoods
from agent_reasoning.tasks.neighbourhoods import Neighbourhoods, PlacementParts
from tests.conftest import starting

TASK = builtin_tasks().get("placement")


def model():
    config = StructuredConfig(TASK.info.spec, hidden=8, H_cycles=1, L_cycles=1)
    network = StructuredNetwork(config, torch.Generator().manual_seed(1))
    bundle = Bundle(BundleConfig("toy", "placement", config, 4), network)
    return StructuredModel.of(bundle, Confidence(), "cpu", "0" * 64)


def context(times=4, idle=0, small=0, **fields):
    """The worst that first-fit and best-fit decreasing do: 11 nodes where 9 suffice (Johnson, 1973), so many `times`; it runs as
    they place it. `idle` nodes and `small` workloads, which want nothing, beside it."""
    sizes = [51] * 6 * times + [27] * 6 * times + [26] * 6 * times + [23] * 12 * times + [0] * small
    left, workloads = [100] * 11 * times, []
    for number, size in enumerate(sizes):
        node = next(node for node, room in enumerate(left) if room >= size) if size else number % len(left)
        left[node] -= size
        workloads.append({"name": f"app-{number}", "cpu": size, "node": f"node-{node}"})
    nodes = [{"name": f"node-{node}", "cpu": 100} for node in range(11 * times + idle)]
    return {"nodes": nodes, "workloads": workloads, "objective": "consolidate", **fields}


def request(**fields):
    return ReasonRequest(**{"question": "?", "context": context(), "timeout_seconds": 120.0, **fields})


@pytest.fixture(autouse=True)
def little_patience(monkeypatch):
    monkeypatch.setattr(neighbourhoods, "PATIENCE", 8.0)


@pytest.fixture
def serve():
    usual = {"workers": 1, "timeout_seconds": 120.0}
    with starting(lambda **options: ReasoningService(builtin_tasks(), [model()], **usual | options)) as make:
        yield make


def answered(service, **fields):
    return asyncio.run(service.reason(request(**fields), "id-1"))


def told(response):
    return response.model_dump(exclude={"duration_ms"})


@pytest.fixture
def endless(monkeypatch):
    """No search ends by itself; and what has a thread is seen. True for each that ran, when it is over."""
    runs, run = [], parts.InParts.run

    def watched(search):
        over = threading.Event()
        runs.append(over)
        try:
            return run(search)
        finally:
            over.set()

    monkeypatch.setattr(Neighbourhoods, "exhausted", property(lambda self: False))
    monkeypatch.setattr(parts.InParts, "run", watched)
    return runs


def in_use(response):
    return [int(step.intermediate_answer.split()[0]) for step in response.reasoning_trace]


def test_what_runs_on_many_nodes_is_brought_onto_fewer(serve):
    """60 nodes and 400 pods."""
    response = answered(serve(), context=context(5, idle=5, small=250))

    way = in_use(response)
    assert len(response.solution["assignment"]) == 400
    assert (response.verified, response.source, response.violations) == (True, "improved", [])
    assert way[0] == 55
    assert way == sorted(way, reverse=True)
    assert response.objective == way[-1] == response.solution["nodes_in_use"] < 55
    assert all(step.verified for step in response.reasoning_trace)
    assert response.halted_by in ("no_improvement", "verified")


def test_where_nothing_is_gained_it_is_said_that_it_is_the_baselines(serve, monkeypatch):
    monkeypatch.setattr(Neighbourhoods, "take", lambda self, part, found: take_nothing(self, part))

    response = answered(serve())

    assert (response.verified, response.source, response.objective, response.steps) == (True, "baseline", 44.0, 1)
    assert response.halted_by == "no_improvement"


TAKE = Neighbourhoods.take


def take_nothing(search, part):
    return TAKE(search, part, None)


def test_the_same_request_and_seed_get_the_same_answer_and_the_same_way_to_it(serve):
    """On one worker or on two, beside others or alone, and where the engine's queue is full at times."""
    alone = answered(serve())
    others = [answered(serve(workers=2))]
    crowded = serve(slots=2, max_queue=0)

    async def together():
        return await asyncio.gather(*(crowded.reason(request(), "id-1") for _ in range(2)))

    others += asyncio.run(together())

    assert alone.source == "improved"
    assert alone.halted_by != "deadline"
    assert [told(other) for other in others] == [told(alone)] * 3


def test_another_seed_goes_another_way(serve):
    service = serve()

    assert answered(service, seed=1).solution != answered(service, seed=2).solution


class Ticking:
    """A clock that goes on by a tenth of a second each time that it is read."""

    now = 0.0

    def monotonic(self):
        self.now += 0.1
        return self.now


def test_the_deadline_ends_the_search_with_what_is_best_by_then(serve, endless):
    service, clock = serve(), Ticking()
    cluster = TASK.read(context())
    search = in_parts(service, cluster, deadline=10.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "time", SimpleNamespace(monotonic=clock.monotonic))
        outcome = search.run()

    assert outcome.halted_by == "deadline"
    assert outcome.answer.verdict.valid
    assert 8.0 <= clock.now <= 9.0  # a fifth is for the answer


def in_parts(service, cluster, deadline):
    return parts.InParts(
        service._engine, TASK, PlacementParts(cluster, 0),
        lambda choice: TASK.verify(cluster, TASK.decode(cluster, choice)), 0, deadline,
    )  # fmt: skip


def test_no_time_for_a_start_is_an_error(serve):
    service = serve()
    search = in_parts(service, TASK.read(context()), deadline=0.0)

    with pytest.raises(DeadlineExceeded, match="turn came"):
        search.run()


def test_a_small_deadline_is_kept(serve, endless):
    response = answered(serve(), timeout_seconds=5.0)

    assert response.halted_by == "deadline"
    assert response.verified
    assert response.duration_ms < 7_500


def test_who_comes_when_others_as_large_have_all_threads_waits_no_longer_than_its_deadline(serve, monkeypatch):
    service, release, started = serve(), threading.Event(), threading.Barrier(LARGE_AT_ONCE + 1)

    def start(self):
        started.wait(30)
        release.wait(30)
        raise DeadlineExceeded("enough")

    monkeypatch.setattr(PlacementParts, "start", start)

    async def run():
        first = [asyncio.ensure_future(service.reason(request(), "id")) for _ in range(LARGE_AT_ONCE)]
        await asyncio.to_thread(started.wait, 30)
        try:
            with pytest.raises(DeadlineExceeded, match="others|other problems"):
                await service.reason(request(timeout_seconds=0.2), "id")
        finally:
            release.set()
            await asyncio.gather(*first, return_exceptions=True)

    asyncio.run(run())


def test_a_client_that_goes_ends_the_search(serve, endless):
    service = serve()

    async def run():
        steps = service.stream(request(), "id")
        await anext(steps)
        await steps.aclose()

    asyncio.run(run())

    assert [over.wait(30) for over in endless] == [True]
    assert service.running == 0
    assert service._engine.waiting == 0


def test_steps_are_told_as_they_are_found_and_are_those_of_the_trace(serve):
    service = serve()

    async def run():
        return [event async for event in service.stream(request(), "id-1")]

    *steps, response = asyncio.run(run())

    fields = {"step", "confidence", "intermediate_answer", "changed", "verified"}
    assert [step.model_dump(include=fields) for step in steps] == [
        step.model_dump(include=fields) for step in response.reasoning_trace
    ]
    assert steps[-1].solution["assignment"] == response.solution["assignment"]
    assert told(response) == told(answered(serve()))


def test_a_model_alone_cannot_answer_it(serve):
    with pytest.raises(InvalidContext, match="source_policy: model"):
        answered(serve(), source_policy="model")


def too_much():
    """One more than there are nodes of those that cannot share one, though there is enough in all."""
    sizes = [51] * 45 + [1] * 60
    return {
        "nodes": [{"name": f"node-{node}", "cpu": 100} for node in range(44)],
        "workloads": [{"name": f"app-{number}", "cpu": size} for number, size in enumerate(sizes)],
    }


def test_where_one_fits_nowhere_the_answer_is_not_verified_and_says_why(serve):
    response = answered(serve(), context=too_much())

    assert (response.verified, response.confidence, response.source) == (False, 0.0, "model")
    assert response.steps > 1, "the heuristic finds no room for all, so all of it is looked at"
    assert response.answer.startswith("Not verified:")
    assert any("are wanted there" in violation for violation in response.violations)
    assert not response.reasoning_trace[0].verified


def test_require_verified_makes_that_an_error(serve):
    with pytest.raises(NotVerified):
        answered(serve(), context=too_much(), require_verified=True)


def test_a_service_that_drains_answers_what_it_has_begun_and_takes_no_more(serve):
    service = serve()

    async def run():
        steps = service.stream(request(), "id")
        await anext(steps)
        service.draining = True
        with pytest.raises(NotReady):
            await service.reason(request(), "id")
        return [event async for event in steps][-1]

    response = asyncio.run(run())

    assert response.verified
    assert response.halted_by != "deadline"


@pytest.mark.parametrize("end", ["abandon", "stop"])
def test_what_still_runs_when_the_service_ends_is_for_another_replica(serve, endless, end):
    service = serve()

    async def run():
        steps = service.stream(request(), "id")
        await anext(steps)
        await asyncio.to_thread(service.stop) if end == "stop" else service.abandon()
        async for _ in steps:
            pass

    with pytest.raises(NotReady):
        asyncio.run(run())
    assert [over.wait(30) for over in endless] == [True]


def test_what_waits_for_a_thread_when_the_service_ends_is_for_another_replica(serve):
    """Its threads have other work that does not end."""
    service, release = serve(), threading.Event()
    service._large = ThreadPoolExecutor(1)
    service._large.submit(release.wait, 30)

    async def run():
        waiting = asyncio.ensure_future(service.reason(request(), "id"))
        while not service._outcomes:
            await asyncio.sleep(0)
        await asyncio.to_thread(service.stop)
        await waiting

    try:
        with pytest.raises(NotReady):
            asyncio.run(run())
    finally:
        release.set()


def test_a_part_that_fails_has_found_nothing_and_the_others_go_on(serve, monkeypatch):
    problem, sent = PlacementParts.problem, []

    class Failing:
        first = None  # and to call it is an error

    def failing(self, part):
        sent.append(part)
        instance, search = problem(self, part)
        return instance, Failing() if len(sent) % 3 == 0 else search

    monkeypatch.setattr(PlacementParts, "problem", failing)

    response = answered(serve())

    assert (response.verified, response.source) == (True, "improved")
    assert len(sent) > 3


def test_only_what_is_large_is_looked_at_in_parts():
    cluster = TASK.read(context())
    least = TASK.read(context(1))

    assert TASK.parts(cluster, 0) is not None
    assert TASK.parts(least, 0) is None
    assert len(cluster.workloads) * len(cluster.nodes) > 4096 >= len(least.workloads) * len(least.nodes)
    assert neighbourhoods.PAIRS <= 4096
