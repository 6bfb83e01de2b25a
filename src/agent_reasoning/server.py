"""`agent-reasoning serve`: the process around the application."""

import asyncio
import math
import os
import signal
import sys
import threading
import time
from types import FrameType

import stamina.instrumentation
import structlog
import uvicorn
from sse_starlette.sse import AppStatus

from agent_reasoning.api.access import Access
from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.api.events import EventOptions, Events
from agent_reasoning.api.mcp.hosts import McpOptions, allowed_hosts, allowed_origins
from agent_reasoning.engine.loading import Published, gpu_uuid, load_models, pick_device
from agent_reasoning.engine.model import Model
from agent_reasoning.service.functions import Functions, SandboxLimits
from agent_reasoning.service.gpu import GpuMeter
from agent_reasoning.service.log import configure
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.service.settings import Settings, misspelt, read_settings, shipped_models
from agent_reasoning.tasks import Registry, builtin_tasks

# A thread that has run a step wants the interpreter back for microseconds, and would wait for Python's usual 5 ms while
# another reads a request: with a dozen such returns in a step, that made a step of 1.5 ms one of 87.
SWITCH_SECONDS = 0.0001
FLUSH_SECONDS = 5.0
POLL_SECONDS = 0.02

log = structlog.get_logger("agent_reasoning.server")


class DrainingServer(uvicorn.Server):
    """Ends as a pod should. From the first signal on nothing new is taken, but the listener stays open, so that whoever
    still comes is told to go elsewhere; what runs is answered, results reach the sink, then the process ends with 0. A
    second signal ends it at once."""

    def __init__(self, config: uvicorn.Config, service: ReasoningService, events: Events, seconds: float) -> None:
        """seconds: the longest that all of this may take."""
        super().__init__(config)
        self._service, self._events, self._seconds = service, events, seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own: that raises the signal again after a clean shutdown, which then reads as a crash.
        if self.should_exit:
            os._exit(128 + sig)
        self._service.draining = True
        self.should_exit = True

    async def main_loop(self) -> None:
        await super().main_loop()
        # After this the server closes its listener.
        ends = time.monotonic() + self._seconds
        log.info("server.draining", running=self._service.running, events=self._events.running)
        await self._finish_work(ends - self._flush_seconds)
        await asyncio.sleep(POLL_SECONDS)  # whoever waited for an answer has it now, and has handed it to the publisher
        await self._events.flush(max(0.0, ends - time.monotonic()))
        self.config.timeout_graceful_shutdown = math.ceil(max(1.0, ends - time.monotonic()))

    @property
    def _flush_seconds(self) -> float:
        """What is kept of the time for the sink."""
        return min(FLUSH_SECONDS, self._seconds / 4)

    async def _finish_work(self, ends: float) -> None:
        while self._service.running or self._events.running:
            if time.monotonic() >= ends:
                log.error("server.abandoned", running=self._service.running, events=self._events.running)
                self._service.abandon()
                ends = math.inf  # what was abandoned ends within moments, by itself
            await asyncio.sleep(POLL_SECONDS)


def event_options(settings: Settings) -> EventOptions:
    """Raises ConfigurationError where the sink cannot be used. Says once where results go."""
    sink = settings.sink()
    if not settings.emit_events:
        log.info("events.off", reason="EMIT_EVENTS is false")
    elif sink is None:
        log.info("events.no_sink", reason="neither KNATIVE_BROKER_URL nor K_SINK is set; results are replies only")
    else:
        log.info("events.sink", url=sink.shown, extensions=sink.extensions, mode=settings.events_mode)
    return EventOptions(
        emit=settings.emit_events,
        mode=settings.events_mode,
        sink=sink,
        dedup_seconds=settings.dedup_seconds,
        dedup_max_bytes=settings.dedup_max_bytes,
        publish_queue=settings.publish_queue,
        publish_retry_seconds=settings.publish_retry_seconds,
    )


