"""One driver for the ways of training that go on from states of their own: until the time is up, or somebody stops it; saved
whole from time to time, so that a cut-off costs no more than that."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.training.state import (
    Progress,
    TrainConfig,
    TrainState,
    faster_autocast,
    fraction_done,
    settings,
)

REPORT_SECONDS = 1.0  # between reports: reading what a GPU has added up makes it wait


class Tally(NamedTuple):
    """Since the last one."""

    loss: float
    exact: float  # share of the instances that were solved
    instances: int


class Method(Protocol):
    """A way to train. It holds the state that it was made with, and what it needs beside it."""

    @property
    def size(self) -> int:
        """Cells of the problems of late."""
        ...

    def trial(self) -> Tensor:
        """A loss on the graph, of the size that training has; learns nothing."""
        ...

    def advance(self, done: float) -> None:
        """Take a step, or the steps of a batch; `done`: how much of the run is over, 0 to 1."""
        ...

    def tally(self) -> Tally: ...

    def world(self) -> dict[str, Any]:
        """What has to be saved beside the state, for `__init__` to find in `state.world`."""
        ...


def run(
    config: TrainConfig,
    state: TrainState,
    method: Method,
    *,
    state_path: Path | None = None,
    observe: Callable[[Progress], None] = lambda progress: None,
    stopping: Callable[[], bool] = lambda: False,
) -> TrainState:
    """Go on from `state` until the configured end, or until `stopping()`; saves every `save_seconds` and at the end.

    Raises ConfigurationError where no end is configured.
    """
    if config.minutes is None and config.steps is None:
        raise ConfigurationError("Training needs an end: minutes or steps.")
    if fraction_done(config, state) >= 1:  # elsewhere, as it may be: nothing of how it was trained is to change
        return state
    state.settings = settings(config)
    state.network.train()
    if state.autocast is None:
        state.autocast = faster_autocast(state.network, method.trial, next(state.network.parameters()).device)
    begun = time.monotonic() - state.seconds
    saved_at = reported_at = time.monotonic()
    while (done := fraction_done(config, state)) < 1 and not stopping():
        method.advance(done)
        now = time.monotonic()
        state.seconds = now - begun
        if now - reported_at > REPORT_SECONDS or fraction_done(config, state) >= 1:
            loss, exact, instances = method.tally()
            state.instances += instances
            observe(Progress(state.step, state.instances, state.seconds, fraction_done(config, state), loss, exact,
                             method.size))  # fmt: skip
            reported_at = now
        if state_path and now - saved_at > config.save_seconds:
            save(state, method, state_path)
            saved_at = now
    if state_path:
        save(state, method, state_path)
    return state


def save(state: TrainState, method: Method, path: Path) -> None:
    state.instances += method.tally().instances
    state.world = method.world()
    state.save(path)
