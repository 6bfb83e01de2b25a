"""Both servers as processes of their own, ready and then gone."""

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from benchmarks.serving.stream import ROOT
from tests.live import free_port, serving

START_SECONDS = 120

# The reference loops know plain recursion only, so every server gets the Sudoku model that recurs.
MODELS = ROOT / "benchmarks" / "models"

Running = tuple[int, str]  # process id, URL
Host = Callable[[], AbstractContextManager[Running]]


@dataclass(frozen=True, slots=True)
class LitServeSetting:
    max_batch_size: int
    batch_timeout: float
    workers: int
    threads: int
    recorded: bool = False  # the engine's recorded step in place of the network as it is written

    def __str__(self) -> str:
        return (
            f"max_batch_size {self.max_batch_size}, batch_timeout {self.batch_timeout * 1000:g} ms, "
            f"{self.workers} workers, {self.threads} threads{', recorded step' if self.recorded else ''}"
        )


def have(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@contextmanager
def ours(env: Mapping[str, str]) -> Iterator[Running]:
    # LOG_LEVEL: nobody reads the pipe that its log goes to.
    with serving(**{"DEVICE": "cpu", "LOG_LEVEL": "error", "MODEL_PATH": str(MODELS), **env}) as (process, url):
        yield process.pid, url


@contextmanager
def litserve(setting: LitServeSetting) -> Iterator[Running]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "benchmarks.serving.litserve_host",
        f"--port={port}",
        f"--models={MODELS}",
    ]
    command += [f"--workers={setting.workers}", f"--threads={setting.threads}"]
    command += [f"--max-batch-size={setting.max_batch_size}", f"--batch-timeout={setting.batch_timeout}"]
    command += ["--recorded"] if setting.recorded else []
    with tempfile.TemporaryFile() as log:
        # A session of its own: its workers are processes too, and end with it.
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_until_healthy(process, f"http://127.0.0.1:{port}/health")
            yield process.pid, f"http://127.0.0.1:{port}"
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read().decode()[-4000:]}") from None
        finally:
            end(process)


def wait_until_healthy(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"LitServe ended with {process.returncode} before it was ready.")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            time.sleep(0.1)
    raise RuntimeError("LitServe did not become ready.")


def end(process: subprocess.Popen[bytes]) -> None:
    try:
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(5)
    finally:  # even where this process is told to stop while it waits
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever of its session is left
        process.wait()


def resident_mib(pid: int) -> float:
    """0 once the process has ended."""
    with open(f"/proc/{pid}/status") as status:
        return next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS")), 0.0)
