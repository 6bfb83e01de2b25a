"""Slots of a packed network: a step is that of the candidates which are left, whoever is stepped beside it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.deduction import Policy
from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.loading import load_model
from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.engine.packed import PackedPool
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.errors import BundleError
from agent_reasoning.networks.batch import collate
from agent_reasoning.networks.bundle import Bundle, BundleConfig, save_bundle
from agent_reasoning.networks.dense import Units, known
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.networks.traced import StepRunner
from agent_reasoning.problem import Verdict
from agent_reasoning.tasks import builtin_tasks

TASK = builtin_tasks().get("sudoku")
NETWORK = StructuredConfig(TASK.info.spec, 8, H_cycles=1, L_cycles=2, packed=True)
PLAIN, NOISY = NoiseStream(3, 0), NoiseStream(3, 1)


@pytest.fixture(scope="module")
def model():
    """Untrained: how weights are stepped does not depend on what they are."""
    network = StructuredNetwork(NETWORK, torch.Generator().manual_seed(0)).eval().requires_grad_(False)
    torch.nn.init.normal_(network.q_head.weight, generator=torch.Generator().manual_seed(1))
    config = BundleConfig("toy", "sudoku", NETWORK, 8, deduction={"noise": 0.3})
    return StructuredModel.of(Bundle(config, network), Confidence(), "cpu", "0" * 64)


@pytest.fixture(scope="module")
def puzzles():
    rng = np.random.default_rng(0)
    return [TASK.encode(TASK.generate(rng, givens).instance) for givens in (24, 32, 40)]


@pytest.fixture(scope="module")
def narrowed(puzzles):
    """For each puzzle, fewer and fewer candidates, of which every cell keeps one."""
    rng = np.random.default_rng(1)
    found = []
    for puzzle in puzzles:
        first = np.argmax(puzzle.candidates, 1)[:, None] == np.arange(9)
        lots = rng.random((81, 9))
        found.append([puzzle.candidates & (first | (lots < share)) for share in (0.6, 0.3)])
    return found


def pool_of(model, puzzle):
    pool = model.pool(model.bucket(puzzle), 4)
    assert isinstance(pool, PackedPool)
    return pool


def entered(model, pool, slot, puzzle, stream):
    pool.enter([slot], model.arrange(puzzle, model.bucket(puzzle)), [stream])


def test_a_step_is_the_networks_over_what_is_left(model, puzzles, narrowed):
    """Against the network over all pairs, which keeps the carry of all of them."""
    puzzle, network = puzzles[0], model.network
    pool = pool_of(model, puzzle)
    entered(model, pool, 2, puzzle, PLAIN)
    tokens = collate([puzzle], TASK.info.spec).tokens
    carry = None
    for candidates in (puzzle.candidates, *narrowed[0]):
        pool.narrow(2, candidates, None)
        allowed = torch.from_numpy(candidates)[None]
        problems = known(tokens, allowed)
        carry = network.initial_carry(problems) if carry is None else carry
        carry, output = network.step(carry, problems, network.embed(problems), Units.of(allowed))
        refined = pool.step([2]).read()
        assert refined.choices[0].tolist() == output.logits.argmax(-1)[0].tolist()
        assert refined.q_halt_logits == pytest.approx(output.q_halt_logits.numpy(), abs=1e-4)
        undecided = allowed & (allowed.sum(-1, keepdim=True) > 1)
        assert refined.logits[undecided] == pytest.approx(output.logits[undecided].numpy(), abs=1e-4)


@pytest.mark.parametrize("stream", [PLAIN, NOISY])
def test_several_slots_at_once_say_what_each_says_alone(model, puzzles, narrowed, stream):
    assert len({model.bucket(puzzle) for puzzle in puzzles}) == 1
    together = pool_of(model, puzzles[0])
    alone = [pool_of(model, puzzle) for puzzle in puzzles]
    for slot, puzzle in enumerate(puzzles):
        for pool in (together, alone[slot]):
            entered(model, pool, slot, puzzle, NoiseStream(slot, stream.sample))
    for turn, slots in enumerate(([0, 1, 2], [2, 0], [0, 1, 2], [1])):
        if turn == 1:
            for slot in (0, 2):
                for pool in (together, alone[slot]):
                    pool.narrow(slot, narrowed[slot][0], None)
        refined = together.step(slots).read()
        for place, slot in enumerate(slots):
            expected = alone[slot].step([slot]).read()
            assert refined.q_halt_logits[place] == pytest.approx(expected.q_halt_logits[0], abs=1e-4)
            assert refined.logits[place] == pytest.approx(expected.logits[0], abs=1e-4)


def test_a_slot_does_not_notice_what_happens_in_others(model, puzzles, narrowed):
    alone, shared = pool_of(model, puzzles[0]), pool_of(model, puzzles[0])
    for pool in (alone, shared):
        entered(model, pool, 1, puzzles[0], NOISY)
    for candidates in (*narrowed[0], narrowed[0][1]):
        entered(model, shared, 0, puzzles[1], PLAIN)
        shared.step([0])
        for pool in (alone, shared):
            pool.narrow(1, candidates, None)
        shared.narrow(0, narrowed[1][0], None)
        assert (alone.step([1]).read().logits == shared.step([1]).read().logits).all()


def test_a_branch_that_begins_anew_is_as_if_it_had_just_entered(model, puzzles, narrowed):
    used, fresh = pool_of(model, puzzles[0]), pool_of(model, puzzles[0])
    entered(model, used, 0, puzzles[1], PLAIN)
    used.step([0])
    for pool in (used, fresh):
        entered(model, pool, 0, puzzles[0], PLAIN)
    used.narrow(0, narrowed[0][1], None)
    used.step([0])
    for pool in (used, fresh):
        pool.narrow(0, narrowed[0][0], NOISY)
    for _ in range(2):
        assert (used.step([0]).read().logits == fresh.step([0]).read().logits).all()


def test_a_puzzle_in_which_nothing_is_open_is_stepped_all_the_same(model, puzzles):
    """81 givens are a request like any other."""
    full = np.eye(9, dtype=bool)[[(3 * (r % 3) + r // 3 + c) % 9 for r in range(9) for c in range(9)]]
    pool = pool_of(model, puzzles[0])
    for slot, puzzle in enumerate(puzzles[:2]):
        entered(model, pool, slot, puzzle, NOISY)
    pool.narrow(0, full, None)
    for slots in ([0], [0, 1], [0]):
        refined = pool.step(slots).read()
        assert refined.choices[0].tolist() == full.argmax(1).tolist()
        assert np.isfinite(refined.q_halt_logits).all()


def test_tables_of_slots_that_step_in_changing_company_do_not_add_up(model, puzzles):
    pool = pool_of(model, puzzles[0])
    for slot in range(4):
        entered(model, pool, slot, puzzles[0], PLAIN)
    for slots in ([0, 1, 2, 3], [1, 2], [3, 1], [2]):
        pool.step(slots)
        kept = {id(found): found.slots for found in pool._last if found is not None}
        held = [slot for slots_of_one in kept.values() for slot in slots_of_one]
        assert len(held) == len(set(held))
        assert tuple(slots) in kept.values()


@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_search_finds_is_the_same_to_the_last_bit_whoever_is_searched_for_beside_it(model, puzzles, workers):
    """Its lanes share steps, and with nobody else's."""
    guessing = replace(model, deduction=Policy(remove_below=1e-6, dead_below=0.0))  # from the first step on

    def searched(asked, workers):
        engine = Engine([guessing], workers=workers, observe=lambda tick: widths.add(tick.rows))
        engine.start()
        try:
            told, futures = [], []
            for which in asked:
                steps = {}
                told.append(steps)
                arranged = engine.arrange("sudoku", puzzles[which])
                futures.append(
                    engine.submit(
                        arranged, lambda choice: Verdict(False, ("no",)), max_steps=6, samples=16, seed=which,
                        timeout_seconds=60.0, listener=partial(listen, steps),
                    )
                )  # fmt: skip
            for future in futures:
                future.result(60)
            return told
        finally:
            engine.stop()

    def listen(steps, sample, step, record):
        steps[sample, step] = record.choice.tolist(), record.confidence, record.narrowing

    widths = set()
    ((alone,), crowd) = searched([0], 1), searched([1, 2, 0, 1], workers)
    assert crowd[2] == alone
    assert crowd[0] == crowd[3]
    assert widths >= {1, 4, 8}


