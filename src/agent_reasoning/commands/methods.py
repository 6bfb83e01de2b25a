"""What each way to train needs beside its state: who makes its batches, and what takes its steps."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from agent_reasoning.tasks import Task
from agent_reasoning.training import loop, running, waves
from agent_reasoning.training.deduction import Deducing
from agent_reasoning.training.labels.maze import draw_mazes
from agent_reasoning.training.labels.sudoku import FromFile, Generated, PuzzleFile
from agent_reasoning.training.mazes import Curriculum
from agent_reasoning.training.prefetch import prefetched
from agent_reasoning.training.puzzles import PuzzlePool, Source, label_chunk
from agent_reasoning.training.refits import Refits, draw_clusters
from agent_reasoning.training.state import Progress, TrainConfig, TrainState, start
from agent_reasoning.training.stream import draw_batch

CHUNKS_AHEAD = 4


class Run(Protocol):
    def __call__(
        self, *, state_path: Path, observe: Callable[[Progress], None], stopping: Callable[[], bool]
    ) -> TrainState: ...


def begin(config: TrainConfig) -> TrainState:
    """A run that has done nothing yet."""
    return start(config, waves.beside(config.network.hidden, config.seed) if config.method == "waves" else None)


@contextmanager
def prepared(task: Task[Any], config: TrainConfig, state: TrainState, files: Sequence[PuzzleFile]) -> Iterator[Run]:
    """The run, to be started; the processes that make its batches end with the context."""
    if config.method == "deduction":
        sources: list[Source] = [FromFile(file.path) for file in files] or [Generated(config.seed)]
        pool = PuzzlePool.of(state.world.get("pool"), [len(source) for source in sources], config.device)
        with prefetched(partial(label_chunk, sources, config.seed), ahead=CHUNKS_AHEAD) as label:
            yield partial(running.run, config, state, Deducing(config, state, pool, label))
    elif config.method == "waves":
        curriculum = Curriculum(*task.info.training_sizes)
        with prefetched(partial(draw_mazes, config.batch_size, config.seed, curriculum)) as mazes:
            yield partial(running.run, config, state, waves.Waves(config, state, mazes))
    elif config.method == "refits":
        drawn = partial(draw_clusters, config.batch_size, config.seed, task.info.training_sizes)
        with prefetched(drawn) as clusters:
            yield partial(running.run, config, state, Refits(config, state, task, clusters))
    else:
        source = files[0].draw if files else None
        draw = partial(draw_batch, task, config.batch_size, config.seed, source=source)
        with prefetched(draw) as batches:
            yield partial(loop.train, config, state, batches)
