"""The shipped models in their slots: determinism, noise, and the two ways of stepping rows."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.loading import load_bundles, pick_device
from agent_reasoning.engine.noise import NoiseStream, gaussians
from agent_reasoning.engine.pool import pick
from agent_reasoning.engine.structured import StructuredModel, StructuredPool
from agent_reasoning.errors import BundleError, ConfigurationError
from agent_reasoning.networks.bundle import CONFIG, Bundle, BundleConfig
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.problem import Problem, ProblemSpec, Verdict
from tests.conftest import ROOT
from tests.service.test_reason import picking, showing_its_feature

WRONG = Verdict(False, ("wrong",))


@pytest.fixture
def model(models):
    return next(model for model in models if model.task == "rollout")


def problems(registry, task, size, count):
    task, rng = registry.get(task), np.random.default_rng(3)
    return [task.encode(task.generate(rng, size).instance) for _ in range(count)]


def steps(model, problem, samples, seed, count=3):
    refinement = model.begin([problem] * samples, [NoiseStream(seed, sample) for sample in range(samples)])
    return [refinement.step() for _ in range(count)]


@pytest.mark.parametrize(("task", "size"), [("rollout", 12), ("rollout", 24), ("sudoku", 30)])
def test_a_request_gets_the_same_answer_alone_in_a_crowd_and_in_another_slot(models, registry, task, size):
    """To the last bit of confidence, through the engine, with noise."""
    several = problems(registry, task, size, 6)

    def ask(engine, problem, seed):
        return engine.submit(
            engine.arrange(task, problem), lambda choice: WRONG, max_steps=4, samples=3, seed=seed, timeout_seconds=60.0
        )

    def seen(outcome):
        return outcome.sample, [(record.choice.tobytes(), record.confidence) for record in outcome.records]

    engine = Engine(models)
    engine.start()
    try:
        alone = [seen(ask(engine, problem, seed).result(60)) for seed, problem in enumerate(several)]
        crowd = [ask(engine, problem, seed) for seed, problem in list(enumerate(several))[::-1]]
        assert [seen(future.result(60)) for future in crowd][::-1] == alone
    finally:
        engine.stop()


@pytest.mark.parametrize(("task", "size"), [("rollout", 9), ("root-cause", 12)])
def test_stepping_all_slots_keeps_what_was_asked_for_and_leaves_the_others_alone(models, registry, task, size):
    """How a GPU steps, on a CPU."""
    model = next(model for model in models if model.task == task)
    (one,) = problems(registry, task, size, 1)
    bucket = model.bucket(one)
    pools = [StructuredPool(model, bucket, 4, whole=whole) for whole in (False, True)]
    for pool in pools:
        pool.enter([1, 3], model.arrange(one, bucket), [NoiseStream(5, 0), NoiseStream(5, 1)])

    for slots in ([1, 3], [3], [1], [1, 3]):
        rows, whole = (pool.step(slots).read() for pool in pools)
        assert (rows.choices == whole.choices).all()
        assert rows.q_halt_logits == pytest.approx(whole.q_halt_logits, abs=1e-4)


def test_entering_and_leaving_touch_their_own_slots_only(model, registry):
    (one,) = problems(registry, "rollout", 8, 1)
    bucket = model.bucket(one)
    alone, shared = StructuredPool(model, bucket, 3), StructuredPool(model, bucket, 3)
    for pool in (alone, shared):
        pool.enter([1], model.arrange(one, bucket), [NoiseStream(0, 0)])

    for _ in range(3):
        shared.enter([0, 2], model.arrange(one, bucket), [NoiseStream(0, 1), NoiseStream(0, 2)])
        shared.step([0])
        first, second = alone.step([1]).read(), shared.step([1]).read()
        assert first.q_halt_logits == second.q_halt_logits


def test_who_enters_while_all_slots_are_stepped_begins_as_if_alone(model, registry):
    """How a GPU steps; the engine's thread writes slots that the step under way was not asked for."""
    (one,) = problems(registry, "rollout", 8, 1)
    bucket = model.bucket(one)
    arranged = model.arrange(one, bucket)
    alone, shared = (StructuredPool(model, bucket, 3, whole=True) for _ in range(2))
    for pool in (alone, shared):
        pool.enter([0], arranged, [NoiseStream(0, 0)])
    refine = shared._refine

    def entered_meanwhile(inputs, carry, into):
        refined = refine(inputs, carry, into)
        shared.enter([1], arranged, [NoiseStream(0, 1)])
        return refined

    shared._refine = entered_meanwhile
    shared.step([0])
    shared._refine = refine
    alone.step([0])
    alone.enter([1], arranged, [NoiseStream(0, 1)])

    one, other = alone.step([0, 1]).read(), shared.step([0, 1]).read()
    assert (one.q_halt_logits == other.q_halt_logits).all()


