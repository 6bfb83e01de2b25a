"""How fast one supervision step of an official-size TRM is on this CPU.

The model is the published Sudoku form (5.0 million parameters, mlp_t, 81 cells and 16 puzzle positions, H_cycles 3,
L_cycles 6) with random weights: speed does not depend on them. A puzzle takes 16 steps, as in the published
evaluation. Beside it stands what a large matrix product reaches on the same threads.

    python benchmarks/trm_step.py [--json FILE] [--seconds 5] [--batch 1 32]
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from agent_reasoning.networks.config import TRMConfig
from agent_reasoning.networks.quantize import quantize_int8
from agent_reasoning.networks.trm import TRM

STEPS = 16
REFERENCE = "the published code on CPU, float32: about 0.13 to 0.2 puzzles/s per thread at 16 steps"
OFFICIAL = TRMConfig(
    vocab_size=11, seq_len=81, mlp_t=True, pos_encodings="none", puzzle_emb_ndim=512, puzzle_emb_len=16,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    threads: int
    batch: int
    form: str
    milliseconds_per_step: float
    puzzles_per_second: float  # at 16 steps each
    gflop_per_step: float
    gflop_per_second: float
    peak_gflop_per_second: float | None  # of a large matrix product; None: not measured for int8


def official_model(form: str) -> TRM:
    dtype = "bfloat16" if form == "bfloat16" else "float32"
    config = TRMConfig(**{**_values(OFFICIAL), "forward_dtype": dtype})
    model = TRM(config, torch.Generator().manual_seed(0)).to(config.dtype).eval()
    return quantize_int8(model) if form == "int8" else model


def _values(config: TRMConfig) -> dict[str, Any]:
    return asdict(config)


def batch_of(size: int) -> dict[str, torch.Tensor]:
    inputs = torch.randint(1, 11, (size, 81), generator=torch.Generator().manual_seed(1))
    return {"inputs": inputs, "puzzle_identifiers": torch.zeros(size, dtype=torch.int64)}


def gflop_per_step(size: int) -> float:
    """Multiplications and additions of all matrix products of one step, counted as it runs."""
    model, batch = official_model("float32"), batch_of(size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.step(model.initial_carry(size), batch)
    flop: int = counter.get_total_flops()
    return flop / 1e9


def fastest(call: Callable[[], Any], seconds: float) -> float:
    """Seconds of the fastest call, after one to warm up: the machine may be shared."""
    call()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best


def peak_gflop_per_second(form: str, seconds: float) -> float | None:
    if form == "int8":
        return None
    n = 2048
    a, b = (torch.randn(n, n).to(getattr(torch, form)) for _ in range(2))
    return 2 * n**3 / fastest(lambda: a @ b, seconds) / 1e9


def measure(threads: int, sizes: list[int], seconds: float) -> list[Row]:
    torch.set_num_threads(threads)
    rows = []
    for form in ("float32", "bfloat16", "int8"):
        model, peak = official_model(form), peak_gflop_per_second(form, seconds / 2)
        for size in sizes:
            batch, carry = batch_of(size), model.initial_carry(size)
            carry, _ = model.step(carry, batch)
            with torch.inference_mode():
                taken = fastest(lambda: model.step(carry, batch), seconds)  # noqa: B023
            work = gflop_per_step(size)
            rows.append(Row(threads, size, form, taken * 1e3, size / (STEPS * taken), work, work / taken, peak))
            print(_line(rows[-1]), flush=True)
    return rows


HEADER = f"{'threads':>7} {'batch':>5} {'form':>9} {'ms/step':>9} {'puzzles/s':>9} {'GFLOP':>7} {'GFLOP/s':>8} {'peak':>7} {'share':>6}"


def _line(row: Row) -> str:
    peak = row.peak_gflop_per_second
    against = f"{peak:7.0f} {row.gflop_per_second / peak:6.0%}" if peak else f"{'-':>7} {'-':>6}"
    return (
        f"{row.threads:7d} {row.batch:5d} {row.form:>9} {row.milliseconds_per_step:9.1f} {row.puzzles_per_second:9.3f} "
        f"{row.gflop_per_step:7.1f} {row.gflop_per_second:8.0f} {against}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the rows here")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each measurement")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    arguments = parser.parse_args()

    parameters = official_model("float32").parameter_count
    print(f"TRM, {parameters / 1e6:.2f} million parameters, torch {torch.__version__}, {platform.processor()}")
    print(f"puzzles/s at {STEPS} steps. For comparison, {REFERENCE}.")
    print(HEADER)
    cores = len(os.sched_getaffinity(0))
    rows = [row for threads in sorted({1, cores}) for row in measure(threads, arguments.batch, arguments.seconds)]
    if arguments.json:
        document = {"parameters": parameters, "torch": torch.__version__, "steps": STEPS, "reference": REFERENCE}
        arguments.json.write_text(json.dumps({**document, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
