"""A packed network against two oracles: the same network over all pairs, and its lists against the sets themselves."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.networks import packed
from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.dense import UNITS, Units, known, unit_links
from agent_reasoning.networks.structured import FORBIDDEN_LOGIT, StructuredCarry, StructuredConfig, StructuredNetwork
from agent_reasoning.problem import Problem, ProblemSpec
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.training.deduction import deduction_loss

SPEC = builtin_tasks().get("sudoku").info.spec
SHAPE = (3, 81, 9)


DEEPER = {"H_cycles": 2, "L_cycles": 2, "blocks": 2}


def a_network(seed=0, **sizes):
    network = StructuredNetwork(
        StructuredConfig(SPEC, 16, **{"H_cycles": 1, "L_cycles": 3} | sizes, packed=True),
        torch.Generator().manual_seed(seed),
    )
    torch.nn.init.normal_(network.q_head.weight, generator=torch.Generator().manual_seed(seed))
    return network


def a_state(seed, share):
    """Three searches with about so many candidates left, one decided in part: tokens, candidates, solutions, carry."""
    generator = torch.Generator().manual_seed(seed)
    solution = torch.randint(9, SHAPE[:2], generator=generator)
    is_solution = torch.nn.functional.one_hot(solution, 9).bool()
    allowed = is_solution | (torch.rand(SHAPE, generator=generator) < share)
    allowed[2, :60] = is_solution[2, :60]
    tokens = (torch.rand(SHAPE[:2], generator=generator) < 0.3).long()
    carry = torch.randn((2, *SHAPE, 16), generator=generator)
    return tokens, allowed, solution, carry


def over_all(network, tokens, allowed, carry):
    problems = known(tokens, allowed)
    after, output = network.step(StructuredCarry(*carry), problems, network.embed(problems), Units.of(allowed))
    return (after.z_H, after.z_L), output


def over_open(network, tokens, allowed, carry):
    pairs = packed.pack(allowed.numpy(), packed.Sets.of(unit_links(len(allowed)), UNITS, tuple(allowed.shape)))
    rows = tuple(z.flatten(0, 2)[pairs.rows] for z in carry)
    return pairs, *packed.step(network, rows, pairs, packed.embed(network, pairs, tokens))


@pytest.mark.parametrize(("share", "sizes"), [(0.0, {}), (0.1, {}), (0.4, {}), (1.0, {}), (0.4, DEEPER)])
def test_the_same_numbers_as_over_all_pairs(share, sizes):
    network, (tokens, allowed, _, carry) = a_network(**sizes), a_state(1, share)
    with torch.no_grad():
        after, expected = over_all(network, tokens, allowed, carry)
        pairs, stepped, found = over_open(network, tokens, allowed, carry)
    for z, of_all in zip(stepped, after, strict=True):
        assert torch.allclose(z, of_all.flatten(0, 2)[pairs.rows], atol=1e-5)
    assert torch.allclose(found.q_halt_logits, expected.q_halt_logits, atol=1e-5)
    undecided = allowed & (allowed.sum(-1, keepdim=True) > 1)
    assert torch.allclose(found.logits[undecided], expected.logits[undecided], atol=1e-5)
    assert (found.logits[~allowed] == FORBIDDEN_LOGIT).all()
    assert torch.equal(found.logits.argmax(-1), expected.logits.argmax(-1))


@pytest.mark.parametrize(("share", "sizes"), [(0.1, {}), (0.5, {}), (0.3, DEEPER)])
def test_the_same_gradients(share, sizes):
    tokens, allowed, solution, carry = a_state(2, share)
    gradients = []
    for step in (over_all, over_open):
        network = a_network(**sizes)
        output = step(network, tokens, allowed, carry)[-1]
        deduction_loss(output, allowed, solution, torch.tensor([True, True, False])).backward()
        gradients.append({name: each.grad for name, each in network.named_parameters() if each.grad is not None})
    over_every, over_few = gradients
    assert over_every.keys() == over_few.keys()
    for name, gradient in over_every.items():
        assert torch.allclose(gradient, over_few[name], atol=1e-5 * float(gradient.abs().max()) + 1e-7), name


def test_gradients_in_bf16_point_the_same_way():
    """As training takes them where that is faster."""
    tokens, allowed, solution, carry = a_state(3, 0.3)
    gradients = []
    for enabled in (False, True):
        network = a_network()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = over_open(network, tokens, allowed, carry)[-1]
        deduction_loss(output, allowed, solution, torch.tensor([True] * 3)).backward()
        gradients.append(torch.cat([p.grad.flatten().float() for p in network.parameters() if p.grad is not None]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_nothing_is_left_to_say():
    """Every cell is decided and no two contradict each other: no pair is open, and the step says so without falling over."""
    row, column = np.indices((9, 9))
    full = torch.from_numpy((3 * row + row // 3 + column) % 9).flatten()
    allowed = torch.nn.functional.one_hot(full, 9).bool()[None]
    with torch.no_grad():
        pairs, _, output = over_open(
            a_network(), torch.ones((1, 81), dtype=torch.int64), allowed, torch.zeros(2, 1, 81, 9, 16)
        )
    assert len(pairs.rows) == 0
    assert torch.equal(output.logits.argmax(-1)[0], full)
    assert torch.isfinite(output.q_halt_logits).all()


@st.composite
def problems(draw):
    """Cells, candidates, and groups of them of two kinds; a pair may be in several of one kind. And what a search has left."""
    cells, width = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    pairs = [(cell, candidate) for cell in range(cells) for candidate in range(width)]
    group = st.lists(st.sampled_from(pairs), unique=True, max_size=6).map(
        lambda some: np.array(some, np.int64).reshape(-1, 2)
    )
    groups = {name: tuple(draw(st.lists(group, max_size=4))) for name in ("red", "blue")}
    left = np.array(draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))).reshape(cells, width)
    return Problem(tokens=np.zeros(cells, np.int64), candidates=np.ones((cells, width), bool), groups=groups), left


@settings(max_examples=150, deadline=None)
@given(st.lists(problems(), min_size=1, max_size=3))
def test_the_lists_are_those_of_the_sets(some):
    spec = ProblemSpec(vocabulary=("blank",), groups=("red", "blue"))
    batch = collate([problem for problem, _ in some], spec)
    B, L, V = batch.allowed.shape
    allowed = np.zeros((B, L, V), bool)
    for row, (_, left) in enumerate(some):
        allowed[row, : left.shape[0], : left.shape[1]] = left
    pairs = packed.pack(allowed, packed.Sets.of(batch.sets, batch.set_counts, (B, L, V)))

    sets = []  # of pairs of the whole batch, and their kind
    for place, (problem, _) in enumerate(some):
        height, across = problem.size
        sets += [(0, [(place, cell, v) for v in range(across)]) for cell in range(height)]
        for kind, name in enumerate(spec.groups, 1):
            sets += [(kind, [(place, *map(int, pair)) for pair in group]) for group in problem.groups[name]]
    remaining = [(kind, {pair for pair in members if allowed[pair]}, len(members)) for kind, members in sets]
    live = [(kind, members, size) for kind, members, size in remaining if len(members) > 1]
    rows = [tuple(map(int, np.unravel_index(row, (B, L, V)))) for row in pairs.rows.tolist()]
    assert rows == sorted(set().union(*(members for _, members, _ in live))) if live else rows == []

    entries = {place: [] for place in range(len(pairs.share))}
    for source, target in zip(pairs.source.tolist(), pairs.target.tolist(), strict=True):
        entries[target].append((source % 3, rows[source // 3]))
    found = [
        (members[0][0], {pair for _, pair in members}, round(1 / float(pairs.share[place])))
        for place, members in entries.items()
        if members
    ]
    in_order = [(kind, sorted(members), size) for kind, members, size in live]
    assert sorted((kind, sorted(members), size) for kind, members, size in found) == sorted(in_order)
    room = len(pairs.share) // 3
    assert all(place // room == kind for place, members in entries.items() for kind, _ in members)
    ends = [*pairs.members.tolist()[1:], len(pairs.member_of)][: len(rows)]
    for row, first, end in zip(rows, pairs.members.tolist(), ends, strict=True):
        heard = {place for place, members in entries.items() if row in [pair for _, pair in members]}
        assert sorted(pairs.member_of.tolist()[first:end]) == sorted(heard)


def test_a_packed_network_is_not_stepped_over_pairs_that_are_gone():
    network, batch = (
        a_network(),
        collate([Problem(tokens=np.zeros(2, np.int64), candidates=np.ones((2, 9), bool))], SPEC),
    )
    for wires in (None, batch.wires()):
        with pytest.raises(ValueError, match="over the pairs that are left"):
            network.step(network.initial_carry(batch), batch, None, wires)


def test_what_a_packed_network_cannot_read():
    with pytest.raises(ValueError, match="tokens and groups"):
        StructuredConfig(replace(SPEC, candidate_features=("weight",)), packed=True)
