"""The ways to train that go on from states of their own: deduction by search, waves through mazes."""

import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agent_reasoning.engine.deduction import Policy
from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.loading import load_model
from agent_reasoning.errors import ConfigurationError
from agent_reasoning.networks import packed
from agent_reasoning.networks.bundle import BundleConfig, save_bundle
from agent_reasoning.networks.structured import StructuredConfig
from agent_reasoning.tasks import builtin_tasks, verdict_on
from agent_reasoning.training import branching, running, waves
from agent_reasoning.training.deduction import Deducing
from agent_reasoning.training.labels.maze import draw_mazes
from agent_reasoning.training.labels.sudoku import HELD_OUT, FromFile, Generated
from agent_reasoning.training.mazes import Curriculum
from agent_reasoning.training.puzzles import CHUNK, Packed, PuzzlePool, label_chunk
from agent_reasoning.training.state import TrainConfig, TrainState, start

SUDOKU, MAZE = (builtin_tasks().get(name).info for name in ("sudoku", "maze"))
CPU = torch.device("cpu")
EASY = 1  # the seed of runs on puzzles of many givens, whose rules a few steps are enough to see


class Easy:
    def __len__(self):
        return 300

    def pair(self, number):
        item = builtin_tasks().get("sudoku").generate(np.random.default_rng(number), 60)
        return np.array(item.instance.givens), item.choice + 1


def deducing(hidden=8, **options):
    network = StructuredConfig(SUDOKU.spec, hidden=hidden, H_cycles=1, L_cycles=1, packed=True)
    options = {"steps": 6, "batch_size": 3, "warmup_steps": 5, **options}
    return TrainConfig(network, "deduction", **options)


def through_mazes(**options):
    network = StructuredConfig(MAZE.spec, hidden=8, H_cycles=1, L_cycles=4)
    return TrainConfig(network, "waves", **{"steps": 20, "batch_size": 2, "warmup_steps": 5, **options})


def method_of(config, state):
    if config.method == "waves":
        return waves.Waves(config, state, partial(draw_mazes, config.batch_size, config.seed, Curriculum(4, 5)))
    source = Easy() if config.seed == EASY else Generated(config.seed, 300)
    pool = PuzzlePool.of(state.world.get("pool"), [len(source)], CPU)
    return Deducing(config, state, pool, partial(label_chunk, [source], config.seed))


def begin(config):
    state = start(config, waves.beside(config.network.hidden, config.seed) if config.method == "waves" else None)
    state.autocast = False  # which is faster is measured at each start, so two runs could differ in it
    return state


def weights(state):
    return torch.cat([tensor.flatten() for tensor in state.averaged.state_dict().values()])


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """A puzzle of few givens takes 20 ms to make."""
    for name in ("agent_reasoning.training.puzzles", __name__):
        monkeypatch.setattr(sys.modules[name], "CHUNK", 8)


@pytest.mark.parametrize("config", [deducing(), through_mazes()], ids=["deduction", "waves"])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(config, tmp_path):
    whole = begin(config)
    running.run(config, whole, method_of(config, whole))

    half, path = begin(config), tmp_path / "state.pt"
    running.run(config, half, method_of(config, half), state_path=path, stopping=lambda: half.batches > 1)
    resumed = start(config, waves.beside(8, 1) if config.method == "waves" else None)
    resumed.load(path)
    assert 0 < resumed.step < whole.step
    running.run(config, resumed, method_of(config, resumed))

    assert (resumed.step, resumed.batches, resumed.instances) == (whole.step, whole.batches, whole.instances)
    torch.testing.assert_close(weights(resumed), weights(whole), atol=0, rtol=0)


def test_a_step_over_the_pairs_that_are_left_learns_what_one_over_all_does(monkeypatch):
    """As it is done on a GPU, where a captured step keeps its shapes."""
    found = []
    for by_all in (False, True):
        if by_all:
            monkeypatch.setattr(packed, "Sets", SimpleNamespace(of=lambda *given: None))
        config = deducing(steps=12)
        state = begin(config)
        running.run(config, state, method_of(config, state))
        found.append(weights(state))
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        deducing(16, steps=60, batch_size=6, learning_rate=1e-2, seed=EASY),
        through_mazes(steps=60, batch_size=6, learning_rate=2e-2),
    ],
    ids=["deduction", "waves"],
)
def test_training_lowers_the_loss(config):
    """That of the first states: those that a search goes on to are others for each network."""
    state = begin(config)
    before = method_of(config, state).trial().item()

    running.run(config, state, method_of(config, state))

    first = begin(config)
    first.network, first.step = state.network, 1
    assert method_of(config, first).trial().item() < 0.85 * before


