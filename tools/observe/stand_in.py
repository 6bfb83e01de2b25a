"""A stand-in exporter: series of what cannot run beside a rehearsal (Knative, a GPU, a broker), replayed from a recipe.

What it says is invented. It shows that a panel's query fits the names and labels that these systems are documented to have
(notes of their sources beside each), and nothing about how they behave.
"""

import math
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tools.contract import DEAD_LETTERS, NAMESPACE, SERVICE
from tools.observe import series as s

REVISIONS = (f"{SERVICE}-00001", f"{SERVICE}-00002")
ACTIVATOR = {"job": "activator", "k8s_namespace_name": NAMESPACE, "kn_service_name": SERVICE}
BROKER = {"kn_broker_namespace": NAMESPACE, "kn_broker_name": SERVICE}


class StandInExporter:
    """Serves `text(seconds since its start)` at /metrics of a port of its own choice, until it is closed; and takes the events
    that are posted to it, as a broker's ingress does."""

    def __init__(self) -> None:
        begun = time.monotonic()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = text(time.monotonic() - begun).encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.send_response(202)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                """Says nothing: it is asked every second."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def text(seconds: float) -> str:
    """The page after so many seconds. Counters grow, gauges swing."""
    swing = (1 + math.sin(seconds / 20)) / 2
    lines = [
        # Ours, where there is a GPU.
        gauge(s.GPU_MEMORY, 1.2e9 + 2e8 * swing, state="used"),
        gauge(s.GPU_MEMORY, 22.8e9 - 2e8 * swing, state="free"),
        # queue-proxy and the activator (otelhttp: knative/serving pkg/queue/sharedmain/handlers.go; docs, "Serving metrics").
        # Theirs are apart from ours by their job, which a rehearsal's page gives itself.
        counter(f"{s.HTTP_SERVER}_count", 20 * seconds, http_response_status_code="200"),
        counter(f"{s.HTTP_SERVER}_count", 0.5 * seconds, http_response_status_code="503"),
        counter(f"{s.HTTP_SERVER}_count", 20 * seconds, **ACTIVATOR, http_response_status_code="200"),
        counter(f"{s.HTTP_SERVER}_bucket", 19.8 * seconds, **ACTIVATOR, http_response_status_code="200", le="1"),
        counter(f"{s.HTTP_SERVER}_count", 0.05 * seconds, **ACTIVATOR, http_response_status_code="503"),
        # The broker's filter (knative/eventing pkg/broker/filter, pkg/observability/labels.go).
        counter(f"{s.DISPATCH}_count", 6 * seconds, http_response_status_code="200", **BROKER),
        counter(f"{s.DISPATCH}_count", 0.2 * seconds, http_response_status_code="503", **BROKER),
    ]
    deployments = (*(f"{revision}-deployment" for revision in REVISIONS), f"{DEAD_LETTERS}-00001-deployment")
    lines += [  # kube-state-metrics (docs/metrics/workload/deployment-metrics.md)
        gauge(name, 1, namespace=NAMESPACE, deployment=deployment)
        for deployment in deployments
        for name in (s.REPLICAS_WANTED, s.REPLICAS_AVAILABLE)
    ]
    for place, revision in enumerate(REVISIONS):  # the autoscaler (knative/serving pkg/autoscaler/scaling/metrics.go)
        labels = {"kn_service_name": SERVICE, "kn_revision_name": revision, "k8s_namespace_name": NAMESPACE}
        lines.append(gauge(s.PODS_DESIRED, 1 + place * round(swing), **labels))
        waits = {"kn_revision_name": revision, "k8s_namespace_name": NAMESPACE}  # pkg/activator/handler
        lines.append(gauge(s.QUEUED, round(3 * swing), **waits))
        lines.append(gauge(s.CONCURRENCY, 2 + 5 * swing * (place + 1) / 2, **labels))
    return "".join(lines)


def gauge(name: str, value: float, **labels: str) -> str:
    inside = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {value}\n"


counter = gauge  # in this form of the page a counter is told by its name
