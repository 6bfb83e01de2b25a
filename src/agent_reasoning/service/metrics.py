"""What Prometheus scrapes. Label values come from closed sets: no caller can make a new series."""

from functools import partial
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from agent_reasoning import __version__, errors
from agent_reasoning.engine.engine import Engine, TickReport
from agent_reasoning.engine.model import Model
from agent_reasoning.schemas import ReasonResponse, TaskType
from agent_reasoning.service.gpu import GpuMeter
from agent_reasoning.service.publisher import Outcome

LATENCY_OBJECTIVE_SECONDS = 1.0  # a bound of the buckets, so that the share within it is counted and not interpolated
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, LATENCY_OBJECTIVE_SECONDS, 2.5, 5.0, 10.0, 30.0)
# A step of what ships takes 0.6 to 2.5 ms on a CPU, one of a published checkpoint 60 to 320 ms.
STEP_SECONDS = tuple(
    milliseconds / 1000 for milliseconds in (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 25, 50, 100, 200, 400, 1000, 2500)
)
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SHARES = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
COMPLETED = "completed"
Refusal = Literal["missing", "malformed", "unknown"]  # what is wrong with an API key
OUR_FAULT = (  # the statuses that availability counts as failed; all others are the caller's doing
    errors.Overloaded.code,
    errors.NotReady.code,
    errors.ModelMissing.code,
    errors.DeadlineExceeded.code,
    errors.EngineFailed.code,
    "internal",
)
EXEMPLAR_CHARACTERS = 128  # of names and values together (OpenMetrics 1.0, "Exemplars")


