"""GPU metrics, with a stand-in for NVML: this is as far as they can be run without a GPU."""

import math
from types import SimpleNamespace

from prometheus_client import generate_latest

from agent_reasoning.service.gpu import GpuMeter
from agent_reasoning.service.metrics import Metrics


class StandIn:
    broken = False

    def nvmlInit(self):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):
        if uuid != "GPU-1":
            raise RuntimeError("Not Found")
        return "handle"

    def nvmlDeviceGetUtilizationRates(self, device):
        if self.broken:
            raise RuntimeError("GPU is lost")
        return SimpleNamespace(gpu=37, memory=5)

    def nvmlDeviceGetMemoryInfo(self, device):
        return SimpleNamespace(total=10, used=7, free=3)


def scraped(meter):
    metrics = Metrics()
    metrics.watch_gpu(meter)
    return generate_latest(metrics.registry).decode()


def test_the_gpu_is_read_when_it_is_scraped():
    nvml = StandIn()
    text = scraped(GpuMeter("GPU-1", nvml))

    assert "agent_reasoning_gpu_utilization 0.37" in text
    assert 'agent_reasoning_gpu_memory_bytes{state="used"} 7.0' in text
    assert 'agent_reasoning_gpu_memory_bytes{state="free"} 3.0' in text


def test_a_gpu_that_is_lost_or_unknown_is_nan_and_fails_no_scrape():
    nvml = StandIn()
    meter = GpuMeter("GPU-1", nvml)
    nvml.broken = True

    assert math.isnan(meter.utilization())
    assert "agent_reasoning_gpu_utilization NaN" in scraped(GpuMeter("GPU-2", nvml))


def test_a_machine_without_nvml_is_nan():
    assert math.isnan(GpuMeter("GPU-1").utilization())
