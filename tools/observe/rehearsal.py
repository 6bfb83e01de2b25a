"""The service, its dead-letter sink and a real Prometheus, on this machine, under a mixed load: what a panel shows is real.

Needs Debian's prometheus. Everything listens on the loopback address and ends with the rehearsal.
"""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from agent_reasoning.tasks import builtin_tasks
from benchmarks.serving.stream import make_stream
from tools.contract import DEAD_LETTERS, NAMESPACE, REQUESTED, SERVICE
from tools.observe import rules
from tools.observe.stand_in import REVISIONS, StandInExporter

SCRAPE_SECONDS = 1
WINDOW = "15s"  # what $__rate_interval becomes: some scrapes
START_SECONDS = 120
VARIABLES = {"$__rate_interval": WINDOW, "$job": SERVICE, "$instance": ".+"}

Sample = tuple[dict[str, str], list[tuple[float, float]]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Rehearsal:
    """What runs: `services` are the URLs of two replicas, one of each of two revisions."""

    def __init__(self, services: list[str], sink: str, prometheus: str) -> None:
        self.services, self.sink, self.prometheus = services, sink, prometheus

    def ask(self, path: str, **parameters: str) -> Any:
        """Prometheus' HTTP API; raises RuntimeError with its own words where it refuses."""
        url = f"{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()) from None

    def now(self, expr: str) -> list[tuple[dict[str, str], float]]:
        found = self.ask("query", query=filled(expr))["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    def history(self, expr: str, begin: float, end: float, step: float) -> list[Sample]:
        window = {"start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        found = self.ask("query_range", query=filled(expr), **window)["result"]
        return [(each["metric"], [(float(at), float(value)) for at, value in each["values"]]) for each in found]


def filled(expr: str) -> str:
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


@contextmanager
def rehearsal() -> Iterator[Rehearsal]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stand_in = StandInExporter()
        stack.callback(stand_in.close)
        broker = f"http://127.0.0.1:{stand_in.port}/ai-agents/default"
        services = [stack.enter_context(process("serve", "/ready", KNATIVE_BROKER_URL=broker)) for _ in REVISIONS]
        sink = stack.enter_context(process("dead-letters", "/ready"))
        port = free_port()
        write_configuration(directory, services, sink, stand_in.port)
        command = [
            *(
                "prometheus",
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
            ),
            *(f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage", "--log.level=error"),
        ]
        stack.enter_context(running(command, {}, f"http://127.0.0.1:{port}/-/ready"))
        yield Rehearsal(services, sink, f"http://127.0.0.1:{port}")


@contextmanager
def process(command: str, ready: str, **more: str) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "SLOTS": "16",
        "MAX_QUEUE": "16",
        "RATE_LIMIT": "off",
        "WORKERS": "1",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **more,
    }
    program = [str(Path(sys.executable).with_name("agent-reasoning")), command]
    with running(program, settings, url + ready):
        yield url


@contextmanager
def running(command: list[str], settings: dict[str, str], ready: str) -> Iterator[None]:
    """Raises RuntimeError, with the process' last words, where it does not become ready."""
    with tempfile.TemporaryFile() as words:
        child = subprocess.Popen(command, env={**os.environ, **settings}, stdout=words, stderr=words)
        try:
            wait(child, ready)
            yield
        except RuntimeError:
            words.seek(0)
            print(words.read()[-2000:].decode(errors="replace"), file=sys.stderr)
            raise
        finally:
            child.terminate()
            child.wait(60)


def wait(child: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise RuntimeError(f"{child.args!r} ended with {child.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer within {START_SECONDS} s")


def write_configuration(directory: Path, services: list[str], sink: str, stand_in: int) -> None:
    """Labels as the PodMonitor sets them."""

    def scrape(job: str, address: str, **labels: str) -> dict[str, Any]:
        target = address.removeprefix("http://")
        own = {"job": job, "namespace": NAMESPACE, "endpoint": "user-port", "instance": labels["pod"], **labels}
        return {
            "job_name": f"{job}-{target}",
            "static_configs": [{"targets": [target], "labels": own}],
            "honor_labels": True,
        }

    groups = [{**group, "interval": "1s"} for group in rules.groups()]
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
    configuration = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            *(
                scrape(SERVICE, url, revision=revision, pod=f"{revision}-pod")
                for url, revision in zip(services, REVISIONS, strict=True)
            ),
            scrape(DEAD_LETTERS, sink, pod=f"{DEAD_LETTERS}-pod", revision=f"{DEAD_LETTERS}-00001"),
            scrape(SERVICE, f"127.0.0.1:{stand_in}", endpoint="stand-in", pod="stand-in"),
        ],
    }
    (directory / "prometheus.yml").write_text(yaml.safe_dump(configuration))


class Load:
    """Closed-loop clients, most of them well-behaved, until stopped. Counts what it sent, for tests to compare."""

    def __init__(self, stage: Rehearsal, clients: int = 6, pause_seconds: float = 0.05) -> None:
        self.sent = 0
        self._stage = stage
        self._stopped = threading.Event()
        self._pause = pause_seconds
        self._bodies = [item.body for item in make_stream(300, seed=0).items]
        outage = builtin_tasks().get("root-cause").info.example_context
        self._outage = json.dumps({"question": "What broke?", "context": outage})
        self._threads = [threading.Thread(target=self._client, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        rng = random.Random(number)
        while not self._stopped.wait(self._pause * rng.random()):
            body, url = rng.choice(self._bodies), self._stage.services[rng.random() < 0.4]
            chance = rng.random()
            if chance < 0.03:
                body = json.dumps({"question": "?", "context": {"steps": {"a": ["a"]}}})
            elif chance < 0.2:
                body = json.dumps({**json.loads(body), "max_steps": 2, "source_policy": "model"})
            elif chance < 0.3:
                body = self._outage
            self.sent += 1
            if 0.3 <= chance < 0.302:
                post(self._stage.sink, body, {"ce-knativeerrorcode": "503"})
            elif rng.random() < 0.2:  # as a trigger delivers it
                event = {
                    "ce-specversion": "1.0",
                    "ce-id": str(uuid.uuid4()),
                    "ce-source": "/rehearsal",
                    "ce-type": REQUESTED,
                }
                post(f"{url}/events", body, event)
            else:
                post(f"{url}/reason", body)


def post(url: str, body: str, more: dict[str, str] | None = None) -> None:
    headers = {"content-type": "application/json", **(more or {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=60) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        error.close()  # refused, as some are meant to be
