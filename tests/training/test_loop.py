from functools import partial

import pytest
import torch

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.networks.structured import StructuredConfig
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.training import loop
from agent_reasoning.training.state import TrainConfig, schedule, start
from agent_reasoning.training.stream import IGNORED, draw_batch

ROLLOUT = builtin_tasks().get("rollout")
CONFIG = TrainConfig(
    StructuredConfig(ROLLOUT.info.spec, hidden=16), steps=10, batch_size=4, supervision_steps=1, warmup_steps=5
)
DRAW = partial(draw_batch, ROLLOUT, CONFIG.batch_size, CONFIG.seed)


@pytest.fixture(autouse=True)
def float32(monkeypatch):
    """Whether bf16 is faster is measured at each start, so two runs of a test could differ in it."""
    monkeypatch.setattr(loop, "faster_autocast", lambda *_: False)


def weights(state):
    return torch.cat([tensor.flatten() for tensor in state.averaged.state_dict().values()])


def test_ten_steps_are_five_and_five_more_after_an_interruption(tmp_path):
    whole = loop.train(CONFIG, start(CONFIG), DRAW)

    half = start(CONFIG)
    loop.train(CONFIG, half, DRAW, state_path=tmp_path / "state.pt", stopping=lambda: half.step == 5)
    resumed = start(CONFIG)
    resumed.load(tmp_path / "state.pt")
    assert resumed.step == 5
    loop.train(CONFIG, resumed, DRAW)

    assert resumed.step == whole.step == 10
    assert resumed.instances == whole.instances == 40
    torch.testing.assert_close(weights(resumed), weights(whole), atol=0, rtol=0)


def test_another_seed_gives_another_network():
    assert not torch.equal(weights(start(CONFIG)), weights(start(TrainConfig(CONFIG.network, seed=1))))


def test_training_lowers_the_loss():
    config = TrainConfig(CONFIG.network, steps=200, batch_size=16, supervision_steps=2, warmup_steps=20)
    seen = []

    loop.train(config, start(config), partial(draw_batch, ROLLOUT, 16, 0), observe=lambda now: seen.append(now.loss))

    assert sum(seen[-20:]) < 0.6 * sum(seen[:20])


def test_a_run_that_is_not_there_cannot_be_resumed(tmp_path):
    with pytest.raises(ConfigurationError, match="no run to resume"):
        start(CONFIG).load(tmp_path / "state.pt")


def test_a_run_of_another_size_cannot_be_resumed(tmp_path):
    path = tmp_path / "state.pt"
    start(CONFIG).save(path)

    with pytest.raises(ConfigurationError, match="another configuration"):
        start(TrainConfig(StructuredConfig(ROLLOUT.info.spec, hidden=8))).load(path)


def test_a_run_without_an_end_is_refused():
    with pytest.raises(ConfigurationError, match="minutes or steps"):
        loop.train(TrainConfig(CONFIG.network), start(CONFIG), DRAW)


def test_a_batch_depends_on_its_seed_and_number_alone():
    first, again, next_one, other_seed = DRAW(3), DRAW(3), DRAW(4), draw_batch(ROLLOUT, 4, 1, 3)

    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.labels, next_one.labels)
    assert not torch.equal(first.labels, other_seed.labels)


def test_a_batch_holds_no_padding():
    assert not (DRAW(0).labels == IGNORED).any()


def test_the_learning_rate_warms_up_and_decays():
    rates = [schedule(step, 10, step / 100) for step in range(100)]

    assert rates[0] < 0.11
    assert max(rates) == rates[9]
    assert rates[-1] < 0.02
