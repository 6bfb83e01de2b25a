import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.sudoku import Puzzle, Sudoku
from agent_reasoning.tasks.sudoku_solver import solutions

SUDOKU = Sudoku()
EXAMPLE = SUDOKU.info.example_context["puzzle"]
SEVENTEEN = "...8.1..........435............7.8........1...2..3....6......75..34........2..6.."
SEEDS = st.integers(0, 2**32 - 1)


def full_grid(seed):
    return SUDOKU.generate(np.random.default_rng(seed), 81)


@settings(max_examples=40)
@given(SEEDS, st.integers(0, 80), st.integers(1, 8))
def test_changing_any_one_cell_of_a_solution_is_refused(seed, cell, shift):
    item = full_grid(seed)
    blank = Puzzle((0,) * 81)
    wrong = item.choice.copy()
    wrong[cell] = (wrong[cell] + shift) % 9

    assert SUDOKU.verify(blank, SUDOKU.decode(blank, item.choice)).valid
    assert not SUDOKU.verify(blank, SUDOKU.decode(blank, wrong)).valid
    assert not SUDOKU.verify(item.instance, SUDOKU.decode(item.instance, wrong)).valid


@settings(max_examples=15)
@given(SEEDS, st.data())
def test_a_grid_is_valid_exactly_when_the_exact_solver_finds_it(seed, data):
    """Few blanks, filled at random: small enough that the solver lists every solution there is."""
    full = full_grid(seed)
    blanks = data.draw(st.sets(st.integers(0, 80), min_size=2, max_size=5))
    givens = [0 if cell in blanks else int(full.choice[cell]) + 1 for cell in range(81)]
    filled = [data.draw(st.integers(1, 9)) if cell in blanks else givens[cell] for cell in range(81)]
    filled = data.draw(st.sampled_from([filled, (full.choice + 1).tolist()]))
    puzzle = Puzzle(tuple(givens))

    verdict = SUDOKU.verify(puzzle, {"grid": np.array(filled).reshape(9, 9).tolist()})

    assert verdict.valid == (filled in solutions(givens, 10_000))


def test_a_full_grid_that_drops_a_given_is_refused():
    item = full_grid(1)
    other = (item.choice + 1) % 9  # a valid grid under another naming of the digits

    verdict = SUDOKU.verify(item.instance, SUDOKU.decode(item.instance, other))

    assert "Row 1, column 1 must be" in verdict.violations[0]


@given(st.dictionaries(st.sampled_from(["grid", "x"]), st.recursive(st.none() | st.integers() | st.text(), st.lists)))
def test_the_verifier_gives_a_verdict_for_anything(solution):
    assert not SUDOKU.verify(Puzzle((0,) * 81), solution).valid


@settings(max_examples=5)
@given(SEEDS, st.integers(26, 50))
def test_a_generated_puzzle_has_one_solution_which_is_its_label(seed, size):
    item = SUDOKU.generate(np.random.default_rng(seed), size)

    assert sum(digit > 0 for digit in item.instance.givens) >= size
    assert solutions(item.instance.givens, 2) == [(item.choice + 1).tolist()]
    assert (SUDOKU.choice_of(item.instance, SUDOKU.decode(item.instance, item.choice)) == item.choice).all()


def test_the_solver_solves_what_is_known_and_counts_what_is_open():
    solved = solutions([0 if c == "." else int(c) for c in EXAMPLE])

    assert ["".join(map(str, grid)) for grid in solved] == [
        "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
    ]
    assert len(solutions([0 if c == "." else int(c) for c in SEVENTEEN])) == 1
    assert len(solutions([0] * 81, 5)) == 5
    assert solutions([5, 5, *[0] * 79]) == []


@pytest.mark.parametrize("form", ["dots", "zeros", "rows"])
def test_every_form_gives_the_same_puzzle(form):
    digits = [0 if character == "." else int(character) for character in EXAMPLE]
    puzzle = {
        "dots": EXAMPLE,
        "zeros": EXAMPLE.replace(".", "0"),
        "rows": [digits[9 * row : 9 * row + 9] for row in range(9)],
    }[form]

    assert SUDOKU.read({"puzzle": puzzle}).givens == tuple(digits)


@pytest.mark.parametrize(
    ("puzzle", "words"),
    [
        ("5" * 2 + "." * 79, "Row 1 holds 5 more than once"),
        ("5........" + "5........" + "." * 63, "Column 1 holds 5"),
        ("5........" + ".5......." + "." * 63, "Box 1 holds 5"),
        ("." * 80, "puzzle"),
        ("x" * 81, "puzzle"),
        ([[0] * 9] * 8, "puzzle"),
        ([[10] * 9] * 9, "puzzle"),
        ([[True] * 9] * 9, "puzzle"),
        (7, "puzzle"),
    ],
)
def test_what_is_no_puzzle_is_refused_with_the_reason(puzzle, words):
    with pytest.raises(InvalidContext, match=words):
        SUDOKU.read({"puzzle": puzzle})


def test_the_answer_says_that_uniqueness_was_not_checked():
    item = full_grid(0)

    assert "not checked" in SUDOKU.describe(item.instance, SUDOKU.decode(item.instance, item.choice))
