from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.base import is_best, to_reach
from agent_reasoning.tasks.maze import MazeTask
from agent_reasoning.tasks.maze_context import Maze
from agent_reasoning.tasks.maze_solver import NOWHERE, Board
from agent_reasoning.tasks.maze_world import KINDS, least_steps
from agent_reasoning.training.labels.maze import targets

MAZE = MazeTask()
SEEDS = st.integers(0, 2**32 - 1)
SMALL = ["S  #", "#   ", "# #G"]
SHORTEST = [[0, 0], [0, 1], [1, 1], [1, 2], [1, 3], [2, 3]]


def read(rows):
    return MAZE.read({"maze": rows})


def drawn(seed, size):
    return MAZE.generate(np.random.default_rng(seed), size)


def graph_of(maze):
    """As somebody else's library has it: the grid without its walls."""
    graph = nx.grid_2d_graph(len(maze.rows), len(maze.rows[0]))
    graph.remove_nodes_from([cell for cell in list(graph) if maze.rows[cell[0]][cell[1]] == "#"])
    return graph


@st.composite
def small_mazes(draw):
    height, width = draw(st.integers(1, 5)), draw(st.integers(2, 5))
    cells = [(row, column) for row in range(height) for column in range(width)]
    start, goal = draw(st.permutations(cells))[:2]
    is_open = np.array(draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))).reshape(height, width)
    is_open[start] = is_open[goal] = True
    return Maze.of(is_open, start, goal)


@settings(max_examples=300)
@given(small_mazes(), st.data())
def test_a_walk_is_valid_exactly_when_networkx_lists_it_among_the_shortest_paths(maze, data):
    graph = graph_of(maze)
    connected = nx.has_path(graph, maze.start, maze.goal)
    shortest = [list(path) for path in nx.all_shortest_paths(graph, maze.start, maze.goal)] if connected else []
    simple = [list(path) for path in nx.all_simple_paths(graph, maze.start, maze.goal, cutoff=8)]
    anywhere = st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 5)), max_size=8)
    path = data.draw(st.sampled_from([*shortest[:4], *simple[:8]]) | anywhere if simple or shortest else anywhere)

    verdict = MAZE.verify(maze, {"path": [list(cell) for cell in path]})

    assert verdict.valid == (path in shortest)
    assert verdict.optimal == verdict.valid
    leads = len(path) > 1 and nx.is_simple_path(graph, path) and (path[0], path[-1]) == (maze.start, maze.goal)
    assert (verdict.objective, verdict.bound) == ((len(path) - 1, len(shortest[0]) - 1) if leads else (None, None))


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([5, 10, 16]), st.data())
def test_changing_any_one_square_of_an_answer_is_refused(seed, size, data):
    item = drawn(seed, size)
    free = np.flatnonzero(MAZE.encode(item.instance).candidates.all(1))
    wrong = item.choice.copy()
    wrong[data.draw(st.sampled_from(free.tolist()))] ^= 1

    assert MAZE.verify(item.instance, MAZE.decode(item.instance, item.choice)).valid
    assert not MAZE.verify(item.instance, MAZE.decode(item.instance, wrong)).valid


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (SHORTEST[1:], "starts at [0, 1], not at the start [0, 0]"),
        (SHORTEST[:-1], "ends at [1, 3], not at the goal [2, 3]"),
        ([[0, 0], [1, 0], *SHORTEST[2:]], "[1, 0] is a wall"),
        ([[0, 0], [-1, 0], *SHORTEST[1:]], "[-1, 0] is outside the maze"),
        ([[0, 0], *SHORTEST[2:]], "[0, 0] and [1, 1] are not side by side"),
        ([*SHORTEST[:3], *SHORTEST[1:]], "[0, 1] is on the path 2 times"),
        ([*SHORTEST[:3], [2, 1], [2, 1], *SHORTEST[3:]], "[2, 1] and [2, 1] are not side by side"),
        ([[0, 0], [0, 1], [0, 2], [1, 2], [1, 3], [2, 3]], None),
        (SHORTEST, None),
        ([], "no path"),
        ([[0, 0], [0, True]], "no path"),
        ([[0, 0], [0.0, 1]], "no path"),
        ("S", "no path"),
    ],
)
def test_a_refusal_names_the_cell(path, words):
    verdict = MAZE.verify(read(SMALL), {"path": path})

    assert any(words in violation for violation in verdict.violations) if words else verdict.optimal


