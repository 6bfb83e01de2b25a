"""Hours of steady load: does memory grow, does an answer get lost, does one reach the wrong caller?"""

import subprocess
import time
from contextlib import suppress
from typing import Any

from benchmarks.serving.report import say, window_line
from benchmarks.serving.servers import Host, resident_mib
from benchmarks.serving.windows import Loader

SAMPLE_SECONDS, SETTLED_AFTER_SECONDS = 10.0, 60.0


def measure(host: Host, loader: Loader, rate: float, minutes: float) -> dict[str, Any]:
    with host() as (pid, url):
        samples = [{"seconds": 0.0, "resident_mib": resident_mib(pid)}]
        begun = time.monotonic()
        running = loader.start(url, rate=rate, seconds=minutes * 60)
        while True:
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(SAMPLE_SECONDS)
            samples.append({"seconds": time.monotonic() - begun, "resident_mib": resident_mib(pid)})
            if running.process.poll() is not None:
                break
            say(f"  {samples[-1]['seconds']:6.0f} s: {samples[-1]['resident_mib']:.1f} MiB")
        window = running.wait().summary()
    settled = next((row for row in samples if row["seconds"] >= SETTLED_AFTER_SECONDS), samples[0])
    window["minutes"] = minutes
    window["resident_growth_mib"] = samples[-1]["resident_mib"] - settled["resident_mib"]
    window["resident_growth_since_seconds"] = settled["seconds"]
    window["resident"] = samples
    say(f"  {window_line(window)}")
    return window
