"""What the engine needs of a loaded model, whatever its family: slots for its problems, and steps in them."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.deduction import Policy
from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.engine.pool import Candidates, Choice, Pool, Refined
from agent_reasoning.problem import Problem, ProblemSpec

PLAIN = NoiseStream(0, 0)


@dataclass(frozen=True)
class Model(ABC):
    """A network on its device."""

    name: str
    task: str
    architecture: str
    device: str
    sha256: str
    parameters: int
    max_steps: int
    applications_per_step: int
    confidence: Confidence
    samples: int = field(default=1, kw_only=True)
    halting: Halting = field(default=Halting(), kw_only=True)
    deduction: Policy | None = field(default=None, kw_only=True)
    """How it searches by removing candidates; None for a model that only refines an answer."""

    @abstractmethod
    def fits(self, spec: ProblemSpec) -> bool:
        """Whether it reads problems of this spec."""

    @abstractmethod
    def bucket(self, problem: Problem) -> Hashable:
        """What its tensors are padded to: a fact of the problem alone."""

    @abstractmethod
    def arrange(self, problem: Problem, bucket: Any) -> Any:
        """The problem as tensors, on the CPU; in any thread, before it enters a slot."""

    @abstractmethod
    def pool(self, bucket: Any, slots: int) -> Pool:
        """Slots for problems of one bucket: `slots` of them, or fewer where the bucket is large."""

    def begin(self, problems: Sequence[Problem], noise: Sequence[NoiseStream] = ()) -> "Refinement":
        """Take steps without an engine, for evaluations; `noise`: a stream for each problem, or none at all."""
        return Refinement(self, problems, noise)

    @property
    def ahead(self) -> int:
        """How many steps to start before the verdict on an earlier one is in. On a GPU that hides the verifier; a CPU
        has better work to do, and the next step of a deduction, or of an answer that is held, follows from the last."""
        return 0 if self.device == "cpu" or self.deduction is not None or self.holds else 1

    @property
    def holds(self) -> bool:
        """Whether it is told the answer that a search holds; then it is served with the task's search."""
        return False


class Refinement:
    """Rows of problems on their way, in slots of their own."""

    def __init__(self, model: Model, problems: Sequence[Problem], noise: Sequence[NoiseStream]) -> None:
        buckets = [model.bucket(problem) for problem in problems]
        alike = {bucket: [row for row, other in enumerate(buckets) if other == bucket] for bucket in buckets}
        self._cells = max(problem.size[0] for problem in problems)
        self._width = max(problem.size[1] for problem in problems)
        self._tells = model.deduction is not None or model.holds
        places: dict[int, tuple[Pool, int]] = {}
        for bucket, rows in alike.items():
            while rows:
                pool = model.pool(bucket, len(rows))
                for slot, row in enumerate(rows[: pool.capacity]):
                    stream = noise[row] if noise else PLAIN
                    pool.enter([slot], model.arrange(problems[row], bucket), [stream])
                    places[row] = pool, slot
                rows = rows[pool.capacity :]
        self._places = [places[row] for row in range(len(problems))]  # a pool and a slot for each row

    def step(self) -> Refined:
        """One supervision step for every row. What is beyond a row's own cells means nothing."""
        rows = len(self._places)
        choices, q_halt_logits = np.zeros((rows, self._cells), np.int64), np.zeros(rows, np.float32)
        logits = np.zeros((rows, self._cells, self._width), np.float32) if self._tells else None
        by_pool: dict[int, list[int]] = {}
        for row, (pool, _) in enumerate(self._places):
            by_pool.setdefault(id(pool), []).append(row)
        for here in by_pool.values():
            pool = self._places[here[0]][0]
            at_once = 1 if pool.one_job else pool.rows_at_once
            for start in range(0, len(here), at_once):
                chunk = here[start : start + at_once]
                refined = pool.step([self._places[row][1] for row in chunk]).read()
                cells = min(self._cells, refined.choices.shape[1])
                choices[chunk, :cells] = refined.choices[:, :cells]
                q_halt_logits[chunk] = refined.q_halt_logits
                if logits is not None and refined.logits is not None:
                    width = min(self._width, refined.logits.shape[2])
                    logits[chunk, :cells, :width] = refined.logits[:, :cells, :width]
        return Refined(choices, q_halt_logits, logits)

    def narrow(self, row: int, candidates: Candidates, stream: NoiseStream | None) -> None:
        """Of models that deduce: what a row may be answered with from now on; see `Pool.narrow`."""
        pool, slot = self._places[row]
        pool.narrow(slot, candidates, stream)

    def hold(self, row: int, held: Choice) -> None:
        """Of models that are told what is held; see `Pool.hold`."""
        pool, slot = self._places[row]
        pool.hold(slot, held)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""
        self._places = [self._places[row] for row in rows]
