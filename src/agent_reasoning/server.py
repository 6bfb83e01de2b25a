"""`agent-reasoning serve`: the process around the application."""

import sys
import threading
import time
from types import FrameType

import structlog
import uvicorn
from sse_starlette.sse import AppStatus

from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.engine.loading import Published, gpu_uuid, load_models, pick_device
from agent_reasoning.engine.model import Model
from agent_reasoning.service.gpu import GpuMeter
from agent_reasoning.service.log import configure
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.service.settings import Settings, misspelt, read_settings, shipped_models
from agent_reasoning.tasks import Registry, builtin_tasks

# A thread that has run a step wants the interpreter back for microseconds, and would wait for Python's usual 5 ms while
# another reads a request: with a dozen such returns in a step, that made a step of 1.5 ms one of 87.
SWITCH_SECONDS = 0.0001

log = structlog.get_logger("agent_reasoning.server")


class DrainingServer(uvicorn.Server):
    """Says "not ready" from the first signal on, while what was accepted is still answered."""

    def __init__(self, config: uvicorn.Config, service: ReasoningService) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own: that raises the signal again after a clean shutdown, which then reads as a crash.
        self._service.draining = True
        self.force_exit = self.should_exit
        self.should_exit = True


def load(settings: Settings, registry: Registry) -> list[Model]:
    """Raises ConfigurationError where the device or a model cannot be used."""
    published = Published(
        registry.vocabularies(), shipped_models(), settings.H_cycles, settings.L_cycles, settings.quantize == "int8"
    )
    return load_models(settings.model_path, pick_device(settings.device), published)


def serve() -> None:
    """Raises ConfigurationError before anything listens, where the environment or a model cannot work."""
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = read_settings()
    configure(settings.log_level, settings.log_format)
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
    )
    if (uuid := gpu_uuid(models[0].device)) is not None:
        service.metrics.watch_gpu(GpuMeter(uuid))
    app = create_app(service, Limits(settings.max_body_bytes, settings.rate_limit, settings.trusted_hops))
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # it would believe X-Forwarded-For from a sidecar; TRUSTED_HOPS says how far to
        timeout_graceful_shutdown=int(settings.request_timeout_seconds) + 1,
    )
    # It would cut streams at the signal; uvicorn waits for their end.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]
    log.info(
        "server.starting",
        url=f"http://{settings.host}:{settings.port}",
        load_seconds=round(time.perf_counter() - begun, 3),
    )
    server = DrainingServer(config, service)
    warming = threading.Thread(target=service.warm_up, name="warm-up")
    warming.start()
    server.run()
    warming.join()  # an interpreter that ends while a thread is inside torch is aborted
    if not server.started:
        sys.exit(1)
