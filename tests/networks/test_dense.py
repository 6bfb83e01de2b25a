"""The fast path's oracle is the network as it is served."""

import numpy as np
import pytest
import torch

from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.dense import Neighbours, Units, known
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.tasks.maze import SIDES

SIZES = {"sudoku": 30, "maze": 9}


def layout(name, instances):
    if name == "sudoku":
        return Units()
    is_open = torch.from_numpy(np.stack([instance.is_open() for instance in instances]))
    return Neighbours(is_open, tuple(SIDES.values()))


def weighted(output, weights):
    return (output.logits.masked_fill(output.logits < -1e8, 0) * weights).sum() + output.q_halt_logits.sum()


@pytest.fixture(params=sorted(SIZES))
def both(request):
    """Logits, beliefs and gradients after two steps, by tables and by reshapes; cells with equal states, too, where the
    maximum has several places."""
    task = builtin_tasks().get(request.param)
    rng = np.random.default_rng(0)
    instances = [task.generate(rng, SIZES[request.param]).instance for _ in range(3)]
    batch = collate([task.encode(instance) for instance in instances], task.info.spec)
    config = StructuredConfig(task.info.spec, hidden=16, H_cycles=1, L_cycles=2)
    network = StructuredNetwork(config, torch.Generator().manual_seed(1))
    torch.nn.init.normal_(network.q_head.weight, generator=torch.Generator().manual_seed(2))
    weights = torch.randn(batch.allowed.shape, generator=torch.Generator().manual_seed(3))
    dense, wires = known(batch.tokens, batch.allowed), layout(request.param, instances)
    found = []
    for problems, laid_out in ((batch, batch.wires()), (dense, wires)):
        network.zero_grad()
        carry = network.initial_carry(problems)
        for _ in range(2):
            carry, output = network.step(carry, problems, network.embed(problems), laid_out)
            weighted(output, weights).backward()
        found.append((output, carry, {name: p.grad.clone() for name, p in network.named_parameters()}))
    return found


def test_reshapes_give_what_the_tables_give(both):
    (tables, carried, _), (reshapes, carry, _) = both

    torch.testing.assert_close(reshapes.logits, tables.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(reshapes.q_halt_logits, tables.q_halt_logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(carry.z_L, carried.z_L, atol=1e-5, rtol=1e-5)


def test_their_gradients_are_the_same(both):
    (*_, tables), (*_, reshapes) = both

    for name, gradient in tables.items():
        scale = float(gradient.abs().max().clamp(min=1))
        torch.testing.assert_close(reshapes[name] / scale, gradient / scale, atol=1e-5, rtol=0, msg=name)
