"""The fast path's oracle is the network as it is served."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.dense import Columns, Neighbours, Units, known
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.tasks.maze import SIDES
from agent_reasoning.tasks.placement_world import drawn_cluster
from agent_reasoning.tasks.refit import OBJECTIVES, Crowd

SIZES = {"sudoku": 30, "maze": 9, "placement": 14}


def instances_of(task):
    rng = np.random.default_rng(0)
    name = task.info.name
    if name != "placement":
        return [task.generate(rng, SIZES[name]).instance for _ in range(3)]
    return with_everything(rng, SIZES[name])


def with_everything(rng, size):
    """Clusters of one size, of each objective: one with groups apart, of which two have a workload in common, one where some
    nodes are barred to some, one without any of it."""
    first, second, third = (drawn_cluster(rng, size, objective)[0] for objective in OBJECTIVES[:2] + OBJECTIVES[:1])
    everywhere = (tuple(range(len(first.nodes))),) * size
    few = tuple(tuple(np.flatnonzero(rng.random(len(first.nodes)) < 0.4).tolist()) or (0,) for _ in range(size))
    return [
        replace(first, allowed=few, apart=((0, 1, 2), (2, 5), (7, 9))),
        replace(second, allowed=few, apart=()),
        replace(third, allowed=everywhere, apart=((3, 4),)),
    ]


def layout(name, instances, batch):
    """The problems as they are laid out for the fast path, and its wires."""
    if name == "placement":
        crowd = Crowd(instances)
        return batch, Columns(batch.allowed, torch.from_numpy(crowd.apart))
    dense = known(batch.tokens, batch.allowed)
    if name == "sudoku":
        return dense, Units.of(batch.allowed)
    is_open = torch.from_numpy(np.stack([instance.is_open() for instance in instances]))
    return dense, Neighbours(is_open, tuple(SIDES.values()))


def holding(batch):
    """Somewhere for most, where an answer is held."""
    if batch.held is None:
        return batch
    held = torch.zeros(batch.allowed.shape)
    for row, cell in np.ndindex(*batch.allowed.shape[:2]):
        nodes = torch.nonzero(batch.allowed[row, cell]).flatten()
        held[row, cell, nodes[(row + cell) % len(nodes)]] = float(cell % 4 > 0)
    return replace(batch, held=held)


def weighted(output, weights):
    return (output.logits.masked_fill(output.logits < -1e8, 0) * weights).sum() + output.q_halt_logits.sum()


@pytest.fixture(params=sorted(SIZES))
def both(request):
    """Logits, beliefs and gradients after two steps, by tables and by reshapes; cells with equal states, too, where the
    maximum has several places."""
    task = builtin_tasks().get(request.param)
    instances = instances_of(task)
    problems = [task.encode(instance) for instance in instances]
    if request.param == "sudoku":  # while no candidate is gone; when some are, `test_packed` compares
        problems = [replace(problem, candidates=np.ones_like(problem.candidates)) for problem in problems]
    batch = holding(collate(problems, task.info.spec))
    config = StructuredConfig(task.info.spec, hidden=16, H_cycles=1, L_cycles=2)
    network = StructuredNetwork(config, torch.Generator().manual_seed(1))
    torch.nn.init.normal_(network.q_head.weight, generator=torch.Generator().manual_seed(2))
    weights = torch.randn(batch.allowed.shape, generator=torch.Generator().manual_seed(3))
    dense, wires = layout(request.param, instances, batch)
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