def mcp_options(settings: Settings) -> McpOptions | None:
    """Says once by which names /mcp may be called."""
    if not settings.mcp_enabled:
        log.info("mcp.off", reason="MCP_ENABLED is false")
        return None
    hosts = allowed_hosts(settings.mcp_allowed_hosts, settings.k_service)
    log.info("mcp.hosts", hosts=hosts, origins=settings.mcp_allowed_origins or "this machine's")
    return McpOptions(hosts, allowed_origins(settings.mcp_allowed_origins))


def access_of(settings: Settings) -> Access:
    """Raises ConfigurationError. Says once who is let in."""
    access = Access(settings.keys(), settings.events_need_key, settings.origins)
    if not access.keys:
        log.info("access.open", reason="neither API_KEYS nor API_KEYS_FILE is set; whoever reaches the service may ask")
    elif not access.events_need_key:
        log.warning("access.events_open", reason="deliveries of events need no key; EVENTS_NEED_KEY=true asks for one")
    if settings.functions_enabled and not access.keys:
        log.warning("functions.open", reason="FUNCTIONS_WITHOUT_KEYS: whoever reaches the service may register code")
    return access


def functions_of(settings: Settings) -> Functions:
    """Raises ConfigurationError where the sandbox cannot be started."""
    if not settings.functions_enabled:
        return Functions()
    limits = SandboxLimits(
        seconds=settings.function_timeout_seconds,
        memory_bytes=settings.function_memory_bytes,
        workers=settings.function_workers,
    )
    functions = Functions(limits)
    functions.start()  # before anything listens: what is missing stops the start
    return functions


def load(settings: Settings, registry: Registry) -> list[Model]:
    """Raises ConfigurationError where the device or a model cannot be used."""
    published = Published(
        registry.vocabularies(), shipped_models(), settings.H_cycles, settings.L_cycles, settings.quantize == "int8"
    )
    return load_models(settings.model_path, pick_device(settings.device), published)


def serve() -> None:
    """Raises ConfigurationError before anything listens, where the environment or a model cannot work."""
    # Until the server listens there is nothing to finish. Without a handler the first process of a container never ends.
    signal.signal(signal.SIGTERM, lambda sig, frame: sys.exit(0))
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = read_settings()
    configure(settings.log_level, settings.log_format)
    access = access_of(settings)
    begun = time.perf_counter()
    registry = builtin_tasks()
    models = load(settings, registry)
    for name, meant in misspelt().items():
        log.warning("settings.misspelt", name=name, probably=meant)
    log.info("settings.effective", **settings.model_dump(mode="json"))
    for model in models:
        log.info("model.loaded", model=model.name, task=model.task, parameters=model.parameters, device=model.device)
    service = ReasoningService(
        registry,
        models,
        slots=settings.slots,
        workers=settings.workers,
        max_queue=settings.max_queue,
        max_steps=settings.max_steps,
        timeout_seconds=settings.request_timeout_seconds,
        functions=functions_of(settings),
    )
    if (uuid := gpu_uuid(models[0].device)) is not None:
        service.metrics.watch_gpu(GpuMeter(uuid))
    options = event_options(settings)
    limits = Limits(settings.max_body_bytes, settings.rate_limit, settings.trusted_hops)
    app = create_app(service, limits, options, access, mcp_options(settings))
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # it would believe X-Forwarded-For from a sidecar; TRUSTED_HOPS says how far to
    )
    stamina.instrumentation.set_on_retry_hooks([])  # a line for each attempt at a dead sink; the publisher says it once
    # It would cut streams at the signal; uvicorn waits for their end.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]
    log.info(
        "server.starting",
        url=f"http://{settings.host}:{settings.port}",
        load_seconds=round(time.perf_counter() - begun, 3),
    )
    server = DrainingServer(config, service, app.state.events, settings.ending_seconds)
    warming = threading.Thread(target=service.warm_up, name="warm-up")
    warming.start()
    server.run()
    warming.join()  # an interpreter that ends while a thread is inside torch is aborted
    if not server.started:
        sys.exit(1)