def test_noise_makes_a_difference(model, puzzles):
    pool = pool_of(model, puzzles[0])
    for slot, stream in enumerate((PLAIN, NOISY, NoiseStream(4, 1))):
        entered(model, pool, slot, puzzles[0], stream)
    plain, one, other = (pool.step([slot]).read().logits for slot in range(3))
    assert not (plain == one).all()
    assert not (one == other).all()


def test_threads_step_and_narrow_different_slots_at_once(model, puzzles, narrowed):
    """As the engine does: its thread narrows one slot while workers step others."""

    def run(pool, slot):
        found = []
        for turn in range(40):
            pool.narrow(slot, narrowed[slot][turn % 2], PLAIN if turn % 4 == 0 else None)
            found.append(pool.step([slot]).read().logits.copy())
        return found

    expected = []
    for slot, puzzle in enumerate(puzzles):
        pool = pool_of(model, puzzle)
        entered(model, pool, slot, puzzle, PLAIN)
        expected.append(run(pool, slot))
    shared = pool_of(model, puzzles[0])
    for slot, puzzle in enumerate(puzzles):
        entered(model, shared, slot, puzzle, PLAIN)
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda slot: run(shared, slot), range(3)))
    for ours, theirs in zip(found, expected, strict=True):
        assert all((one == other).all() for one, other in zip(ours, theirs, strict=True))


