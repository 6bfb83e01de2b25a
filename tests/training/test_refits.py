"""Training on the answers that own searches find."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from agent_reasoning.networks.structured import StructuredConfig, StructuredOutput
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.tasks.placement_verifier import verify
from agent_reasoning.tasks.placement_words import assigned
from agent_reasoning.training import running
from agent_reasoning.training.refits import BELIEF_WEIGHT, FEWEST, LANES, STEPS, Refits, draw_clusters, refit_loss
from agent_reasoning.training.state import TrainConfig, start

TASK = builtin_tasks().get("placement")
SIZES = (6, 9)


def config_of(**options):
    network = StructuredConfig(TASK.info.spec, hidden=8, H_cycles=1, L_cycles=1)
    return TrainConfig(network, "refits", **{"steps": 2 * STEPS, "batch_size": 2, "warmup_steps": 4, **options})


def begin(config):
    state = start(config)
    state.autocast = False  # which is faster is measured at each start, so two runs could differ in it
    return state


def method_of(config, state, draw=None):
    return Refits(config, state, TASK, draw or partial(draw_clusters, config.batch_size, config.seed, SIZES))


def weights(state):
    return torch.cat([tensor.flatten() for tensor in state.averaged.state_dict().values()])


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    config = config_of(steps=3 * STEPS)
    whole = begin(config)
    running.run(config, whole, method_of(config, whole))

    half, path = begin(config), tmp_path / "state.pt"
    running.run(config, half, method_of(config, half), state_path=path, stopping=lambda: half.batches > 0)
    resumed = start(config)
    resumed.load(path)
    assert 0 < resumed.step < whole.step
    running.run(config, resumed, method_of(config, resumed))

    assert (resumed.step, resumed.batches, resumed.instances) == (whole.step, whole.batches, whole.instances)
    torch.testing.assert_close(weights(resumed), weights(whole), atol=0, rtol=0)


def test_training_on_one_batch_lowers_its_loss():
    config = config_of(steps=10 * STEPS, learning_rate=1e-2, batch_size=3)
    clusters = draw_clusters(3, 0, (8, 8), 0)
    state = begin(config)
    before = method_of(config, state, lambda number: clusters).trial().item()

    running.run(config, state, method_of(config, state, lambda number: clusters))

    first = begin(config)
    first.network, first.step = state.network, 1
    assert method_of(config, first, lambda number: clusters).trial().item() < 0.95 * before


def test_a_batch_follows_from_the_seed_and_its_number_and_is_of_one_size():
    first, again, other = (draw_clusters(4, seed, SIZES, 7) for seed in (1, 1, 2))

    assert first == again != other
    assert len({(len(cluster.workloads), len(cluster.nodes)) for cluster in first}) == 1


def test_a_search_in_training_holds_better_and_better_answers_that_are_valid():
    config = config_of()
    state = begin(config)
    method = method_of(config, state)
    lanes, rng = method._lanes(0), np.random.default_rng(0)
    before = lanes.objective.copy()

    for _ in range(3):
        method._step(lanes, rng)
        assert (lanes.objective <= before).all()
        before = lanes.objective.copy()

    clusters = draw_clusters(config.batch_size, config.seed, SIZES, 0)
    assert len(lanes.held) == LANES * len(clusters)
    for lane, at in enumerate(lanes.held):
        cluster = clusters[int(lanes.of[lane])]
        if (at >= 0).all():
            free = cluster if cluster.objective == "fewest_moves" else replace(cluster, current=(-1,) * len(at))
            verdict = verify(free, assigned(cluster, at.tolist()))
            assert (verdict.valid, verdict.objective) == (True, lanes.objective[lane])


def output_of(logits, q_halt_logits):
    return StructuredOutput(torch.tensor(logits), torch.tensor(q_halt_logits))


def test_the_loss_is_the_cross_entropy_to_what_teaches_and_the_belief():
    """Two lanes of two workloads on two nodes; the first learns from two of its answers, in one of which a workload is
    nowhere, the second from none."""
    logits = [[[2.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]]
    drawn = np.array([[[0, 1], [1, -1], [0, 0]], [[0, 0], [1, 1], [0, 1]]])
    teaches = np.array([[True, True, False], [False, False, False]])
    best = np.array([True, False])

    found = refit_loss(output_of(logits, [0.5, -1.0]), drawn, teaches, best)

    def log_p(one, other):
        return one - np.log(np.exp(one) + np.exp(other))

    first = -(log_p(2.0, 0.0) + log_p(1.0, 0.0)) / 2
    second = -log_p(0.0, 2.0) / 2
    belief = (np.log1p(np.exp(-0.5)) + np.log1p(np.exp(-1.0))) / 2
    assert found.item() == pytest.approx((first + second) / 2 / FEWEST + BELIEF_WEIGHT * belief, rel=1e-5)


def test_where_nothing_teaches_the_belief_alone_is_learnt():
    logits = torch.zeros((1, 2, 2), requires_grad=True)

    found = refit_loss(
        StructuredOutput(logits, torch.zeros(1)),
        np.zeros((1, 3, 2), np.int64),
        np.zeros((1, 3), bool),
        np.array([True]),
    )

    assert found.item() == pytest.approx(BELIEF_WEIGHT * np.log(2))
