"""The script for a lent machine, on a CPU: there is no GPU here, but what is missing there can be missing here, too."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from agent_reasoning.commands.methods import begin
from agent_reasoning.commands.train import configure
from agent_reasoning.tasks import builtin_tasks
from agent_reasoning.training.labels.maze import generated
from agent_reasoning.training.labels.sudoku import Generated
from agent_reasoning.training.mazes import Packed as PackedMazes
from agent_reasoning.training.puzzles import Packed as PackedPuzzles
from agent_reasoning.training.puzzles import label_chunk
from tools import train_gpu

SCRIPT = Path(train_gpu.__file__)
ABSENT = ("pydantic", "click", "structlog", "fastapi", "ortools", "scipy", "httpx", "rich", "safetensors")


def run(*arguments):
    """As there: what is not installed there cannot be imported."""
    code = f"import sys, runpy; sys.modules.update(dict.fromkeys({ABSENT})); sys.argv = {list(map(str, arguments))!r}; "
    code += f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250, check=False)


@pytest.fixture
def packed(tmp_path, monkeypatch):
    """Both tasks' packs, with few and small instances."""

    def few_puzzles(files, path, seed, processes):
        PackedPuzzles(tuple(label_chunk([Generated(0, 4)], 0, 0))).save(path)

    def few_mazes(path, count, seed, processes):
        PackedMazes({4: generated(np.random.default_rng(0), 3, 4), 5: generated(np.random.default_rng(1), 3, 5)}).save(
            path
        )

    monkeypatch.setattr(train_gpu, "pack_puzzles", few_puzzles)
    monkeypatch.setattr(train_gpu, "pack_mazes", few_mazes)
    for task in ("sudoku", "maze"):
        train_gpu.pack(task, [], tmp_path / task, 3, 0, 1)
    return tmp_path


@pytest.mark.parametrize("task", ["sudoku", "maze"])
def test_it_trains_and_goes_on_with_torch_and_numpy_alone_and_its_run_goes_on_here(task, packed):
    arguments = (packed / task, "--minutes", "2", "--for", "0.0001", "--batch-size", "2", "--device", "cpu")

    first = run("train_gpu", "run", *arguments, "--output", packed / "out")
    second = run("train_gpu", "run", *arguments, "--output", packed / "out", "--resume")

    assert first.returncode == 0, first.stderr
    assert second.returncode == 0, second.stderr
    info = builtin_tasks().get(task).info
    state = begin(configure(info, info.recipe, 1, 0, "cpu"))
    state.load(packed / "out" / "state.pt")
    assert f" {state.step} steps" in second.stdout
    assert 0 < int(first.stdout.split()[-2]) < state.step
    assert (state.settings["minutes"], state.settings["batch_size"]) == (2, 2)
    assert torch.isfinite(next(state.averaged.parameters())).all()


def test_packed_puzzles_are_all_that_training_may_see(tmp_path):
    lines = ["".join(str((3 * (r % 3) + r // 3 + c + k) % 9 + 1) for r in range(9) for c in range(9)) for k in range(9)]
    (tmp_path / "puzzles.txt").write_text("\n".join(f".{line[1:]}" for line in lines))

    train_gpu.pack_puzzles([tmp_path / "puzzles.txt"], tmp_path / "pack.npz", 0, 1)

    ((givens, solutions),) = PackedPuzzles.load(tmp_path / "pack.npz").sources
    assert sorted("".join(map(str, row)) for row in solutions) == sorted(lines)
    assert (givens[:, 0] == 0).all()
    assert (givens[:, 1:] == solutions[:, 1:]).all()


def test_packed_mazes_are_of_all_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(train_gpu, "SIZES", (4, 6))

    train_gpu.pack_mazes(tmp_path / "mazes.npz", 5, 0, 1)

    found = PackedMazes.load(tmp_path / "mazes.npz").by_size
    assert {size: len(mazes) for size, mazes in found.items()} == {4: 5, 6: 5}
