"""What NVML says of the GPU that the models are on: for the metrics, read when they are scraped."""

import importlib
import math
from typing import Any

import structlog

log = structlog.get_logger("agent_reasoning.gpu")


class GpuMeter:
    """Utilization and memory of one GPU. Whatever NVML fails to say is NaN: a scrape must not fail over it."""

    def __init__(self, uuid: str, nvml: Any = None) -> None:
        """`nvml`: the library, an argument for tests."""
        self._device: Any = None
        try:
            self._nvml = importlib.import_module("pynvml") if nvml is None else nvml
            self._nvml.nvmlInit()
            self._device = self._nvml.nvmlDeviceGetHandleByUUID(uuid)
        except Exception as error:  # its errors are classes that it makes when it starts
            log.warning("gpu.unmeasured", uuid=uuid, reason=str(error))

    def utilization(self) -> float:
        """0 to 1: the share of the last moments in which some kernel ran."""
        return self._ask(lambda: self._nvml.nvmlDeviceGetUtilizationRates(self._device).gpu / 100)

    def memory(self, state: str) -> float:
        """Bytes `used`, by anyone, or `free`."""
        return self._ask(lambda: float(getattr(self._nvml.nvmlDeviceGetMemoryInfo(self._device), state)))

    def _ask(self, question: Any) -> float:
        if self._device is None:
            return math.nan
        try:
            return float(question())
        except Exception:  # a driver that has gone; the warning at start is enough for the log
            return math.nan
