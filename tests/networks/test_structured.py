import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.networks.batch import Links, collate
from agent_reasoning.networks.structured import (
    FORBIDDEN_LOGIT,
    StructuredCarry,
    StructuredConfig,
    StructuredNetwork,
    pool,
    segments,
    shift_candidates,
)
from agent_reasoning.problem import Problem, ProblemSpec, RelationSpec

SPEC = ProblemSpec(
    vocabulary=("a", "b"),
    cell_features=("degree",),
    candidate_features=("cost",),
    relations=(RelationSpec("before", shift=1), RelationSpec("beside")),
    groups=("unit",),
)


def network(**sizes):
    made = StructuredNetwork(StructuredConfig(SPEC, hidden=8, **sizes), torch.Generator().manual_seed(1)).eval()
    torch.nn.init.normal_(made.q_head.weight, generator=torch.Generator().manual_seed(2))
    return made


def random_problem(rng, cells, width):
    candidates = rng.random((cells, width)) < 0.7
    candidates[np.arange(cells), rng.integers(0, width, cells)] = True
    pairs = np.argwhere(rng.random((cells, width)) < 0.6)
    parts = np.array_split(rng.permutation(pairs), 3)
    return Problem(
        candidates=candidates,
        tokens=rng.integers(0, 2, cells),
        cell_features=rng.random((cells, 1)).astype(np.float32),
        candidate_features=rng.random((cells, width, 1)).astype(np.float32),
        relations={"before": np.argwhere(rng.random((cells, cells)) < 0.3), "beside": np.zeros((0, 2), np.int64)},
        groups={"unit": tuple(part for part in parts if len(part))},
    )


def run(net, problems, steps=2):
    batch = collate(problems, SPEC)
    carry = net.initial_carry(batch)
    with torch.no_grad():
        for _ in range(steps):
            carry, output = net.step(carry, batch)
    return output


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 5))
def test_a_problem_gets_the_same_answer_alone_and_beside_larger_ones(seed, cells, width):
    rng = np.random.default_rng(seed)
    small, large = random_problem(rng, cells, width), random_problem(rng, 7, 6)
    net = network()

    alone, together = run(net, [small]), run(net, [large, small])

    torch.testing.assert_close(together.logits[1, :cells, :width], alone.logits[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together.q_halt_logits[1], alone.q_halt_logits[0], atol=1e-4, rtol=1e-4)


@given(st.integers(0, 1000))
def test_renumbering_the_cells_renumbers_the_answer(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 5, 4)
    order = rng.permutation(5)  # new place -> old cell
    place = np.argsort(order)
    renumbered = Problem(
        candidates=problem.candidates[order],
        tokens=problem.tokens[order],
        cell_features=problem.cell_features[order],
        candidate_features=problem.candidate_features[order],
        relations={name: place[edges].reshape(-1, 2) for name, edges in problem.relations.items()},
        groups={
            name: tuple(np.stack([place[g[:, 0]], g[:, 1]], -1) for g in groups)
            for name, groups in problem.groups.items()
        },
    )
    net = network()

    torch.testing.assert_close(
        run(net, [renumbered]).logits[0], run(net, [problem]).logits[0, order], atol=1e-4, rtol=1e-4
    )


def test_a_forbidden_candidate_is_never_the_answer():
    rng = np.random.default_rng(0)
    problems = [random_problem(rng, 6, 5) for _ in range(20)]

    logits = run(network(), problems).logits

    allowed = torch.from_numpy(np.stack([problem.candidates for problem in problems]))
    assert (logits[~allowed] == FORBIDDEN_LOGIT).all()
    assert allowed.gather(2, logits.argmax(-1, keepdim=True)).all()


def test_messages_travel_along_relations_groups_and_candidates_only():
    """Cell 2 shares nothing with the others: whatever happens to them, it must not hear of it."""

    def problem(token):
        return Problem(
            candidates=np.ones((3, 2), bool),
            tokens=np.array([token, 0, 0]),
            cell_features=np.zeros((3, 1), np.float32),
            candidate_features=np.zeros((3, 2, 1), np.float32),
            relations={"before": np.array([[0, 1]]), "beside": np.zeros((0, 2), np.int64)},
        )

    one, other = (run(network(), [problem(token)]).logits[0] for token in (0, 1))

    assert not torch.allclose(one[1], other[1])
    torch.testing.assert_close(one[2], other[2], atol=0, rtol=0)


def test_a_relation_without_a_name_in_the_spec_is_refused():
    problem = Problem(np.ones((1, 1), bool), np.zeros(1, np.int64), relations={"ghost": np.zeros((0, 2), np.int64)})

    with pytest.raises(KeyError, match="ghost"):
        collate([problem], ProblemSpec(vocabulary=("a",)))


@given(st.integers(0, 1000))
def test_the_gpu_path_pools_what_the_cpu_path_pools(seed):
    rng = np.random.default_rng(seed)
    links = Links.of(rng.integers(0, 5, (12, 2)), 6)
    rows = torch.from_numpy(rng.random((5, 3, 2)).astype(np.float32))
    count = links.lengths.clamp(min=1).view(-1, 1, 1)
    spoken = rows[links.source]

    without_atomics = torch.cat([segments(spoken, links, "sum") / count, segments(spoken, links, "max")], -1)

    torch.testing.assert_close(pool(rows, links), without_atomics)


def test_a_shift_moves_messages_between_candidates():
    x = torch.arange(6.0).view(1, 3, 2)

    assert shift_candidates(x, 1).tolist() == [[[0, 0], [0, 1], [2, 3]]]
    assert shift_candidates(x, -1).tolist() == [[[2, 3], [4, 5], [0, 0]]]


def test_the_carry_leaves_a_step_without_its_graph():
    net = network().train()
    batch = collate([random_problem(np.random.default_rng(0), 4, 3)], SPEC)

    carry, output = net.step(net.initial_carry(batch), batch)

    assert output.logits.requires_grad
    assert not carry.z_H.requires_grad
    assert not carry.z_L.requires_grad


def test_gradients_flow_through_the_last_cycle_only():
    net = network(H_cycles=3, L_cycles=2).train()
    batch = collate([random_problem(np.random.default_rng(0), 4, 3)], SPEC)
    applications = []
    update = net._update
    net._update = lambda h, batch: applications.append(torch.is_grad_enabled()) or update(h, batch)

    net.step(net.initial_carry(batch), batch)

    assert applications == [False] * 6 + [True] * 4
    assert len(applications) == net.config.applications_per_step


def test_the_carry_is_the_whole_state_of_a_recursion():
    net = network()
    batch = collate([random_problem(np.random.default_rng(0), 4, 3)], SPEC)
    with torch.no_grad():
        carry, _ = net.step(net.initial_carry(batch), batch)
        _, went_on = net.step(carry, batch)
        _, resumed = net.step(StructuredCarry(carry.z_H.clone(), carry.z_L.clone()), batch)

    torch.testing.assert_close(went_on.logits, resumed.logits, atol=0, rtol=0)


def test_a_fresh_network_believes_nothing():
    net = StructuredNetwork(StructuredConfig(SPEC, hidden=8))

    assert run(net, [random_problem(np.random.default_rng(0), 4, 3)]).q_halt_logits.tolist() == [-5.0]
