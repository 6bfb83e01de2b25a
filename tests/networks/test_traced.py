"""The recorded step is the step as it is written, for any problem, however many rows."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.networks import traced
from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.traced import StepRunner, flatten
from tests.networks.test_structured import SPEC, network, random_problem

NETWORK = network(hidden=16)
RECORDED, WRITTEN = StepRunner(NETWORK, record=True), StepRunner(NETWORK, record=False)


def inputs(network, batch):
    carry = network.initial_carry(batch)
    return flatten(batch, network.embed(batch), batch.wires()), (carry.z_H, carry.z_L)


def run(runner, given, carry):
    into = tuple(torch.empty(z.shape) for z in carry)
    return *runner(given, carry, into), *into


@given(st.integers(0, 1000), st.integers(1, 4))
@torch.no_grad()
def test_a_recorded_step_is_the_written_one_whatever_the_sizes(seed, rows):
    """It was recorded on whichever came first."""
    rng = np.random.default_rng(seed)
    problems = [random_problem(rng, int(rng.integers(1, 7)), int(rng.integers(1, 6))) for _ in range(rows)]
    read, carry = inputs(NETWORK, collate(problems, SPEC))

    for _ in range(2):
        recorded, written = run(RECORDED, read, carry), run(WRITTEN, read, carry)
        for one, other in zip(recorded, written, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
        carry = written[3:]
    assert RECORDED._recorded is not RECORDED._step  # it was recorded, not given up


def test_where_recording_is_not_possible_the_step_runs_as_written(monkeypatch):
    def gone(*given, **options):
        raise AttributeError("torch.jit has no trace")

    monkeypatch.setattr(traced.torch.jit, "trace", gone)
    runner = StepRunner(NETWORK, record=True)
    read, carry = inputs(NETWORK, collate([random_problem(np.random.default_rng(0), 4, 3)], SPEC))

    with torch.no_grad():
        found, expected = run(runner, read, carry), run(WRITTEN, read, carry)

    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("task", ["rollout", "root-cause", "maze"])
def test_the_shipped_models_are_recorded_and_answer_as_written(models, registry, task):
    model = next(model for model in models if model.task == task)
    item = registry.get(task).generate(np.random.default_rng(1), 24).instance
    problem = registry.get(task).encode(item)

    with torch.inference_mode():
        read, carry = inputs(model.network, model.arrange(problem, model.bucket(problem)))
        recorded = StepRunner(model.network, record=True)
        found, expected = run(recorded, read, carry), run(StepRunner(model.network, record=False), read, carry)

    assert recorded._recorded is not recorded._step
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1], expected[1], atol=1e-4, rtol=1e-4)


def test_the_next_carry_may_be_written_where_the_last_one_is():
    read, carry = inputs(NETWORK, collate([random_problem(np.random.default_rng(0), 4, 3)], SPEC))
    with torch.no_grad():
        expected = run(WRITTEN, read, carry)
        kept = tuple(z.clone() for z in carry)
        RECORDED(read, kept, kept)

    for one, other in zip(kept, expected[3:], strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