def test_the_recorded_step_is_the_written_one_whatever_is_left(model, puzzles, narrowed):
    recorded, written = pool_of(model, puzzles[0]), pool_of(model, puzzles[0])
    recorded._run, written._run = (StepRunner(model.network, record=record) for record in (True, False))
    for slot, puzzle in enumerate(puzzles):
        for pool in (recorded, written):
            entered(model, pool, slot, puzzle, NOISY)
        for candidates in (puzzle.candidates, *narrowed[slot]):
            for pool in (recorded, written):
                pool.narrow(slot, candidates, None)
            found, expected = recorded.step([slot]).read(), written.step([slot]).read()
            assert found.logits == pytest.approx(expected.logits, abs=1e-4)
            assert found.q_halt_logits == pytest.approx(expected.q_halt_logits, abs=1e-4)
    assert recorded._run._recorded is not recorded._run._step  # it was recorded, not given up


def test_a_bundle_says_that_it_is_packed_and_needs_no_policy_for_it(model, puzzles, tmp_path):
    save_bundle(tmp_path, BundleConfig("toy", "sudoku", NETWORK, 8), model.network, "# toy\n")
    loaded = load_model(tmp_path, "cpu")
    pools = [pool_of(each, puzzles[0]) for each in (loaded, model)]
    for pool in pools:
        entered(loaded, pool, 0, puzzles[0], PLAIN)
    one, other = (pool.step([0]).read().logits for pool in pools)
    assert (one == other).all()


def test_a_network_over_all_pairs_removes_no_candidates(model, tmp_path):
    config = replace(NETWORK, packed=False)
    save_bundle(tmp_path, BundleConfig("toy", "sudoku", config, 8, deduction={"noise": 0.3}), model.network, "# toy\n")
    with pytest.raises(BundleError, match="train it again"):
        load_model(tmp_path, "cpu")
