"""The use case: reason about this request. No word of HTTP or CloudEvents here."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog

from agent_reasoning.engine.engine import Engine, Outcome
from agent_reasoning.engine.model import Model
from agent_reasoning.errors import (
    BundleError,
    DeadlineExceeded,
    EngineFailed,
    InvalidRequest,
    ModelMissing,
    NotReady,
    NotVerified,
    ReasoningError,
)
from agent_reasoning.problem import Problem, Verdict
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, Source, TraceStep
from agent_reasoning.service.metrics import Metrics
from agent_reasoning.tasks import Choice, Registry, Solution, Task

MAX_WORK = 2**17  # rows of all samples (see `work`): a refinement step takes a second or two of CPU, and 0.8 GB
MAX_VIOLATIONS = 20  # an answer that is wrong everywhere is described well enough by these

log = structlog.get_logger("agent_reasoning.reason")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that has become a problem."""

    task: Task[Any]
    instance: Any
    problem: Problem
    remarks: tuple[str, ...]

    def verify(self, choice: Choice) -> Verdict:
        return self.task.verify(self.instance, self.task.decode(self.instance, choice))


@dataclass(frozen=True, slots=True)
class Answer:
    """A solution, what the verifier said of it, and who found it."""

    solution: Solution
    verdict: Verdict
    source: Source