class Metrics:
    """One registry for a service; `status` is `completed` or an error's code."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more each, which rate() needs none of
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        prefix, registry = "agent_reasoning", self.registry
        self.requests = Counter(
            f"{prefix}_requests", "Requests, by how they ended", ["task_type", "status"], registry=registry
        )
        self.duration = Histogram(
            f"{prefix}_duration_seconds", "Time to answer", ["task_type"], buckets=SECONDS, registry=registry
        )
        self.steps = Histogram(f"{prefix}_steps", "Refinement steps", ["task_type"], buckets=STEPS, registry=registry)
        self.confidence = Histogram(
            f"{prefix}_confidence", "Confidence of answers", ["task_type"], buckets=SHARES, registry=registry
        )
        self.verified = Counter(
            f"{prefix}_verified", "Answers, by what the verifier said", ["task_type", "verified"], registry=registry
        )
        self.source = Counter(f"{prefix}_answers", "Answers, by who found them", ["task", "source"], registry=registry)
        self.queue_depth = Gauge(f"{prefix}_queue_depth", "Requests that wait for the engine", registry=registry)
        self.queue_limit = Gauge(f"{prefix}_queue_limit", "Requests that may wait: MAX_QUEUE", registry=registry)
        self.queue_wait = Histogram(
            f"{prefix}_queue_wait_seconds", "Time in the queue", ["task"], buckets=SECONDS, registry=registry
        )
        self.step_seconds = Histogram(
            f"{prefix}_step_seconds", "Time of one refinement step", ["task"], buckets=STEP_SECONDS, registry=registry
        )
        self.batch = Histogram(
            f"{prefix}_batch_rows", "Trajectories in one refinement step", ["task"], buckets=ROWS, registry=registry
        )
        self.slots = Gauge(f"{prefix}_slots", "Slots for trajectories, by state", ["task", "state"], registry=registry)
        self.halted = Counter(f"{prefix}_halted", "Answers, by why the search ended", ["task", "by"], registry=registry)
        self.gpu_utilization = Gauge(
            f"{prefix}_gpu_utilization",
            "GPU utilization, 0 to 1; 0 without a GPU, NaN where it cannot be measured",
            registry=registry,
        )
        self.gpu_memory = Gauge(
            f"{prefix}_gpu_memory_bytes", "GPU memory; no series without a GPU", ["state"], registry=registry
        )
        self.events_in = Counter(
            f"{prefix}_events_in", "Events delivered here, by how that ended", ["mode", "outcome"], registry=registry
        )
        self.events_out = Counter(f"{prefix}_events_out", "Events sent", ["type", "by"], registry=registry)
        self.redeliveries = Counter(
            f"{prefix}_event_redeliveries", "Events answered without a run of their own", ["found"], registry=registry
        )
        self.publications = Counter(
            f"{prefix}_publications", "Results for the sink, by how that ended", ["outcome"], registry=registry
        )
        self.publisher_depth = Gauge(
            f"{prefix}_publisher_queue_depth", "Results that have not reached the sink yet", registry=registry
        )
        self.refused_keys = Counter(
            f"{prefix}_unauthenticated", "Requests without a key that is let in, by why", ["reason"], registry=registry
        )
        self.build = Info(f"{prefix}_build", "Version of the service", registry=registry)
        self.build.info({"version": __version__})
        self.model = Gauge(
            f"{prefix}_model_info", "Models loaded", ["model", "task", "device", "sha256"], registry=registry
        )
        for task_type in get_args(TaskType):  # a series that exists only after its first event breaks rate() and alerts
            for status in (COMPLETED, *OUR_FAULT):
                self.requests.labels(task_type, status)
            for verified in ("true", "false"):
                self.verified.labels(task_type, verified)
            for histogram in (self.duration, self.steps, self.confidence):
                histogram.labels(task_type)
        for outcome in get_args(Outcome):
            self.publications.labels(outcome)
        for reason in get_args(Refusal):
            self.refused_keys.labels(reason)
        for found in ("kept", "running"):
            self.redeliveries.labels(found)

    def models(self, models: list[Model]) -> None:
        for model in models:
            self.model.labels(model.name, model.task, model.device, model.sha256[:12]).set(1)

    def watch_gpu(self, meter: GpuMeter) -> None:
        self.gpu_utilization.set_function(meter.utilization)
        for state in ("used", "free"):
            self.gpu_memory.labels(state).set_function(partial(meter.memory, state))

    def watch(self, engine: Engine) -> None:
        """Gauges that are read when they are scraped."""
        self.queue_depth.set_function(lambda: engine.waiting)
        self.queue_limit.set(engine.max_queue)
        for task in engine.slots():
            for histogram in (self.queue_wait, self.step_seconds, self.batch):
                histogram.labels(task)
            self.slots.labels(task, "used").set_function(partial(slots_in, engine, task, used=True))
            self.slots.labels(task, "free").set_function(partial(slots_in, engine, task, used=False))

    def ticked(self, report: TickReport) -> None:
        self.step_seconds.labels(report.task).observe(report.seconds)
        self.batch.labels(report.task).observe(report.rows)

    def answered(self, response: ReasonResponse, waited_seconds: float) -> None:
        kind = response.task_type
        self.requests.labels(kind, COMPLETED).inc()
        self.duration.labels(kind).observe(response.duration_ms / 1000, exemplar(response.request_id))
        self.steps.labels(kind).observe(response.steps)
        self.confidence.labels(kind).observe(response.confidence)
        self.verified.labels(kind, str(response.verified).lower()).inc()
        self.source.labels(response.task, response.source).inc()
        self.halted.labels(response.task, response.halted_by).inc()
        self.queue_wait.labels(response.task).observe(waited_seconds)

    def completed(self, task_type: str) -> None:
        """A request that was answered without a model."""
        self.requests.labels(task_type, COMPLETED).inc()

    def failed(self, task_type: str, code: str) -> None:
        self.requests.labels(task_type, code).inc()

    def render(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type, for a scraper that sent this Accept header."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # an Accept header that the library cannot read
            encode, content_type = choose_encoder("")
        return encode(self.registry), content_type


def exemplar(request_id: str) -> dict[str, str] | None:
    """What leads from a bucket to the lines of the log; None for an id that is too long to stand there."""
    labels = {"request_id": request_id}
    return labels if sum(map(len, (*labels, *labels.values()))) <= EXEMPLAR_CHARACTERS else None


def slots_in(engine: Engine, task: str, *, used: bool) -> int:
    in_use, count = engine.slots()[task]
    return in_use if used else max(0, count - in_use)
