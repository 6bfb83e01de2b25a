"""Optimizer steps that a GPU can replay: everything that changes from one to the next is a tensor."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from agent_reasoning.training.state import TrainConfig, TrainState, average, schedule

WARM_UPS = 3  # before a capture, as torch asks for: what is made at a first call must not be part of the graph


class Learner:
    """Takes the optimizer steps of a run."""

    def __init__(self, config: TrainConfig, state: TrainState) -> None:
        self._config, self._state = config, state
        self.device = torch.device(config.device)
        self._rate = torch.zeros((), device=self.device)
        self._decay = torch.zeros((), device=self.device)
        for group in state.optimizer.param_groups:
            group.update(lr=self._rate, fused=True, capturable=self.device.type == "cuda")
        self._parameters = [each for group in state.optimizer.param_groups for each in group["params"]]

    def pace(self, done: float) -> None:
        """Before each step: what it is to do, by how much of the run is done. Counts it."""
        config, step = self._config, self._state.step
        self._rate.fill_(config.learning_rate * schedule(step, config.warmup_steps, done))
        self._decay.fill_(min(config.ema, (1 + step) / (10 + step)))
        self._state.step += 1

    def learn(self, loss: Tensor) -> None:
        self._state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, self._config.clip_norm)
        self._state.optimizer.step()
        average(self._state.averaged, self._state.network, self._decay)

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bool(self._state.autocast))


class Captured:
    """A function of fixed tensors, as one launch on a GPU; as it is elsewhere.

    It may not wait for the device, and keeps what it makes in tensors that were there before. `generator`: what it draws
    random numbers from. Graphs that share a `pool` share their memory: they run one after the other and hand nothing on.
    """

    def __init__(
        self, run: Callable[[], None], device: torch.device, generator: torch.Generator | None = None,
        pool: Any = None,
    ) -> None:  # fmt: skip
        self._run, self._device, self._generator, self._pool = run, device, generator, pool
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if self._device.type != "cuda":
            self._run()
            return
        if self._graph is None and self._calls < WARM_UPS:
            self._calls += 1
            self._beside()
            return
        if self._graph is None:
            self._graph = self._capture()
        self._graph.replay()

    def _beside(self) -> None:
        here, aside = torch.cuda.current_stream(self._device), torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            self._run()
        here.wait_stream(aside)

    def _capture(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        if self._generator is not None:
            graph.register_generator_state(self._generator)
        with torch.cuda.graph(graph, pool=self._pool):
            self._run()
        return graph
