"""Train on a machine that is lent for a while and has a GPU, torch and numpy, but neither a network nor this package's other
requirements. Three commands; see docs/training.md.

    python tools/train_gpu.py pack sudoku --puzzles FILE --puzzles FILE --output pack     # at home: all labels are made
    python tools/train_gpu.py run pack --minutes 28 --for 9 --output OUT [--resume]       # there, as often as it takes
    agent-reasoning train sudoku --resume --runs RUNS                                     # at home: measured, and a bundle

Nothing is made while the GPU waits: the pack is moved to the device once. What `run` saves is a whole run of
`agent-reasoning train`, which goes on with it anywhere.
"""

import argparse
import json
import signal
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))  # nothing is installed there

if TYPE_CHECKING:
    from agent_reasoning.training.state import Progress, TrainConfig

CONFIG, PUZZLES, MAZES = "config.json", "puzzles.npz", "mazes.npz"
LOG_SECONDS = 10.0
BATCH_SIZES = {"deduction": 2048, "waves": 512}
SIZES = tuple(range(8, 31, 2))  # of packed mazes: each is a capture of its own


def pack(task: str, puzzles: list[Path], output: Path, count: int, seed: int, processes: int) -> None:
    """Write all that `run` reads. `count`: mazes of each size. Needs the whole package."""
    from agent_reasoning.commands.train import MINUTES, configure
    from agent_reasoning.tasks import builtin_tasks

    info = builtin_tasks().get(task).info
    config = configure(info, info.recipe, MINUTES, seed, "cpu")
    output.mkdir(parents=True, exist_ok=True)
    if task == "sudoku":
        pack_puzzles(puzzles, output / PUZZLES, seed, processes)
    elif task == "maze":
        pack_mazes(output / MAZES, count, seed, processes)
    else:
        raise SystemExit(f"{task} is trained on a CPU, with `agent-reasoning train {task}`.")
    fields = ("method", "learning_rate", "weight_decay")
    recipe = {name: getattr(config, name) for name in fields}
    (output / CONFIG).write_text(json.dumps({"network": config.network.to_dict(), **recipe}, indent=1) + "\n")


def pack_puzzles(files: list[Path], path: Path, seed: int, processes: int) -> None:
    import numpy as np

    from agent_reasoning.training.labels.sudoku import FromFile
    from agent_reasoning.training.prefetch import prefetched
    from agent_reasoning.training.puzzles import CHUNK, Packed, label_chunk

    if not files:
        raise SystemExit("Say which puzzles: --puzzles FILE.")
    sources = [FromFile(file) for file in files]
    chunks = -(-max(map(len, sources)) // CHUNK)
    with prefetched(partial(label_chunk, sources, seed), processes=processes) as label:
        labelled = [label(number) for number in range(chunks)]
    whole = (
        tuple(np.concatenate(parts) for parts in zip(*of_source, strict=True))
        for of_source in zip(*labelled, strict=True)
    )
    Packed(tuple((givens, solutions) for givens, solutions in whole)).save(path)


def pack_mazes(path: Path, count: int, seed: int, processes: int) -> None:
    from agent_reasoning.training.labels.maze import draw_mazes
    from agent_reasoning.training.mazes import Curriculum, Packed, joined
    from agent_reasoning.training.prefetch import prefetched

    portion = min(count, 64)
    found = {}
    for size in SIZES:
        with prefetched(partial(draw_mazes, portion, seed, Curriculum(size, size)), processes=processes) as mazes:
            found[size] = joined([mazes(number) for number in range(-(-count // portion))])
    Packed(found).save(path)


def run(where: Path, config: "TrainConfig", output: Path, seconds: float, resume: bool) -> None:
    """Train for `seconds` more of the `config.minutes`, from the start or from what `output` holds."""
    import torch

    from agent_reasoning.training import running, waves
    from agent_reasoning.training.deduction import Deducing
    from agent_reasoning.training.mazes import Curriculum
    from agent_reasoning.training.mazes import Packed as PackedMazes
    from agent_reasoning.training.puzzles import Packed as PackedPuzzles
    from agent_reasoning.training.state import start

    path = output / "state.pt"
    state = start(config, waves.beside(config.network.hidden, config.seed) if config.method == "waves" else None)
    if resume:
        state.load(path)
    if config.method == "deduction":
        pool = PackedPuzzles.load(where / PUZZLES).pool(torch.device(config.device))
        method: running.Method = Deducing(config, state, pool)
    else:
        packed = PackedMazes.load(where / MAZES)
        curriculum = Curriculum(min(packed.by_size), max(packed.by_size))
        draw = partial(packed.draw, config.batch_size, config.seed, curriculum)
        method = waves.Waves(config, state, draw)
    stopped, begun = False, state.seconds

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    logged = 0.0

    def observe(now: "Progress") -> None:
        nonlocal logged
        if now.seconds - logged > LOG_SECONDS or now.fraction >= 1:
            logged = now.seconds
            speed = now.step / now.seconds
            print(f"{now.seconds:.0f} s  {now.fraction:.1%}  step {now.step} ({speed:.1f}/s)  loss {now.loss:.4f}  "
                  f"solved {now.exact:.2%} of {now.instances:,}", flush=True)  # fmt: skip

    running.run(
        config, state, method, state_path=path, observe=observe,
        stopping=lambda: stopped or state.seconds - begun > seconds,
    )  # fmt: skip
    print(f"saved to {path} after {state.seconds / 60:.1f} minutes, {state.step} steps")


def read_config(where: Path, minutes: float, batch_size: int | None, seed: int, device: str) -> "TrainConfig":
    from agent_reasoning.networks.structured import StructuredConfig
    from agent_reasoning.training.state import TrainConfig

    data = json.loads((where / CONFIG).read_text())
    try:
        config = TrainConfig(StructuredConfig.from_dict(data.pop("network")), **data)
    except (KeyError, TypeError) as error:
        raise SystemExit(f"{where / CONFIG} was packed by another version ({error}): pack again.") from None
    batch_size = batch_size or BATCH_SIZES[config.method]
    return replace(config, minutes=minutes, batch_size=batch_size, seed=seed, device=device, save_seconds=60.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="make the labels; needs the whole package")
    packing.add_argument("task", choices=["sudoku", "maze"])
    packing.add_argument("--puzzles", type=Path, action="append", default=[], help="sudoku: a file; may be repeated")
    packing.add_argument("--count", type=int, default=8000, help="mazes of each size")
    packing.add_argument("--seed", type=int, default=0)
    packing.add_argument("--processes", type=int, default=1)
    packing.add_argument("--output", type=Path, required=True)
    training = commands.add_parser("run", help="train; needs torch and numpy")
    training.add_argument("pack", type=Path)
    training.add_argument("--minutes", type=float, required=True, help="of the whole run: the learning rate follows it")
    training.add_argument(
        "--for", dest="part", type=float, help="minutes to train now, beside some seconds to start; default: to the end"
    )
    training.add_argument("--batch-size", type=int, help="default: 2048 Sudokus, 512 mazes")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--device", default="cuda")
    training.add_argument("--resume", action="store_true")
    training.add_argument("--output", type=Path, required=True, help="where state.pt is kept")
    given = parser.parse_args()
    if given.command == "pack":
        pack(given.task, given.puzzles, given.output, given.count, given.seed, given.processes)
        return
    config = read_config(given.pack, given.minutes, given.batch_size, given.seed, given.device)
    run(given.pack, config, given.output, 60 * (given.part or given.minutes), given.resume)


if __name__ == "__main__":
    main()
