import shutil

import numpy as np
import pytest
import torch

from agent_reasoning.engine.loading import load_bundles, pick_device
from agent_reasoning.engine.model import NoiseStream, noise_for
from agent_reasoning.errors import BundleError, ConfigurationError
from tests.conftest import ROOT


@pytest.fixture
def model(models):
    return next(model for model in models if model.task == "rollout")


@pytest.fixture
def problem(registry):
    rollout = registry.get("rollout")
    return rollout.encode(rollout.generate(np.random.default_rng(3), 12).instance)


def steps(model, problem, samples, seed, count=3):
    refined = model.refine(problem, samples, seed)
    return [next(refined) for _ in range(count)]


def test_the_same_seed_gives_the_same_steps(model, problem):
    for one, other in zip(steps(model, problem, 4, 7), steps(model, problem, 4, 7), strict=True):
        assert (one.choices == other.choices).all()
        assert (one.q_halt_logits == other.q_halt_logits).all()


def test_another_seed_disturbs_all_samples_but_the_first(model, problem):
    one, other = steps(model, problem, 4, 7)[0], steps(model, problem, 4, 8)[0]

    assert one.q_halt_logits[0] == other.q_halt_logits[0]
    assert (one.q_halt_logits[1:] != other.q_halt_logits[1:]).all()


def test_the_first_of_many_samples_is_the_one_that_a_single_sample_gives(model, problem):
    for alone, among in zip(steps(model, problem, 1, 7), steps(model, problem, 4, 7), strict=True):
        assert (alone.choices[0] == among.choices[0]).all()
        assert alone.q_halt_logits[0] == pytest.approx(among.q_halt_logits[0], abs=1e-3)


def test_noise_depends_on_seed_sample_and_step_alone():
    like = torch.zeros(2, 3)
    noise = noise_for(NoiseStream(1, 2), 3, like)

    assert torch.equal(noise, noise_for(NoiseStream(1, 2), 3, like))
    for seed, sample, step in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(noise, noise_for(NoiseStream(seed, sample), step, like))
    assert not noise_for(NoiseStream(1, 0), 3, like).any()


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
