"""The tree of a search by deduction: what is removed, what is guessed, and that nothing is lost on the way."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.engine.deduction import Deduction, Opinion, Policy, next_guess
from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.pool import Refined
from agent_reasoning.problem import Problem, Verdict

ROOT = np.ones((3, 3), bool)
SURE, UNSURE, IMPOSSIBLE = 9.0, 0.0, -9.0


@dataclass(frozen=True)
class At:
    sample: int
    slot: int = 0


def staffed(tree, sample):
    """The branch that the lane of this sample works on."""
    assert tree.staff([At(sample)])
    return tree.at[sample]


def opinion(logits, alive=SURE):
    return Opinion(np.array(logits, np.float32), alive)


def nothing():
    return opinion(np.full((3, 3), UNSURE))


def test_what_is_held_impossible_goes_and_nothing_else_does():
    tree = Deduction(ROOT, Policy(patience=2))
    staffed(tree, 0)
    logits = np.full((3, 3), UNSURE)
    logits[1, 2] = IMPOSSIBLE
    narrowing = tree.follow(0, opinion(logits))
    assert (narrowing.event, narrowing.removed, narrowing.undecided) == ("narrowed", 1, 3)
    assert not tree.at[0].candidates[1, 2]
    assert tree.at[0].candidates.sum() == 8


def test_a_decided_cell_is_not_touched():
    root = ROOT.copy()
    root[0] = [True, False, False]
    tree = Deduction(root, Policy(patience=2))
    staffed(tree, 0)
    narrowing = tree.follow(0, opinion([[IMPOSSIBLE] * 3, [UNSURE] * 3, [UNSURE] * 3]))
    assert narrowing.removed == 0
    assert tree.at[0].candidates[0].tolist() == [True, False, False]


def test_it_guesses_only_after_its_patience_and_keeps_the_other_half():
    tree = Deduction(ROOT, Policy(patience=2))
    staffed(tree, 0)
    assert tree.follow(0, nothing()).event == "narrowed"
    logits = np.full((3, 3), UNSURE)
    logits[2, 1] = 3.0
    assert tree.follow(0, opinion(logits)).event == "guessed"
    assert tree.at[0].candidates[2].tolist() == [False, True, False]
    (other,) = tree.open
    assert other.candidates[2].tolist() == [True, False, True]
    assert other.depth == 1


@pytest.mark.parametrize(("alive", "logits"), [(-9.0, np.zeros((3, 3))), (SURE, [[IMPOSSIBLE] * 3, [0] * 3, [0] * 3])])
def test_a_branch_is_dead_where_the_network_says_so_or_a_cell_is_empty(alive, logits):
    tree = Deduction(ROOT, Policy())
    staffed(tree, 0)
    assert tree.follow(0, opinion(logits, alive)).event == "dead_end"
    assert 0 not in tree.at


def test_when_all_is_dead_it_begins_again_from_the_root_in_another_tree():
    tree = Deduction(ROOT, Policy())
    staffed(tree, 0)
    tree.follow(0, opinion(np.zeros((3, 3)), -9.0))
    again = staffed(tree, 0)
    assert again.tree == 1
    assert again.candidates.all()


def test_a_later_tree_is_more_cautious():
    tree = Deduction(ROOT, Policy(remove_below=0.1, caution=0.01))
    staffed(tree, 0)
    doubtful = np.full((3, 3), UNSURE)
    doubtful[1, 2] = -4.0  # a probability of 1.8 %
    assert tree.follow(0, opinion(doubtful)).removed == 1
    tree.follow(0, opinion(doubtful, alive=-20.0))
    assert staffed(tree, 0).tree == 1
    assert tree.follow(0, opinion(doubtful)).removed == 0


def test_who_finds_no_open_branch_waits_while_others_are_at_work():
    tree = Deduction(ROOT, Policy())
    assert [lane.sample for lane in tree.staff([At(0), At(1)])] == [0]
    tree.follow(0, nothing())  # a guess: the other half is open
    assert [lane.sample for lane in tree.staff([At(0), At(1), At(2)])] == [0, 1]
    assert tree.trees == 1


def test_what_a_lane_leaves_is_open_to_the_next():
    tree = Deduction(ROOT, Policy())
    mine = staffed(tree, 0)
    tree.leave(0)
    assert staffed(tree, 5) is mine


def test_the_next_guess_is_the_surest_among_the_undecided_cells_with_the_fewest_candidates():
    candidates = ROOT.copy()
    logits = np.array([[0, 9, 0], [0, 1, 0], [2, 0, 0]], np.float32)
    candidates[0] = [False, True, False]
    assert next_guess(candidates, logits) == (2, 0)
    candidates[1] = [True, True, False]
    assert next_guess(candidates, logits) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"remove_below": 0},
        {"remove_below": 1},
        {"dead_below": 1},
        {"patience": 0},
        {"noise": -1},
        {"caution": 0},
        {"caution": 2},
    ],
)
def test_a_policy_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="deduction policy"):
        Policy(**wrong)


@given(
    answer=st.tuples(*[st.integers(0, 2)] * 4),
    seed=st.integers(0, 2**32 - 1),
    lanes=st.integers(1, 4),
    patience=st.integers(1, 2),
)
@settings(max_examples=100, deadline=None)
def test_while_no_removal_is_wrong_the_first_tree_finds_the_answer(answer, seed, lanes, patience):
    """Whatever the network guesses, whoever works on which branch, and where dead branches are told late or never."""
    rng = np.random.default_rng(seed)
    tree = Deduction(np.ones((4, 3), bool), Policy(patience=patience))
    answer_at = (np.arange(4), np.array(answer))
    for _ in range(1000):
        for sample in range(lanes):
            assert tree.at or tree.open or not tree.trees, "the answer was lost"
            if not tree.staff([At(sample)]):
                continue
            branch = tree.at[sample]
            logits = rng.normal(0, 2, (4, 3)).clip(-2.5, None)
            logits[rng.random((4, 3)) < 0.2] = IMPOSSIBLE
            alive = branch.candidates[answer_at].all()
            if alive:
                logits[answer_at] = logits[answer_at].clip(-2.5)
                logits[answer_at] = np.abs(logits[answer_at])
            if (
                np.where(branch.candidates, logits, -np.inf).argmax(1) == answer
            ).all():  # the verifier would be satisfied
                assert branch.tree == 0
                return
            tree.follow(sample, opinion(logits, SURE if alive or rng.random() < 0.5 else -9.0))
            if rng.random() < 0.1:
                tree.leave(sample)
    raise AssertionError("it went on for ever")


@dataclass
class Deducing:
    """A stand-in for a network: it sees that a Latin row of three cells holds each number once, and nothing else. In its
    first tree it is wrong about one candidate, always the same."""

    policy: Policy = field(default_factory=lambda: Policy(caution=1.0))
    mistaken: bool = True
    task: str = "toy"
    applications_per_step: int = 1
    halting: Halting = field(default_factory=lambda: Halting(head_start=1))
    ahead: int = 0
    holds: bool = False

    @property
    def deduction(self):
        return self.policy

    def confidence(self, evidence):
        return 0.5

    def bucket(self, problem):
        return problem.size

    def arrange(self, problem, bucket):
        return problem

    def pool(self, bucket, slots):
        return DeducingPool(self, slots)


class DeducingPool:
    size_bytes = 1
    rows_at_once = 4
    one_job = False

    def __init__(self, model, capacity):
        self.model, self.capacity, self.left, self.noisy = model, capacity, {}, {}

    def enter(self, slots, arranged, streams):
        for slot in slots:
            self.left[slot], self.noisy[slot] = arranged.candidates, False

    def narrow(self, slot, candidates, stream):
        self.left[slot] = candidates.copy()
        if stream is not None:
            self.noisy[slot] = stream.sample > 0

    def step(self, slots):
        mistaken = [self.model.mistaken and not self.noisy[slot] for slot in slots]
        logits = np.stack([logits_of(self.left[slot], wrong) for slot, wrong in zip(slots, mistaken, strict=True)])
        return Done(Refined(logits.argmax(-1), np.full(len(slots), SURE, np.float32), logits))


def logits_of(left, mistaken):
    logits = np.zeros(left.shape, np.float32)
    for cell in np.flatnonzero(left.sum(1) == 1):
        taken = left[cell].argmax()
        logits[np.arange(3) != cell, taken] = IMPOSSIBLE
    if mistaken:
        logits[0, 2] = IMPOSSIBLE
    return np.where(left, logits, -1e9).astype(np.float32)


@dataclass(frozen=True)
class Done:
    refined: Refined

    def read(self):
        return self.refined


def solve(samples, mistaken, answer=(2, 0, 1), **options):
    engine = Engine([Deducing(mistaken=mistaken)], **{"workers": 1, "slots": 16} | options)
    engine.start()
    problem = Problem(np.ones((3, 3), bool), np.zeros(3, np.int64))
    verify = lambda choice: Verdict(True) if tuple(choice) == answer else Verdict(False, ("wrong",))  # noqa: E731
    try:
        arranged = engine.arrange("toy", problem)
        return engine.submit(arranged, verify, max_steps=64, samples=samples, seed=0, timeout_seconds=30.0).result(30)
    finally:
        engine.stop()


@pytest.mark.parametrize("samples", [1, 4])
def test_the_engine_finds_what_deduction_and_guesses_lead_to(samples):
    outcome = solve(samples, mistaken=False)
    assert outcome.answer.verdict.valid
    assert outcome.halted_by == "verified"
    assert {record.narrowing.event for record in outcome.records[:-1]} <= {"narrowed", "guessed", "dead_end"}
    assert outcome.records[-1].narrowing is None  # nothing came of it but the answer


@pytest.mark.parametrize("samples", [1, 4])
def test_a_wrong_removal_is_made_good_by_another_tree(samples):
    outcome = solve(samples, mistaken=True)
    assert outcome.answer.verdict.valid
    assert {record.narrowing.tree for record in outcome.records[:-1]} > {0} or outcome.sample > 0


def test_the_outcome_does_not_depend_on_who_is_faster():
    told = {
        (workers, repr([(r.choice.tolist(), r.narrowing) for r in solve(4, True, workers=workers).records]))
        for workers in (1, 3)
        for _ in range(3)
    }
    assert len({records for _, records in told}) == 1


def test_unsolved_is_said_and_costs_no_more_than_its_steps():
    outcome = solve(2, mistaken=False, answer=(1, 1, 1))
    assert not outcome.answer.verdict.valid
    assert outcome.halted_by == "max_steps"
    assert outcome.applications == 2 * 64
