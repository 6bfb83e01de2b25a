"""The use case: reason about this request. No word of HTTP or CloudEvents here."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from agent_reasoning.engine.engine import SLOTS, Engine
from agent_reasoning.engine.job import Arranged, Listener, Outcome, StepRecord
from agent_reasoning.engine.model import Model
from agent_reasoning.errors import (
    BundleError,
    DeadlineExceeded,
    EngineFailed,
    InvalidContext,
    ModelMissing,
    NotReady,
    NotVerified,
    Overloaded,
    ReasoningError,
)
from agent_reasoning.schemas import ReasonRequest, ReasonResponse, StreamedStep
from agent_reasoning.service.answer import Prepared, choose, confidence_in, in_words, step_fields, trace
from agent_reasoning.service.computed import computed
from agent_reasoning.service.functions import Call, Functions
from agent_reasoning.service.metrics import Metrics
from agent_reasoning.service.parts import InParts
from agent_reasoning.tasks import Parts, Registry, Task

SMALL = 256
LARGE_AT_ONCE, LARGE_WAITING = 2, 8  # problems that are looked at in parts
MAX_VIOLATIONS = 20  # an answer that is wrong everywhere is described well enough by these

log = structlog.get_logger("agent_reasoning.reason")


class ReasoningService:
    """What every face of the service calls."""

    def __init__(
        self,
        registry: Registry,
        models: Sequence[Model],
        *,
        max_queue: int = 256,
        slots: int = SLOTS,
        workers: int | None = None,
        max_steps: int | None = None,
        timeout_seconds: float = 30.0,
        metrics: Metrics | None = None,
        functions: Functions | None = None,
    ) -> None:
        self.registry = registry
        self.functions = functions or Functions()
        self.models = {model.task: model for model in models}
        self.metrics = metrics or Metrics()
        self.metrics.models(list(models))
        self.timeout_seconds = timeout_seconds
        self.draining = False
        self.running = 0
        """Requests that are being answered."""
        self._large_under_way = 0
        self._large = ThreadPoolExecutor(LARGE_AT_ONCE, thread_name_prefix="parts")
        self._outcomes: set[asyncio.Future[Outcome]] = set()
        self._abandoned = False
        self._max_steps = max_steps
        for model in models:
            if model.task not in registry.names() or not model.fits(registry.get(model.task).info.spec):
                raise BundleError(f"The model {model.name} is for a task {model.task!r} that is not this service's.")
        self._engine = Engine(models, slots=slots, workers=workers, max_queue=max_queue, observe=self.metrics.ticked)
        self.metrics.watch(self._engine)

    def start(self) -> None:
        self._engine.start()
        self.functions.start()

    def warm_up(self) -> None:
        """A first step of each model, which is slower than the others, before a caller has to wait for it."""
        for task in self.registry.all():
            model = self.models.get(task.info.name)
            if model is not None and model.architecture == "structured":
                with contextlib.suppress(Exception):  # whatever is wrong, the first request will tell it better
                    model.begin([task.encode(task.read(task.info.example_context))]).step()

    def stop(self) -> None:
        self.draining = True
        self._large.shutdown(wait=False, cancel_futures=True)
        self._engine.stop()
        self.functions.close()

    def abandon(self) -> None:
        """End what still runs: each gets NotReady, so that whoever asked tries another replica."""
        self._abandoned = True
        for outcome in self._outcomes:
            outcome.cancel()

    def ailment(self) -> str | None:
        """What is wrong; None while healthy."""
        return self._engine.ailment()

    def unready(self) -> str | None:
        """Why no request should come now; None when one may."""
        if self.draining:
            return "the service is draining"
        return self._engine.ailment()

    def check_open(self) -> None:
        """Raises NotReady or Overloaded where a request would be refused now, before anything is spent on it."""
        if self.draining:
            raise NotReady("The service is draining; another replica will answer.")
        self._engine.check_room()

    async def reason(self, request: ReasonRequest, request_id: str, *, admitted: bool = False) -> ReasonResponse:
        """Solve a request. Raises the errors of the package's tree; metrics count both ends.

        admitted: `check_open` has let it in before, and it has been promised; it is answered though the service drains.
        """
        return await self._reason(request, request_id, None, admitted=admitted)

    async def stream(self, request: ReasonRequest, request_id: str) -> AsyncGenerator[StreamedStep | ReasonResponse]:
        """The same, telling each step as it is judged; the response comes last. Closing the iterator takes the
        problem off the engine."""
        # At most samples * max_steps entries: a slow reader costs their memory and holds up nobody.
        told: asyncio.Queue[StreamedStep | None] = asyncio.Queue()
        answer = asyncio.ensure_future(self._reason(request, request_id, told.put_nowait))
        answer.add_done_callback(lambda done: told.put_nowait(None))
        try:
            while (step := await told.get()) is not None:
                yield step
            yield await answer
        finally:
            if answer.done():
                answer.cancelled() or answer.exception()  # seen, though nobody may be left to tell
            answer.cancel()

    async def _reason(
        self,
        request: ReasonRequest,
        request_id: str,
        tell: Callable[[StreamedStep], None] | None,
        *,
        admitted: bool = False,
    ) -> ReasonResponse:
        task_type: str = request.task_type
        begun = time.perf_counter()
        self.running += 1
        try:
            if not admitted:
                self.check_open()
            if (call := self._computation(request)) is not None:
                return await self._compute(request, call, request_id, begun)
            # To read, encode, arrange and describe much takes milliseconds, which other requests would feel.
            run = at_once if is_small(request.context) else asyncio.to_thread
            prepared = await run(self.prepare, request)
            task_type = prepared.task.info.task_type
            model = self._model(prepared.task)
            if prepared.parts is not None:
                outcome = await self._improve(request, prepared, prepared.parts, begun, tell)
            else:
                arranged = await run(self._engine.arrange, model.task, prepared.problem)
                outcome = await self._refine(request, prepared, arranged, model, begun, tell)
            response: ReasonResponse = await run(self._respond, request, prepared, model, outcome, request_id, begun)
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
        finally:
            self.running -= 1
        self.metrics.answered(response, outcome.waited_seconds)
        log.info(
            "request.answered", task=response.task, verified=response.verified, source=response.source,
            steps=response.steps, halted_by=response.halted_by, duration_ms=response.duration_ms,
        )  # fmt: skip
        return response

    def _computation(self, request: ReasonRequest) -> Call | None:
        """The call of a function that answers a request without a problem, where one does."""
        if request.context or request.task or request.task_type != "general" or request.source_policy == "model":
            return None
        return self.functions.answering(request.question)

    async def _compute(self, request: ReasonRequest, call: Call, request_id: str, begun: float) -> ReasonResponse:
        response = await computed(self.functions, call, request, request_id, begun)
        self.metrics.answered(response, waited_seconds=0.0)
        log.info("request.answered", task=response.task, verified=response.verified, source=response.source)
        return response

    def prepare(self, request: ReasonRequest) -> Prepared:
        """Find the task, read the context, encode the problem.

        Raises UnknownTask, UnmappableContext, InvalidContext.
        """
        remarks = []
        if request.task:
            task = self.registry.get(request.task)
        else:
            found = self.registry.find(request.context, request.question, request.task_type)
            task = found.task
            if request.task_type == "general":
                remarks.append(f"Taken as {task.info.name} ({task.info.task_type}), {found.reason}.")
        if request.task_type not in ("general", task.info.task_type):
            asked, kind = request.task_type, task.info
            remarks.append(f"Asked as {asked}; the context is {kind.task_type} ({kind.name}) and was solved as that.")
        instance = task.read(request.context, request.question)
        parts = task.parts(instance, request.seed)
        if parts is not None and request.source_policy == "model":
            raise InvalidContext(
                "This problem is too large for the model to look at whole: it improves parts of what the baseline starts with,"
                " which `source_policy: model` forbids."
            )
        return Prepared(task, instance, task.encode(instance) if parts is None else None, parts, tuple(remarks))

    def _model(self, task: Task[Any]) -> Model:
        try:
            return self.models[task.info.name]
        except KeyError:
            raise ModelMissing(f"No model is loaded for {task.info.name}; see /models for those that are.") from None

    def _remaining(self, request: ReasonRequest, begun: float) -> float:
        """Seconds until the deadline; 0 and less where it has passed."""
        timeout = min(request.timeout_seconds or self.timeout_seconds, self.timeout_seconds)
        return timeout - (time.perf_counter() - begun)

    async def _improve(
        self,
        request: ReasonRequest,
        prepared: Prepared,
        parts: Parts,
        begun: float,
        tell: Callable[[StreamedStep], None] | None,
    ) -> Outcome:
        remaining = self._remaining(request, begun)
        if remaining <= 0:
            raise DeadlineExceeded("The deadline passed while the problem was being read.")
        if self._large_under_way >= LARGE_AT_ONCE + LARGE_WAITING:
            raise Overloaded(f"{LARGE_WAITING} problems as large as this are waiting; try again shortly.")
        search = InParts(
            self._engine, prepared.task, parts, prepared.verify, request.seed, time.monotonic() + remaining,
            None if tell is None else teller(prepared, tell, here=True),
        )  # fmt: skip
        try:
            outcome = asyncio.get_running_loop().run_in_executor(self._large, search.run)
        except RuntimeError:  # its threads have been shut down
            raise NotReady("The service has stopped; another replica will answer.") from None
        self._outcomes.add(outcome)
        self._large_under_way += 1
        if self._abandoned:  # while this request was being read
            outcome.cancel()
        try:
            done, _ = await asyncio.wait({outcome}, timeout=remaining)
            if not done and not search.begun.is_set():
                raise DeadlineExceeded("The deadline passed while other problems as large as this were being answered.")
            if outcome.cancelled():
                raise NotReady("The service ended before it could answer; another replica will.")
            return await outcome
        except asyncio.CancelledError:
            if self._abandoned and outcome.cancelled():
                raise NotReady("The service ended before it could answer; another replica will.") from None
            raise
        finally:
            self._outcomes.discard(outcome)
            self._large_under_way -= 1
            search.gone.set()
            outcome.cancel()  # where it still waits for a thread

    async def _refine(
        self,
        request: ReasonRequest,
        prepared: Prepared,
        arranged: Arranged,
        model: Model,
        begun: float,
        tell: Callable[[StreamedStep], None] | None,
    ) -> Outcome:
        remaining = self._remaining(request, begun)
        future = self._engine.submit(
            arranged,
            prepared.verify,
            max_steps=request.max_steps or self._max_steps or model.max_steps,
            samples=request.samples or model.samples,
            seed=request.seed,
            timeout_seconds=remaining,
            listener=None if tell is None else teller(prepared, tell),
            search=prepared.search(),
        )
        outcome = asyncio.wrap_future(future)
        self._outcomes.add(outcome)
        if self._abandoned:  # while this request was being read
            outcome.cancel()
        try:
            done, _ = await asyncio.wait({outcome}, timeout=max(0.0, remaining))
            if not done and not future.begun:
                raise DeadlineExceeded("The deadline passed before the first refinement step.")
            if outcome.cancelled() and self._abandoned:
                raise NotReady("The service ended before it could answer; another replica will.")
            return await outcome
        finally:
            self._outcomes.discard(outcome)
            outcome.cancel()  # where nobody waits any more, because of an error or because the client has gone

    def _respond(
        self, request: ReasonRequest, prepared: Prepared, model: Model, outcome: Outcome, request_id: str, begun: float
    ) -> ReasonResponse:
        task = prepared.task
        best = choose(prepared, outcome, allow_baseline=request.source_policy == "best")
        verdict = best.verdict
        if request.require_verified and not verdict.valid:
            raise NotVerified(
                f"No verified answer within {len(outcome.records)} steps and {request.samples or model.samples} samples.",
                violations=list(verdict.violations[:MAX_VIOLATIONS]),
            )
        return ReasonResponse(
            answer=in_words(prepared, best, len(outcome.records)),
            solution=best.solution,
            steps=len(outcome.records),
            confidence=confidence_in(verdict, outcome),
            reasoning_trace=trace(prepared, outcome.records),
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


async def at_once(function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    """What `asyncio.to_thread` is, without the thread."""
    return function(*args, **options)


def is_small(context: Any) -> bool:
    """Whether a context has at most SMALL values in it, so that a thread would cost more than it spares."""
    left, nested = SMALL, [context]
    while nested and left >= 0:
        value = nested.pop()
        if isinstance(value, dict | list):
            left -= len(value)
            nested += value.values() if isinstance(value, dict) else value
    return left >= 0


def teller(prepared: Prepared, tell: Callable[[StreamedStep], None], *, here: bool = False) -> Listener:
    """From the engine's thread to the event loop, where the words are made; `here`: made before, in the thread that tells it,
    which holds up nobody."""
    loop = asyncio.get_running_loop()
    before: dict[int, StepRecord] = {}

    def render(sample: int, number: int, record: StepRecord) -> StreamedStep:
        fields = step_fields(prepared, number, record, before.get(sample))
        before[sample] = record
        return StreamedStep(**fields, sample=sample, solution=prepared.task.decode(prepared.instance, record.choice))

    def listen(sample: int, number: int, record: StepRecord) -> None:
        if here:
            loop.call_soon_threadsafe(tell, render(sample, number, record))
        else:
            loop.call_soon_threadsafe(lambda: tell(render(sample, number, record)))

    return listen
