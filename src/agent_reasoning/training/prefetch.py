"""Batches made ahead of time in another process: what makes labels may take longer than what learns from them."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

Batch = TypeVar("Batch")
AHEAD = 24


@contextmanager
def prefetched(
    draw: Callable[[int], Batch], *, processes: int = 1, ahead: int = AHEAD
) -> Iterator[Callable[[int], Batch]]:
    """`draw`, for numbers that never go back; it has to be a pure function that can be sent to a process."""
    # A fork would inherit the locks of torch's threads.
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_one_thread) as process:
        coming: deque[tuple[int, Future[Batch]]] = deque()

        def take(number: int) -> Batch:
            while coming and coming[0][0] < number:
                coming.popleft()
            start = coming[-1][0] + 1 if coming else number
            coming.extend((later, process.submit(draw, later)) for later in range(start, number + ahead))
            return coming[0][1].result()

        try:
            yield take
        finally:
            process.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """And no answer to Ctrl-C, which is for the process that waits for this one."""
    import signal

    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
