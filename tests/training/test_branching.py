"""Many searches on tensors: whatever the network says, a search is alive exactly while its solution is left."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.training.branching import OLDEST, Dice, Searches, advance, holds

CPU = torch.device("cpu")
ROWS, CELLS, WIDTH = 32, 6, 4
POLICY = {"remove_below": 0.1, "dead_below": 0.1}


def dice(seed):
    return Dice(torch.Generator().manual_seed(seed), CPU)


def begun(generator):
    searches = Searches.none(ROWS, CELLS, WIDTH, CPU)
    solution = torch.randint(WIDTH, (ROWS, CELLS), generator=generator)
    searches.replace(torch.ones(ROWS, dtype=torch.bool), solution, torch.ones((ROWS, CELLS, WIDTH), dtype=torch.bool))
    return searches


def copied(searches):
    return Searches(**{name: tensor.clone() for name, tensor in searches.state_dict().items()})


@given(st.integers(0, 10**6), st.floats(0, 6))
@settings(max_examples=25, deadline=None)
def test_the_branch_that_waits_holds_the_solution_and_no_cell_of_one_that_goes_on_is_empty(seed, sharpness):
    generator = torch.Generator().manual_seed(seed)
    searches, rolls = begun(generator), dice(seed)
    for _ in range(30):
        before = copied(searches)
        logits = torch.randn((ROWS, CELLS, WIDTH), generator=generator) * sharpness
        logits = logits.masked_fill(~searches.allowed, -1e9)
        came = advance(searches, logits, torch.randn(ROWS, generator=generator) * 4, rolls, **POLICY)

        going_on = ~came.ended
        assert holds(searches.left, searches.solution)[searches.waits].all()
        assert (searches.allowed.sum(-1) > 0).flatten(1).all(1)[going_on].all()
        returned = before.waits & ~searches.waits & going_on
        assert torch.equal(searches.allowed[returned], before.left[returned])
        assert searches.alive()[returned].all()
        # Only removals and guesses narrow a search, and nothing widens it but to go back.
        widened = (searches.allowed & ~before.allowed).flatten(1).any(1)
        assert not (widened & ~before.waits).any()
        # Erring, or a guess that left the other branch waiting, is all that kills.
        died = before.alive() & ~searches.alive() & going_on
        assert (came.erred | searches.waits)[died].all()
        assert not (came.solved & ~before.alive()).any()
        assert (searches.age <= OLDEST + 1).all()
        searches.replace(came.ended, searches.solution, torch.ones_like(searches.allowed))


def perfect(searches):
    """What a network would say that knows the solution."""
    solution = torch.zeros_like(searches.allowed).scatter_(-1, searches.solution.unsqueeze(-1), True)
    return torch.where(solution, 9.0, -9.0).masked_fill(~searches.allowed, -1e9)


def test_a_network_that_knows_the_solution_solves_every_search_and_errs_in_none():
    searches, rolls = begun(torch.Generator().manual_seed(0)), dice(0)
    first = advance(searches, perfect(searches), torch.full((ROWS,), 9.0), rolls, **POLICY)
    second = advance(searches, perfect(searches), torch.full((ROWS,), 9.0), rolls, **POLICY)

    assert not first.erred.any()
    assert (first.removed == CELLS * (WIDTH - 1)).all()
    assert second.solved.all()


def test_a_network_that_says_nothing_guesses_one_cell_a_step_in_some_searches_wrongly():
    searches, rolls = begun(torch.Generator().manual_seed(0)), dice(0)

    came = advance(searches, torch.zeros((ROWS, CELLS, WIDTH)), torch.full((ROWS,), 9.0), rolls, **POLICY)

    touched = (~searches.allowed).any(-1).sum(1)
    assert not came.removed.any()
    assert (touched <= 1).all()
    assert 0 < int(searches.waits.sum()) < ROWS
    assert 0 < int((~searches.alive()).sum()) <= int(searches.waits.sum())


def test_of_wrong_removals_some_are_undone_and_the_others_are_seen():
    searches, rolls = begun(torch.Generator().manual_seed(0)), dice(0)

    came = advance(searches, -perfect(searches), torch.full((ROWS,), 9.0), rolls, **POLICY)

    assert came.erred.all()
    assert 0 < int(searches.alive().sum()) < ROWS


@pytest.mark.parametrize("odds", [[0.0, 1.0, 3.0, 0.0]])
def test_candidates_are_picked_with_their_odds(odds):
    picked = dice(0).pick(torch.tensor(odds).expand(4000, 4))

    shares = torch.bincount(picked, minlength=4) / 4000
    torch.testing.assert_close(shares, torch.tensor(odds) / sum(odds), atol=0.03, rtol=0)
