"""The service as a process of its own, as an operator starts it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("agent-reasoning")), *arguments]


def environment(**changes: str) -> dict[str, str]:
    # Only what is named here, and where this process finds the package: an installed one may be of another checkout.
    found = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**found, "HOST": "127.0.0.1", "RATE_LIMIT": "off", **changes}


@contextmanager
def serving(**changes: str):
    """Yields (process, URL) once /ready says so; the process is killed afterwards if it still runs."""
    port = free_port()
    process = subprocess.Popen(
        command("serve"), env=environment(PORT=str(port), **changes), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(process, url)
        yield process, url
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(process: subprocess.Popen, url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1].decode()
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            time.sleep(0.05)  # polls a condition; nothing is assumed to be done after it
    raise AssertionError("the service did not become ready")
