"""How many cores this process may use: the affinity of the machine, or less where a container is held to less."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup/cpu.max")  # "max 100000", or the microseconds of each period: Kubernetes' CPU limit


def usable_cores(cgroup: Path = CGROUP) -> int:
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cgroup.read_text().split()
        return max(1, min(affinity, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or no limit
        return affinity