class ReasoningService:
    """What every face of the service calls."""

    def __init__(
        self,
        registry: Registry,
        models: Sequence[Model],
        *,
        max_queue: int = 256,
        max_steps: int | None = None,
        timeout_seconds: float = 30.0,
        metrics: Metrics | None = None,
    ) -> None:
        self.registry = registry
        self.models = {model.task: model for model in models}
        self.metrics = metrics or Metrics()
        self.metrics.models(list(models))
        self.timeout_seconds = timeout_seconds
        self.draining = False
        self._max_steps = max_steps
        for model in models:
            if model.task not in registry.names() or not model.fits(registry.get(model.task).info.spec):
                raise BundleError(f"The model {model.name} is for a task {model.task!r} that is not this service's.")
        self._engine = Engine(models, max_queue=max_queue, observe=self.metrics.stepped)
        self.metrics.queue_depth.set_function(lambda: self._engine.waiting)

    def start(self) -> None:
        self._engine.start()

    def stop(self) -> None:
        self.draining = True
        self._engine.stop()

    def ailment(self) -> str | None:
        """What is wrong; None while healthy."""
        return self._engine.ailment()

    def unready(self) -> str | None:
        """Why no request should come now; None when one may."""
        if self.draining:
            return "the service is draining"
        return self._engine.ailment()

    async def reason(self, request: ReasonRequest, request_id: str) -> ReasonResponse:
        """Solve a request. Raises the errors of the package's tree; metrics count both ends."""
        task_type: str = request.task_type
        begun = time.perf_counter()
        try:
            if self.draining:
                raise NotReady("The service is draining; another replica will answer.")
            # Reading and encoding a large graph takes milliseconds, which other requests would feel.
            prepared = await asyncio.to_thread(self.prepare, request)
            task_type = prepared.task.info.task_type
            model = self._model(prepared.task)
            outcome = await self._refine(request, prepared, model, begun)
            response = self._respond(request, prepared, model, outcome, request_id, begun)
        except ReasoningError as error:
            self.metrics.failed(task_type, error.code)
            if isinstance(error, EngineFailed):
                log.error("request.failed", task_type=task_type, exc_info=error.__cause__)
            raise
        except asyncio.CancelledError:
            self.metrics.failed(task_type, "client-gone")
            raise
        except Exception:
            self.metrics.failed(task_type, "internal")
            raise
        self.metrics.answered(response, outcome.waited_seconds)
        log.info(
            "request.answered", task=response.task, verified=response.verified, source=response.source,
            steps=response.steps, halted_by=response.halted_by, duration_ms=response.duration_ms,
        )  # fmt: skip
        return response

    def prepare(self, request: ReasonRequest) -> Prepared:
        """Find the task, read the context, encode the problem.

        Raises UnknownTask, UnmappableContext, InvalidContext.
        """
        task = self.registry.get(request.task) if request.task else self.registry.find(request.context)
        remarks = []
        if request.task_type not in ("general", task.info.task_type):
            asked, found = request.task_type, task.info
            remarks.append(f"Asked as {asked}; the context is {found.task_type} ({found.name}) and was solved as that.")
        instance = task.read(request.context)
        return Prepared(task, instance, task.encode(instance), tuple(remarks))

    def _model(self, task: Task[Any]) -> Model:
        try:
            return self.models[task.info.name]
        except KeyError:
            raise ModelMissing(f"No model is loaded for {task.info.name}; see /models for those that are.") from None

    async def _refine(self, request: ReasonRequest, prepared: Prepared, model: Model, begun: float) -> Outcome:
        most = max(1, MAX_WORK // work(prepared.problem))
        if request.samples > most:
            raise InvalidRequest(f"samples: a problem of this size may have at most {most}.", max_samples=most)
        timeout = min(request.timeout_seconds or self.timeout_seconds, self.timeout_seconds)
        remaining = timeout - (time.perf_counter() - begun)
        future = self._engine.submit(
            model.task,
            prepared.problem,
            prepared.verify,
            max_steps=request.max_steps or self._max_steps or model.max_steps,
            samples=request.samples,
            seed=request.seed,
            timeout_seconds=remaining,
        )
        outcome = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait({outcome}, timeout=max(0.0, remaining))
            # The engine looks at a job's deadline only when its turn comes, which may be long after.
            if not done and not future.begun:
                raise DeadlineExceeded("The deadline passed before the first refinement step.")
            return await outcome
        finally:
            outcome.cancel()  # where nobody waits any more, because of an error or because the client has gone

    def _respond(
        self, request: ReasonRequest, prepared: Prepared, model: Model, outcome: Outcome, request_id: str, begun: float
    ) -> ReasonResponse:
        task = prepared.task
        best = choose(prepared, outcome, allow_baseline=request.source_policy == "best")
        verdict = best.verdict
        if request.require_verified and not verdict.valid:
            raise NotVerified(
                f"No verified answer within {len(outcome.records)} steps and {request.samples} samples.",
                violations=list(verdict.violations[:MAX_VIOLATIONS]),
            )
        return ReasonResponse(
            answer=in_words(prepared, best, len(outcome.records)),
            solution=best.solution,
            steps=len(outcome.records),
            confidence=confidence_in(verdict, outcome),
            reasoning_trace=trace(prepared, outcome),
            duration_ms=round((time.perf_counter() - begun) * 1000, 3),
            verified=verdict.valid,
            violations=list(verdict.violations[:MAX_VIOLATIONS]),
            objective=verdict.objective,
            bound=verdict.bound,
            optimal=None if verdict.objective is None else verdict.optimal,
            task_type=task.info.task_type,
            task=task.info.name,
            source=best.source,
            model=model.name,
            halted_by=outcome.halted_by,
            seed=request.seed,
            request_id=request_id,
            conversation_id=request.conversation_id,
        )


def work(problem: Problem) -> int:
    """Rows that one sample adds to a refinement step: a state for each pair, a message for each link."""
    cells, width = problem.size
    links = sum(len(edges) for edges in problem.relations.values())
    members = sum(len(group) for groups in problem.groups.values() for group in groups)
    return (cells + links // 4) * width + members // 4  # a message costs about a quarter of a state's update


def choose(prepared: Prepared, outcome: Outcome, *, allow_baseline: bool) -> Answer:
    """The model's answer, or the baseline's where that is allowed and strictly better; ties go to the model."""
    found = outcome.answer
    ours = Answer(prepared.task.decode(prepared.instance, found.choice), found.verdict, "model")
    solution = prepared.task.baseline(prepared.instance) if allow_baseline and not found.verdict.optimal else None
    if solution is None:
        return ours
    theirs = Answer(solution, prepared.task.verify(prepared.instance, solution), "baseline")
    return theirs if _cost(theirs.verdict) < _cost(ours.verdict) else ours


def _cost(verdict: Verdict) -> tuple[bool, float]:
    return not verdict.valid, verdict.objective or 0.0


def confidence_in(verdict: Verdict, outcome: Outcome) -> float:
    """0 when nothing verified, 1 when proven best, else the model's probability that its answer is the best."""
    if not verdict.valid:
        return 0.0
    return 1.0 if verdict.optimal else outcome.answer.confidence


def in_words(prepared: Prepared, answer: Answer, steps: int) -> str:
    words = prepared.task.describe(prepared.instance, answer.solution)
    if not answer.verdict.valid:
        count = len(answer.verdict.violations)
        first = " ".join(answer.verdict.violations[:3])
        words = (
            f"Not verified: {steps} steps found no valid answer. The last one breaks {count} rules: {first}\n{words}"
        )
    return "\n".join([words, *prepared.remarks])


def trace(prepared: Prepared, outcome: Outcome) -> list[TraceStep]:
    steps: list[TraceStep] = []
    before = None
    for number, record in enumerate(outcome.records, 1):
        changed = len(record.choice) if before is None else int(np.sum(before != record.choice))
        solution = prepared.task.decode(prepared.instance, record.choice)
        steps.append(
            TraceStep(
                step=number,
                confidence=round(record.confidence, 4),
                intermediate_answer=prepared.task.brief(prepared.instance, solution),
                changed=changed,
                verified=record.verdict.valid,
            )
        )
        before = record.choice
    return steps
