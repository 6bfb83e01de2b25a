"""Searches that hold an answer, with a network that has learnt nothing: what is held follows from the request alone."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.structured import StructuredModel, StructuredPool
from agent_reasoning.errors import EngineFailed
from agent_reasoning.networks.bundle import Bundle, BundleConfig
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.tasks import builtin_tasks, verdict_on
from agent_reasoning.tasks.cluster import NOWHERE
from agent_reasoning.tasks.placement_world import drawn_cluster
from agent_reasoning.tasks.refit import OBJECTIVES

TASK = builtin_tasks().get("placement")
STEPS = 5


def model_of(spec=TASK.info.spec, task="placement"):
    config = StructuredConfig(spec, hidden=8, H_cycles=1, L_cycles=1)
    network = StructuredNetwork(config, torch.Generator().manual_seed(1))
    return StructuredModel.of(Bundle(BundleConfig("toy", task, config, STEPS), network), Confidence(), "cpu", "0" * 64)


def clusters(count=6):
    """Of different sizes, hence of different buckets, too, and of each objective."""
    rng, found = np.random.default_rng(5), []
    while len(found) < count:
        drawn = drawn_cluster(rng, 9 + len(found) // 2, OBJECTIVES[len(found) % 3])
        if drawn is not None:
            found.append(drawn[0])
    return found


def unproven(cluster, choice):
    """The verifier's, but that nothing is known to be the best: no search ends early."""
    return replace(verdict_on(TASK, cluster, choice), bound=None)


def send(engine, cluster, search=None, **options):
    options = {"max_steps": STEPS, "samples": 2, "seed": 3, "timeout_seconds": 60.0} | options
    verify = partial(unproven, cluster)
    return engine.submit(
        engine.arrange("placement", TASK.encode(cluster)), verify, search=search or TASK.search(cluster), **options
    )


def told(outcome):
    """What a caller can see of an outcome, without the times. Beliefs to three digits: sums of a batch are rounded otherwise."""
    steps = [(tuple(map(int, r.choice)), r.verdict, round(r.confidence, 3)) for r in outcome.records]
    return outcome.sample, outcome.halted_by, outcome.best, steps


@pytest.fixture
def serve(engines):
    return lambda model=None, **options: engines(model or model_of(), **options)


@pytest.fixture(scope="module")
def alone():
    """Each cluster's outcome, with the engine to itself."""
    engine = Engine([model_of()], workers=1)
    engine.start()
    try:
        return [told(send(engine, cluster).result(60)) for cluster in clusters()]
    finally:
        engine.stop()


@pytest.mark.parametrize("workers", [1, 2])
def test_the_outcome_is_the_same_whatever_shares_the_batch(serve, alone, workers):
    engine = serve(workers=workers)

    futures = [send(engine, cluster) for cluster in clusters() * 2]

    assert [told(future.result(60)) for future in futures] == alone * 2


def test_another_seed_finds_another_way(serve, alone):
    engine = serve()

    others = [told(send(engine, cluster, seed=4).result(60)) for cluster in clusters()]

    assert others != alone


def test_after_a_lack_of_memory_the_search_begins_anew_and_comes_to_the_same(serve, monkeypatch):
    """In the third step: the first two have made answers, which are let go of."""
    step, steps = StructuredPool.step, []

    def failing(pool, slots):
        steps.append(pool.capacity)
        if len(steps) == 3:
            raise MemoryError
        return step(pool, slots)

    healthy = serve()
    alone = [told(send(healthy, cluster, samples=1).result(60)) for cluster in clusters()]
    monkeypatch.setattr(StructuredPool, "step", failing)
    engine = serve(slots=8)

    found = [told(send(engine, cluster, samples=1).result(60)) for cluster in clusters()]

    assert len(steps) > 3
    assert found == alone


def test_what_is_told_step_by_step_never_becomes_worse_once_it_is_valid(serve):
    engine = serve()
    for cluster in clusters():
        records = send(engine, cluster, samples=1).result(60).records
        valid = [record.verdict.valid for record in records]
        objectives = [record.verdict.objective for record in records if record.verdict.valid]

        assert valid == sorted(valid)
        assert objectives == sorted(objectives, reverse=True)


class Recording:
    """A search that goes on as the task's does, and remembers what it was given."""

    def __init__(self, search, failing_at=0):
        self.search, self.failing_at, self.seen = search, failing_at, []

    def first(self):
        return self.search.first()

    def next(self, held, logits, rng):
        self.seen.append((held.copy(), logits.copy()))
        if len(self.seen) == self.failing_at:
            raise ValueError("a search that fails")
        return self.search.next(held, logits, rng)


def test_each_step_is_told_what_the_one_before_came_to_and_no_candidate_beyond_its_own(serve):
    cluster = clusters()[0]
    search = Recording(TASK.search(cluster))

    outcome = send(serve(), cluster, search, samples=1).result(60)

    helds = [held for held, _ in search.seen]
    assert (helds[0] == NOWHERE).all()
    for held, record in zip(helds[1:], outcome.records, strict=False):
        assert np.where(held == NOWHERE, record.choice, held).tolist() == record.choice.tolist()
    assert {logits.shape for _, logits in search.seen} == {(len(cluster.workloads), len(cluster.nodes))}


def test_the_network_hears_what_is_held(serve):
    """The same problem with another answer in hand: another opinion."""
    cluster, said = clusters()[0], []
    for start in (0, 1):
        search = Recording(Beginning(TASK.search(cluster), start))
        send(serve(), cluster, search, samples=1, max_steps=1).result(60)
        said.append(search.seen[0][1])

    assert not np.allclose(said[0], said[1])


class Beginning:
    def __init__(self, search, node):
        self.search, self.node = search, node

    def first(self):
        return np.full_like(self.search.first(), self.node)

    def next(self, held, logits, rng):
        return self.search.next(held, logits, rng)


def test_a_search_that_raises_fails_its_own_job_alone(serve, alone):
    engine, each = serve(), clusters()

    bad = send(engine, each[0], Recording(TASK.search(each[0]), failing_at=2))
    good = [send(engine, cluster) for cluster in each]

    with pytest.raises(EngineFailed):
        bad.result(60)
    assert [told(future.result(60)) for future in good] == alone
    assert engine.ailment() is None


@pytest.mark.parametrize("broken", ["first", "next"])
def test_a_search_that_says_nonsense_fails_its_own_job_alone(serve, alone, broken):
    """At the start, or at the first step."""
    engine, each = serve(), clusters()
    search = Recording(TASK.search(each[0]))
    setattr(search, broken, None if broken == "first" else lambda *_: np.zeros(0, np.int64))

    bad = send(engine, each[0], search)
    good = [send(engine, cluster) for cluster in each]

    with pytest.raises(EngineFailed):
        bad.result(60)
    assert [told(future.result(60)) for future in good] == alone
    assert engine.ailment() is None


def test_a_model_that_is_not_told_what_is_held_gets_no_search(serve):
    spec, cluster = replace(TASK.info.spec, holds=False), clusters()[0]
    search = Recording(TASK.search(cluster))
    model = model_of(spec)

    outcome = send(serve(model), cluster, search).result(60)

    assert not model.holds
    assert outcome.records
    assert search.seen == []


def test_nothing_runs_ahead_of_what_is_held():
    assert replace(model_of(), device="cuda").ahead == 0
    assert replace(model_of(replace(TASK.info.spec, holds=False)), device="cuda").ahead == 1