def test_a_path_that_could_be_shorter_is_refused_with_both_lengths():
    around = [[0, 0], [1, 0], [2, 0], [2, 1], [2, 2], [1, 2], [0, 2]]

    verdict = MAZE.verify(read(["S G", " # ", "   "]), {"path": around})

    assert verdict.violations == ("There is a shorter path: this one takes 6 steps, a shortest one 2.",)
    assert (verdict.objective, verdict.bound, verdict.optimal) == (6, 2, False)


@given(
    st.dictionaries(
        st.sampled_from(["path", "stray", "x"]),
        st.recursive(st.none() | st.integers(-1, 4) | st.text(max_size=2) | st.floats(), st.lists),
    )
)
def test_the_verifier_gives_a_verdict_for_anything(solution):
    assert not MAZE.verify(read(["S#", " G"]), solution).valid


@settings(max_examples=200)
@given(small_mazes(), st.data())
def test_whatever_is_chosen_decodes_and_comes_back(maze, data):
    candidates = MAZE.encode(maze).candidates
    choice = np.array([data.draw(st.sampled_from(np.flatnonzero(row).tolist())) for row in candidates])

    solution = MAZE.decode(maze, choice)

    assert (MAZE.choice_of(maze, solution) == choice).all()
    steps = [(list(one), list(other)) for one, other in pairwise(solution["path"])]
    assert all(abs(one[0] - other[0]) + abs(one[1] - other[1]) == 1 for one, other in steps)
    assert MAZE.describe(maze, solution)
    assert "\n" not in MAZE.brief(maze, solution)


@pytest.mark.parametrize(
    ("marks", "path", "stray"),
    [
        (["o  ", " # ", "  o"], [[0, 0]], []),
        (["oo ", " # ", "  o"], [[0, 0], [0, 1]], []),
        (["ooo", " #o", "  o"], [[0, 0], [0, 1], [0, 2], [1, 2], [2, 2]], []),
        (["ooo", " #o", "o o"], [[0, 0], [0, 1], [0, 2], [1, 2], [2, 2]], [[2, 0]]),
        (["ooo", "o#o", "ooo"], [[0, 0]], [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]]),
    ],
)
def test_marked_squares_are_followed_and_nothing_is_searched_for(marks, path, stray):
    """Two ways at once are not a path, even where either would do; nor is a path beside which something else is marked."""
    maze = read(["S  ", " # ", "  G"])
    choice = np.array([character == "o" for row in marks for character in row]).astype(np.int64)

    solution = MAZE.decode(maze, choice)

    goal = [[2, 2]] if path[-1] != [2, 2] else []
    assert solution["path"] == path
    assert solution.get("stray", []) == stray + goal
    assert MAZE.verify(maze, solution).valid == (len(path) == 5 and not stray)


@settings(max_examples=25)
@given(SEEDS, st.integers(2, 30))
def test_a_generated_maze_is_as_long_as_promised_and_its_label_is_a_shortest_path(seed, size):
    item = drawn(seed, size)
    maze, solution = item.instance, MAZE.decode(item.instance, item.choice)
    length = nx.shortest_path_length(graph_of(maze), maze.start, maze.goal)

    assert maze.shape == (size, size)
    assert item.kind in KINDS
    assert "stray" not in solution
    assert len(solution["path"]) - 1 == length >= least_steps(size)
    assert to_reach(MAZE, item) == length


def test_the_longest_are_those_of_maze_hard():
    assert (least_steps(30), least_steps(10), least_steps(40)) == (110, 12, 146)


def test_the_same_seed_gives_the_same_maze_and_every_kind_is_drawn():
    items = [drawn(seed, 12) for seed in range(40)]

    assert {item.kind for item in items} == set(KINDS)
    assert [item.instance for item in items] == [drawn(seed, 12).instance for seed in range(40)]


def test_another_shortest_path_is_as_good_as_the_label():
    maze = read(["S  ", "   ", "  G"])
    label = [[0, 0], [0, 1], [0, 2], [1, 2], [2, 2]]
    mirrored = [[column, row] for row, column in label]

    assert [list(cell) for cell in Board.of(maze.is_open()).shortest_path(maze.start, maze.goal)] == label
    assert is_best(MAZE.verify(maze, {"path": mirrored}), 4)


@settings(max_examples=60)
@given(small_mazes())
def test_targets_are_the_distances_and_the_squares_of_any_shortest_path(maze):
    graph = graph_of(maze)
    lengths = nx.single_source_shortest_path_length(graph, maze.start)
    back = nx.single_source_shortest_path_length(graph, maze.goal)
    connected = maze.goal in lengths
    on_any = (
        {cell for path in nx.all_shortest_paths(graph, maze.start, maze.goal) for cell in path} if connected else set()
    )

    found = targets(maze)

    for cell in np.ndindex(maze.shape):
        assert found.from_start[cell] == lengths.get(cell, NOWHERE)
        assert found.to_goal[cell] == back.get(cell, NOWHERE)
        assert found.on_shortest[cell] == (cell in on_any)