def test_a_cut_off_while_saving_leaves_the_run_that_was_saved_before(tmp_path, monkeypatch):
    config, path = deducing(steps=2), tmp_path / "state.pt"
    state = begin(config)
    method = method_of(config, state)
    running.run(config, state, method, state_path=path)

    def cut_off(saved, to):
        to.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", cut_off)
    method.advance(0.5)
    with pytest.raises(KeyboardInterrupt):
        running.save(state, method, path)

    found = start(config)
    found.load(path)
    assert found.step == 2
    assert found.world["pool"]["chunks"] == method.world()["pool"]["chunks"]


def test_a_run_saves_while_it_goes_on(tmp_path, monkeypatch):
    config, path = deducing(steps=3, save_seconds=0.0), tmp_path / "state.pt"
    state, steps = begin(config), []
    save = TrainState.save
    monkeypatch.setattr(TrainState, "save", lambda self, to: (steps.append(self.step), save(self, to)))

    running.run(config, state, method_of(config, state), state_path=path)

    assert steps == [1, 2, 3, 3]


def test_a_run_without_an_end_is_refused():
    config = deducing(steps=None)
    state = begin(config)

    with pytest.raises(ConfigurationError, match="minutes or steps"):
        running.run(config, state, method_of(config, state))


def test_a_run_does_not_go_on_with_other_puzzles():
    saved = PuzzlePool.empty([5, 6], CPU).state_dict()

    with pytest.raises(ConfigurationError, match="other puzzles"):
        PuzzlePool.of(saved, [6, 5], CPU)


def test_what_was_trained_by_deduction_is_served_by_the_engine(tmp_path):
    config = deducing(steps=1)
    state = begin(config)
    running.run(config, state, method_of(config, state))
    bundle = BundleConfig("sudoku", "sudoku", config.network, 64, 0.0, {}, dict(SUDOKU.recipe.deduction))
    save_bundle(tmp_path, bundle, state.averaged, "")
    task = builtin_tasks().get("sudoku")
    item = task.generate(np.random.default_rng(0), 75)

    engine = Engine([load_model(tmp_path, "cpu")])
    engine.start()
    try:
        arranged = engine.arrange("sudoku", task.encode(item.instance))
        verify = partial(verdict_on, task, item.instance)
        found = engine.submit(arranged, verify, max_steps=64, samples=4, seed=0, timeout_seconds=60).result()
    finally:
        engine.stop()

    assert load_model(tmp_path, "cpu").deduction == Policy(**SUDOKU.recipe.deduction)
    assert any(record.narrowing for record in found.records) or found.answer.verdict.valid


def test_puzzles_of_a_file_are_drawn_without_those_held_out(tmp_path):
    full = "".join(str((3 * (r % 3) + r // 3 + c) % 9 + 1) for r in range(9) for c in range(9))
    lines = [f"{full[: k % 81]}.{full[k % 81 + 1 :]}" for k in range(2 * HELD_OUT + 10)]
    (tmp_path / "puzzles.txt").write_text("\n".join(lines))

    source = FromFile(tmp_path / "puzzles.txt")
    givens, solution = source.pair(0)

    assert len(source) == len(lines) - HELD_OUT
    assert "".join(map(str, givens)) == lines[HELD_OUT].replace(".", "0")
    assert "".join(map(str, solution)) == full


def test_chunks_hold_each_puzzle_once_and_follow_from_the_seed():
    source = Generated(3, 20)
    chunks = [label_chunk([source], 1, number)[0] for number in range(4)]

    again = label_chunk([source], 1, 0)[0]
    every = np.concatenate([givens for givens, _ in chunks])
    assert np.array_equal(chunks[0][0], again[0])
    assert [len(givens) for givens, _ in chunks] == [CHUNK, CHUNK, 4, 0]
    assert len(np.unique(every, axis=0)) == 20


def test_drawn_puzzles_are_givens_of_their_solution_and_come_from_every_source(tmp_path):
    solution = label_chunk([Generated(0, 1)], 0, 0)[0][1]
    other = (solution % 9 + 1).astype(np.uint8)
    blank = np.zeros((1, 81), np.uint8)
    Packed(((blank, solution), (blank.repeat(3, 0), other.repeat(3, 0)))).save(tmp_path / "pack.npz")

    pool = Packed.load(tmp_path / "pack.npz").pool(CPU)
    givens, solutions = pool.draw(400, branching.Dice(torch.Generator().manual_seed(0), CPU))

    told = (givens > 0).sum(1)
    assert torch.equal(givens[givens > 0], solutions[givens > 0])
    assert 0.15 < float((told > 0).float().mean()) < 0.35
    assert int(told.max()) <= 24
    share = float((solutions == torch.from_numpy(solution).long()).all(1).float().mean())
    assert 0.4 < share < 0.6


def test_searches_too_large_to_save_begin_anew(monkeypatch):
    monkeypatch.setattr("agent_reasoning.training.deduction.LARGEST_WORLD", 1000)
    config = deducing(steps=1)
    state = begin(config)
    running.run(config, state, method_of(config, state))

    state.world = method_of(config, state).world()
    assert set(state.world) == {"pool"}
    method_of(replace(config, steps=2, batch_size=5), state).advance(0.5)
    assert state.step == 2
