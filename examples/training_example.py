"""Train an HRM on 4×4 Sudoku, in about two minutes on one CPU thread.

The model sees puzzles made from 240 of the 288 possible grids, and is tested on puzzles made from the other 48: it
has to work the answer out. At the end it is saved as the published training code saves it, and loaded back.

    python examples/training_example.py [--steps 1400] [--out DIRECTORY]
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from agent_reasoning.networks import load_checkpoint
from agent_reasoning.networks.checkpoint import Model
from agent_reasoning.networks.hrm import build_hrm
from agent_reasoning.networks.quantize import quantize_int8
from agent_reasoning.training.act import ActTrainConfig, ActTrainer
from agent_reasoning.training.losses import ActLoss

Grids = NDArray[np.int64]  # (n, 16), digits 1 to 4
Batch = dict[str, torch.Tensor]

BLANK = 1  # tokens: 0 is padding, 1 a blank cell, digit d is d + 1
VOCABULARY = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1400, help="optimizer steps")
    parser.add_argument("--out", type=Path, help="where to save the checkpoint; a temporary directory if not given")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    grids = rng.permutation(all_grids())
    held_out, known = grids[:48], grids[48:]
    test = puzzles(held_out, grids, 500, rng)

    model = build_hrm(vocab_size=VOCABULARY, dim=64, N=2, T=2, use_act=True, seq_len=16, halt_max_steps=8)
    trainer = ActTrainer(
        model,
        ActTrainConfig(total_steps=arguments.steps, lr=2e-3, lr_warmup_steps=100, lr_min_ratio=0.1, ema_rate=0.99),
    )

    print(f"HRM with {model.parameter_count:,} parameters; {len(known)} grids to learn from, {len(held_out)} held out")
    print("  step  seconds   loss  supervision steps  held-out puzzles solved")
    began = time.monotonic()

    def report(step: int, result: ActLoss) -> None:
        if step % 100 == 0:
            loss = result.loss.item() / len(result.carry.steps)
            halted = max(1, int(result.metrics["count"]))
            steps = float(result.metrics["steps"]) / halted
            solved = exact_accuracy(trainer.averaged, test)
            print(f"{step:6d} {time.monotonic() - began:8.0f} {loss:6.2f} {steps:18.1f} {solved:24.1%}", flush=True)

    trainer.train(stream(known, grids, rng), report)

    directory = arguments.out or Path(tempfile.mkdtemp(prefix="hrm-"))
    path = trainer.save(directory)
    loaded = load_checkpoint(path)
    same = torch.equal(answers(loaded, test), answers(trainer.averaged, test))
    print(
        f"saved {path}; loaded back, its answers to the {len(test['inputs'])} puzzles are {'the same' if same else 'NOT the same'}"
    )
    print(
        f"solved: {exact_accuracy(loaded, test):.1%} in float32, {exact_accuracy(quantize_int8(loaded), test):.1%} in int8"
    )


def all_grids() -> Grids:
    """Every 4×4 grid with the digits 1 to 4 once in each row, column and box."""
    lines = list(itertools.permutations(range(1, 5)))
    tops = [rows for rows in itertools.product(lines, lines) if fits(rows)]
    both = (np.array(top + bottom) for top, bottom in itertools.product(tops, tops))
    return np.stack([grid.ravel() for grid in both if all(len(set(column)) == 4 for column in grid.T)])


def fits(rows: tuple[tuple[int, ...], ...]) -> bool:
    """Whether two rows make two boxes."""
    upper, lower = rows
    return set(upper[:2]) == set(lower[2:]) and set(upper[2:]) == set(lower[:2])


def puzzles(solutions: Grids, grids: Grids, count: int, rng: np.random.Generator) -> Batch:
    """`count` puzzles with 4 to 8 givens and one solution only, out of `solutions`."""
    inputs: list[Grids] = []
    labels: list[Grids] = []
    while len(inputs) < count:
        solution = solutions[rng.integers(len(solutions))]
        given = rng.permutation(16) < rng.integers(4, 9)
        if (grids[:, given] == solution[given]).all(1).sum() == 1:
            inputs.append(np.where(given, solution + 1, BLANK))
            labels.append(solution + 1)
    return {"inputs": torch.from_numpy(np.stack(inputs)), "labels": torch.from_numpy(np.stack(labels))}


def stream(solutions: Grids, grids: Grids, rng: np.random.Generator, size: int = 64) -> Iterator[Batch]:
    """Batches without end from a pool of 20,000 puzzles."""
    pool = puzzles(solutions, grids, 20_000, rng)
    while True:
        rows = torch.from_numpy(rng.integers(20_000, size=size))
        yield {key: value[rows] for key, value in pool.items()}


@torch.inference_mode()
def answers(model: Model, batch: Batch) -> torch.Tensor:
    """(rows, 16) tokens after all supervision steps."""
    carry = model.initial_carry(len(batch["inputs"]))
    for _ in range(model.config.halt_max_steps):
        carry, output = model.step(carry, batch)
    return output.logits.argmax(-1)


def exact_accuracy(model: Model, batch: Batch) -> float:
    """Share of the puzzles with every cell right."""
    return (answers(model, batch) == batch["labels"]).all(1).float().mean().item()


if __name__ == "__main__":
    main()
