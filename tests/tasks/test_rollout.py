import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.tasks.dependencies import DependencyGraph
from agent_reasoning.tasks.rollout import Rollout

ROLLOUT = Rollout()


@st.composite
def graphs(draw):
    """Acyclic by construction: in a random order, each step may need earlier ones."""
    count = draw(st.integers(1, 10))
    order = draw(st.permutations(range(count)))
    needs = [()] * count
    for place, step in enumerate(order):
        needs[step] = tuple(draw(st.sets(st.sampled_from(order[:place])))) if place else ()
    return DependencyGraph(tuple(f"s{number}" for number in range(count)), tuple(needs))


def waves_by_networkx(graph):
    """Kahn's algorithm, somebody else's."""
    reference = nx.DiGraph()
    reference.add_nodes_from(graph.names)
    reference.add_edges_from(
        (graph.names[need], name) for name, needs in zip(graph.names, graph.needs, strict=True) for need in needs
    )
    return [sorted(wave) for wave in nx.topological_generations(reference)]


@given(graphs())
def test_the_verifier_accepts_what_an_independent_algorithm_finds(graph):
    assert ROLLOUT.verify(graph, {"waves": waves_by_networkx(graph)}).valid


@given(graphs(), st.data())
def test_the_verifier_refuses_every_other_assignment(graph, data):
    right = waves_by_networkx(graph)
    wave_of = {name: number for number, wave in enumerate(right) for name in wave}
    name = data.draw(st.sampled_from(graph.names))
    wrong = data.draw(st.integers(0, len(graph.names)).filter(lambda wave: wave != wave_of[name]))
    waves = [
        [other for other in graph.names if (wave_of | {name: wrong})[other] == wave]
        for wave in range(len(graph.names) + 1)
    ]

    verdict = ROLLOUT.verify(graph, {"waves": waves})

    assert not verdict.valid
    assert any(name in violation for violation in verdict.violations)


@given(graphs(), st.data())
def test_any_choice_is_valid_exactly_when_it_is_the_independent_answer(graph, data):
    count = len(graph.names)
    choice = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=count, max_size=count)), np.int64)

    solution = ROLLOUT.decode(graph, choice)

    found = [sorted(wave) for wave in solution["waves"]]
    assert ROLLOUT.verify(graph, solution).valid == (found == waves_by_networkx(graph))
    assert (ROLLOUT.choice_of(graph, solution) == choice).all()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=3) | st.just("s0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["waves", "x"]), inner, max_size=2),
)


@given(graphs(), st.dictionaries(st.sampled_from(["waves", "other"]), JSON))
def test_the_verifier_gives_a_verdict_for_anything(graph, solution):
    verdict = ROLLOUT.verify(graph, solution)

    if verdict.valid:
        assert [sorted(wave) for wave in solution["waves"]] == waves_by_networkx(graph)
    else:
        assert verdict.violations


@pytest.mark.parametrize(
    ("waves", "violation"),
    [
        ([["a", "b"]], "b is in wave 1, but needs a, which is in wave 1."),
        ([["a"], [], ["b"]], "b is in wave 3, but could run in wave 2."),
        ([["a"]], "b stands in no wave."),
        ([["a"], ["b", "a"]], "a stands in wave 1 and again in wave 2."),
        ([["a", "ghost"], ["b"]], "Wave 1 holds 'ghost', which is no step."),
        ("a", "The solution has no list of waves."),
    ],
)
def test_a_violation_says_what_is_wrong(waves, violation):
    graph = DependencyGraph(("a", "b"), ((), (0,)))

    assert violation in ROLLOUT.verify(graph, {"waves": waves}).violations


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_generated_labels_are_the_independent_answer(seed, size):
    item = ROLLOUT.generate_free(np.random.default_rng(seed), size)

    waves = [sorted(wave) for wave in ROLLOUT.decode(item.instance, item.choice)["waves"]]

    assert len(item.instance.names) == size
    assert waves == waves_by_networkx(item.instance)


def test_generated_depths_are_spread_evenly_over_2_to_12():
    rng = np.random.default_rng(5)
    depths = [int(ROLLOUT.generate_free(rng, 24).choice.max()) + 1 for _ in range(2200)]

    counts = np.bincount(depths, minlength=13)[2:13]

    assert counts.min() > 100
    assert counts.max() < 320


@given(graphs())
def test_the_right_answer_is_always_among_the_candidates(graph):
    problem = ROLLOUT.encode(graph)
    waves = {name: number for number, wave in enumerate(waves_by_networkx(graph)) for name in wave}

    assert all(problem.candidates[cell, waves[name]] for cell, name in enumerate(graph.names))


def test_an_answer_in_words_names_every_wave():
    graph = DependencyGraph(("a", "b"), ((), (0,)))

    words = ROLLOUT.describe(graph, {"waves": [["a"], ["b"]], "critical_path": ["a", "b"]})

    assert words.splitlines() == [
        "2 steps in 2 waves; the steps of a wave can run at the same time.",
        "Wave 1: a",
        "Wave 2: b",
        "Critical path: a → b.",
    ]


@pytest.mark.parametrize(
    ("path", "valid"),
    [
        (["a", "b", "c"], True),
        (["a", "d"], False),
        (["a", "c"], False),
        (["c", "b", "a"], False),
        (["x"], False),
        (7, False),
    ],
)
def test_a_critical_path_is_a_longest_chain(path, valid):
    graph = DependencyGraph(("a", "b", "c", "d"), ((), (0,), (0, 1), (0,)))

    assert ROLLOUT.verify(graph, {"waves": [["a"], ["b", "d"], ["c"]], "critical_path": path}).valid == valid