@settings(max_examples=60)
@given(small_mazes())
def test_relations_join_open_squares_that_are_side_by_side(maze):
    problem = MAZE.encode(maze)
    width = maze.shape[1]
    told = {
        (name, divmod(source, width), divmod(target, width))
        for name, edges in problem.relations.items()
        for source, target in edges.tolist()
    }
    sides = {(-1, 0): "above", (1, 0): "below", (0, -1): "left", (0, 1): "right"}
    expected = set()
    for one, other in graph_of(maze).edges:
        for source, target in ((one, other), (other, one)):
            expected.add((sides[source[0] - target[0], source[1] - target[1]], source, target))

    assert told == expected


TURNS = [(quarters, is_mirrored) for quarters in range(4) for is_mirrored in (False, True)]


def turned(grid, quarters, is_mirrored):
    return np.rot90(grid.T if is_mirrored else grid, quarters)


@settings(max_examples=60)
@given(small_mazes())
def test_each_view_has_the_relations_of_the_maze_laid_down_another_way(maze):
    """Whichever way that is: all eight are there."""
    encoded, cells = MAZE.encode(maze), np.arange(maze.is_open().size).reshape(maze.shape)
    ways = {}
    for way in TURNS:
        is_open = turned(maze.is_open(), *way)
        lies_at = np.argsort(turned(cells, *way), axis=None)  # where each cell of the maze comes to lie
        ends = (np.unravel_index(lies_at[cells[end]], is_open.shape) for end in (maze.start, maze.goal))
        found = MAZE.encode(Maze.of(is_open, *(tuple(map(int, end)) for end in ends))).relations
        for view in MAZE.info.spec.views:
            renamed = zip(MAZE.info.spec.views[0], view, strict=True)
            if all(as_set(found[name]) == as_set(lies_at[encoded.relations[other]]) for name, other in renamed):
                ways.setdefault(view, []).append(way)

    assert set(ways) == set(MAZE.info.spec.views)
    assert len(ways) == 8
    assert {way for found in ways.values() for way in found} == set(TURNS)


def as_set(edges):
    return set(map(tuple, edges.tolist()))


def test_the_published_tokens_are_those_of_maze_hard():
    """0 is padding, then `# SGo`; an answer keeps walls, start and goal and says o for the path."""
    maze = read(["S#", " G"])
    problem = MAZE.encode(maze)
    answered = problem.published.answers[np.arange(4), MAZE.choice_of(maze, {"path": [[0, 0], [1, 0], [1, 1]]})]

    assert problem.published.tokens.tolist() == [3, 1, 2, 4]
    assert answered.tolist() == [3, 1, 5, 4]
    assert problem.candidates.tolist() == [[False, True], [True, False], [True, True], [False, True]]


@pytest.mark.parametrize("form", ["rows", "dots", "text", "windows"])
def test_every_form_gives_the_same_maze(form):
    given = {
        "rows": SMALL,
        "dots": [row.replace(" ", ".") for row in SMALL],
        "text": "\n".join(SMALL),
        "windows": "\r\n".join([*SMALL, ""]),
    }[form]

    assert read(given) == Maze(tuple(SMALL), (0, 0), (2, 3))


@pytest.mark.parametrize(
    ("maze", "words"),
    [
        ([], "maze"),
        (7, "maze"),
        ([["S", "G"]], "maze"),
        ("", "0 and 0"),
        ([""], "1 and 0"),
        (["S G"] * 41, "maze"),
        (["S" + " " * 40 + "G"], "maze"),
        ("\n".join(["S G", *[" " * 3] * 40]), "41 and 3"),
        (["S G", "  "], "row 0 has 3 characters, row 1 has 2"),
        (["SoG"], r"\[0, 1\] holds 'o'"),
        (["S  "], "one G; this one has 0"),
        (["SSG"], "one S; this one has 2"),
        (["S#G"], "no path from S"),
    ],
)
def test_what_is_no_maze_is_refused_with_the_reason(maze, words):
    with pytest.raises(InvalidContext, match=words):
        read(maze)


def test_the_answer_draws_the_path_into_the_maze():
    words = MAZE.describe(read(SMALL), {"path": SHORTEST})

    assert words.splitlines() == ["5 steps from [0, 0] to [2, 3]:", "So #", "#ooo", "# #G"]
    assert "does not go on to the goal [2, 3]" in MAZE.describe(read(SMALL), {"path": SHORTEST[:3]})
