import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.networks.batch import Shape, collate, draw_ties, round_up, seen, tensors_of
from agent_reasoning.networks.structured import (
    FORBIDDEN_LOGIT,
    StructuredCarry,
    StructuredConfig,
    StructuredNetwork,
    pool,
    put_shifted,
    spread,
)
from agent_reasoning.problem import Problem, ProblemSpec, RelationSpec

SPEC = ProblemSpec(
    vocabulary=("a", "b"),
    cell_features=("degree",),
    candidate_features=("cost",),
    relations=(RelationSpec("before", shift=1), RelationSpec("beside")),
    groups=("unit",),
)


def network(hidden=8, **sizes):
    made = StructuredNetwork(StructuredConfig(SPEC, hidden=hidden, **sizes), torch.Generator().manual_seed(1)).eval()
    torch.nn.init.normal_(made.q_head.weight, generator=torch.Generator().manual_seed(2))
    return made


@pytest.fixture
def one_thread():
    """As the service steps these networks."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


@given(st.integers(0, 1000), st.integers(1, 3))
def test_pooling_is_the_mean_and_the_maximum_over_what_each_target_hears(seed, rows):
    rng = np.random.default_rng(seed)
    problems = [random_problem(rng, int(rng.integers(1, 6)), int(rng.integers(1, 5))) for _ in range(rows)]
    batch = collate(problems, SPEC)
    _, cells, width = batch.present.shape
    channels = 1 + len(SPEC.relations) + len(SPEC.groups)
    spoken = torch.from_numpy(rng.random((rows, cells, width, channels, 2)).astype(np.float32))

    mean, largest = pool(spoken.view(-1, 2), batch.wires().sets)

    for row, problem in enumerate(problems):
        said = spoken[row]
        sets = [(cell, [(cell, v) for v in range(problem.size[1])], 0) for cell in range(problem.size[0])]
        sets += [(cells + number, group, channels - 1) for number, group in enumerate(problem.groups["unit"])]
        for place, pairs, channel in sets:
            heard = torch.stack([said[cell, candidate, channel] for cell, candidate in pairs])
            torch.testing.assert_close(mean[row, place], heard.mean(0))
            torch.testing.assert_close(largest[row, place], heard.amax(0))


@given(st.integers(0, 1000))
def test_spreading_gives_each_pair_the_sum_over_its_sets(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, 4, 3)
    batch = collate([problem], SPEC)
    told = torch.from_numpy(rng.random((sum(batch.set_counts), 2)).astype(np.float32))

    heard = spread(told, batch.wires().members)[0].view(4, 3, 2)

    for cell, candidate in np.ndindex(4, 3):
        own = [number for number, group in enumerate(problem.groups["unit"]) if [cell, candidate] in group.tolist()]
        expected = told[cell] + sum((told[4 + number] for number in own), torch.zeros(2))
        torch.testing.assert_close(heard[cell, candidate], expected)


@pytest.mark.parametrize(("by", "expected"), [(1, [[0, 0], [0, 1], [2, 3]]), (-1, [[2, 3], [4, 5], [0, 0]])])
def test_a_shift_moves_messages_between_candidates(by, expected):
    heard = torch.zeros(1, 3, 2)

    put_shifted(heard, torch.arange(6.0).view(1, 3, 2), by)

    assert heard.tolist() == [expected]


@pytest.mark.parametrize("by", [0, 3, -3])
def test_a_shift_beyond_the_candidates_is_silence(by):
    heard = torch.zeros(1, 2, 1)

    put_shifted(heard, torch.ones(1, 2, 1), by)

    assert heard.sum() == (2 if by == 0 else 0)


def test_an_answer_is_the_same_to_the_last_bit_wherever_its_problem_stands_in_a_batch(one_thread):
    """Nothing that a problem shares a pass with may move its answer, not even by a rounding: the recursion would
    make more of it at each step."""
    rng = np.random.default_rng(0)
    problems = [random_problem(rng, 6, 5) for _ in range(9)]
    shape = Shape.over([Shape.of(problem, SPEC) for problem in problems]).rounded()
    net = network(hidden=16)

    def outputs(chosen):
        batch = collate(chosen, SPEC, shape)
        carry = net.initial_carry(batch)
        with torch.no_grad():
            for _ in range(4):
                carry, output = net.step(carry, batch)
        return output.logits, output.q_halt_logits

    logits, beliefs = outputs(problems)

    for first, count in ((0, 1), (4, 1), (8, 1), (2, 3), (1, 8)):
        some_logits, some_beliefs = outputs(problems[first : first + count])
        assert torch.equal(some_logits, logits[first : first + count])
        assert torch.equal(some_beliefs, beliefs[first : first + count])


@given(st.integers(0, 10_000), st.sampled_from([1, 16, 128]))
def test_rounding_up_wastes_little(count, exact):
    rounded = round_up(count, exact)

    assert rounded == count if count <= exact else count <= rounded <= count * 9 / 8 + 1
    assert round_up(rounded, exact) == rounded


def test_ties_are_drawn_for_each_row_and_tell_cells_and_candidates_apart():
    spec = ProblemSpec(("a",), cell_features=("size", "tie"), candidate_features=("tie", "cost"), ties=("tie",))
    problem = Problem(
        np.ones((3, 4), bool), np.zeros(3, np.int64), np.zeros((3, 2), np.float32), np.zeros((3, 4, 2), np.float32)
    )
    batch = collate([problem] * 3, spec)

    drawn = draw_ties(batch, spec, [np.random.default_rng(seed) for seed in (1, 2, 1)])

    for row in range(3):
        assert len(set(drawn.cell_features[row, :, 1].tolist())) == 3
        assert len(set(drawn.candidate_features[row, 0, :, 0].tolist())) == 4
        assert (drawn.candidate_features[row, :, :, 0] == drawn.candidate_features[row, 0, :, 0]).all()
    assert torch.equal(drawn.cell_features[0], drawn.cell_features[2])
    assert not torch.equal(drawn.cell_features[0], drawn.cell_features[1])
    assert not drawn.cell_features[..., 0].any()
    assert not drawn.candidate_features[..., 1].any()
    assert not batch.cell_features.any()
    assert draw_ties(batch, SPEC, []) is batch


@given(st.integers(0, 1000), st.permutations(range(3)))
def test_in_a_view_each_relation_is_heard_as_the_one_whose_place_it_takes(seed, view):
    names = "left", "right", "over"
    rng, spec = np.random.default_rng(seed), ProblemSpec(("a",), relations=tuple(map(RelationSpec, names)))
    edges = [np.argwhere(rng.random((5, 5)) < share) for share in (0.5, 0.2, 0)]

    def batch(order):
        relations = {name: edges[number] for name, number in zip(names, order, strict=True)}
        problem = Problem(np.ones((5, 2), bool), np.zeros(5, np.int64), relations=relations)
        return collate([problem, problem], spec, Shape.of(problem, spec).rounded())

    for found, expected in zip(tensors_of(seen(batch(range(3)), view)), tensors_of(batch(view)), strict=True):
        assert torch.equal(found, expected)


def test_rows_of_a_batch_are_views_where_they_stand_together():
    batch = collate([random_problem(np.random.default_rng(0), 4, 3)] * 3, SPEC)

    picked = batch.rows(slice(1, 2))

    assert all(a.data_ptr() == b[1:2].data_ptr() for a, b in zip(tensors_of(picked), tensors_of(batch), strict=True))


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
    update = net.update
    net.update = lambda *given: applications.append(torch.is_grad_enabled()) or update(*given)

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