def test_another_seed_disturbs_all_samples_but_the_first_where_nothing_is_interchangeable(models, registry):
    (model,) = (model for model in models if model.task == "sudoku")
    (problem,) = problems(registry, "sudoku", 30, 1)
    one, other = steps(model, problem, 4, 7)[0], steps(model, problem, 4, 8)[0]

    assert one.q_halt_logits[0] == other.q_halt_logits[0]
    assert (one.q_halt_logits[1:] != other.q_halt_logits[1:]).all()


def test_noise_depends_on_seed_sample_and_step_alone():
    key = NoiseStream(1, 2).key(3)

    assert key == NoiseStream(1, 2).key(3)
    assert len({key, NoiseStream(2, 2).key(3), NoiseStream(1, 3).key(3), NoiseStream(1, 2).key(4)}) == 4
    assert NoiseStream(1, 0).key(3) == 0


def test_noise_is_gaussian_and_each_row_its_own():
    keys = torch.tensor([NoiseStream(0, sample).key(1) for sample in range(5)])

    one, other = gaussians(keys, 40_000)

    assert not one[0].any()
    for drawn in (one[1:], other[1:]):
        assert drawn.mean(1).abs().max() < 0.03
        assert (drawn.std(1) - 1).abs().max() < 0.03
        assert (drawn.abs() > 1.959964).float().mean() == pytest.approx(0.05, abs=0.005)
        assert torch.corrcoef(drawn).triu(1).abs().max() < 0.03
    assert torch.corrcoef(torch.cat([one[1:], other[1:]])).triu(1).abs().max() < 0.03
    assert torch.corrcoef(torch.stack([one[1, 1:], one[1, :-1]]))[0, 1].abs() < 0.03


def test_a_row_of_noise_is_the_same_whatever_is_drawn_beside_it():
    keys = torch.tensor([11, 22, 33])

    assert torch.equal(gaussians(keys, 100)[1][1], gaussians(keys[1:2], 100)[1][0])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8, unique=True).map(sorted))
def test_picked_rows_are_those_asked_for(slots):
    assert torch.arange(30)[pick(slots)].tolist() == slots


def test_a_gpu_that_is_not_there_is_refused_by_name():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")

    with pytest.raises(ConfigurationError, match="DEVICE=cuda:3"):
        pick_device("cuda:3")
    assert pick_device("auto") == "cpu"


def test_two_bundles_for_one_task_are_refused(tmp_path):
    for name in ("one", "two"):
        shutil.copytree(ROOT / "models" / "rollout", tmp_path / name)

    with pytest.raises(BundleError, match="more than one bundle for rollout"):
        load_bundles(tmp_path, "cpu")


@pytest.mark.parametrize("halting", [{"same_answer": 1}, {"patience": 3}])
def test_a_bundle_with_a_halting_policy_that_means_nothing_is_refused(tmp_path, halting):
    shutil.copytree(ROOT / "models" / "rollout", tmp_path / "rollout")
    path = tmp_path / "rollout" / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {"halting": halting}))

    with pytest.raises(BundleError, match="halting or deduction policy"):
        load_bundles(tmp_path, "cpu")


MISSED = [
    " S    # ",
    " #     #",
    "  ##  # ",
    "  #G#   ",
    " #      ",
    "    #  #",
    "## #  # ",
    "     ## ",
]


def test_what_a_model_misses_in_one_view_it_solves_in_another_and_always_in_the_same(models, registry):
    """Without noise: only where the sides point to differs."""
    task, model = registry.get("maze"), next(model for model in models if model.task == "maze")
    assert model.noise == 0
    maze = task.read({"maze": MISSED})
    engine = Engine([model])
    engine.start()

    def ask(samples, seed):
        return engine.submit(
            engine.arrange("maze", task.encode(maze)), lambda choice: task.verify(maze, task.decode(maze, choice)),
            max_steps=64, samples=samples, seed=seed, timeout_seconds=60.0,
        ).result(60)  # fmt: skip

    try:
        alone, *several = ask(1, 0), ask(4, 0), ask(4, 0), ask(4, 9)
    finally:
        engine.stop()

    assert not alone.answer.verdict.valid
    assert {outcome.sample for outcome in several} == {1}
    assert {outcome.answer.choice.tobytes() for outcome in several} == {several[0].answer.choice.tobytes()}
    assert several[0].answer.verdict.valid


def test_each_trajectory_of_a_problem_with_equals_draws_its_own_ties():
    """Two candidates that nothing tells apart: which one wins is chance, and the same chance for the same seed."""
    spec = ProblemSpec(("pick",), candidate_features=("tie",), ties=("tie",))
    network = showing_its_feature(StructuredNetwork(StructuredConfig(spec, hidden=4)))
    model = StructuredModel.of(
        Bundle(BundleConfig("toy", "toy", network.config, 4), network), Confidence(), "cpu", "0" * 64
    )
    model = replace(model, runner=picking(lambda ties: ties))
    equals = Problem(np.ones((1, 2), bool), np.zeros(1, np.int64), candidate_features=np.zeros((1, 2, 1), np.float32))

    one, again, other = (steps(model, equals, 32, seed, 1)[0].choices[:, 0] for seed in (1, 1, 2))

    assert (one == again).all()
    assert (one != other).any()
    assert 4 < one.sum() < 28
