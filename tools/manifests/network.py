"""Does the NetworkPolicy let through what the other objects rely on? What it forgets is not refused: it times out."""

from collections.abc import Iterator

from tools.manifests.app import OWN_PAGE, PORT, SIDECAR_PAGE
from tools.manifests.objects import Object, of, title

KNATIVE, MONITORING = "knative-serving", "monitoring"
# queue-proxy's ports (serving pkg/networking/constants.go): requests as HTTP/1, h2c and TLS; the autoscaler's statistics.
REQUESTS, STATISTICS = (8012, 8013, 8112), 9090
PAGES = {OWN_PAGE: PORT, SIDECAR_PAGE: 9091}
BROKERS = (8080, 8443)  # brokers' ingresses, without and with TLS
NAMES = 53


def findings(objects: list[Object]) -> Iterator[str]:
    for policy in of(objects, "NetworkPolicy"):
        spec = policy.get("spec", {})
        for port in (*REQUESTS, STATISTICS):
            if not lets(spec, "ingress", port, KNATIVE):
                yield f"{title(policy)}: keeps {KNATIVE} from port {port}"
        for monitor in of(objects, "PodMonitor"):
            for endpoint in monitor.get("spec", {}).get("podMetricsEndpoints", []):
                port = PAGES.get(endpoint.get("port"), 0)
                if not lets(spec, "ingress", port, MONITORING):
                    yield f"{title(policy)}: keeps Prometheus from {endpoint.get('port')} ({port})"
        for protocol in ("UDP", "TCP"):
            if not lets(spec, "egress", NAMES, "kube-system", protocol):
                yield f"{title(policy)}: no name can be resolved ({protocol} {NAMES})"
        if of(objects, "SinkBinding"):
            for port in BROKERS:
                if not lets(spec, "egress", port, "knative-eventing"):
                    yield f"{title(policy)}: results cannot reach a broker's ingress at port {port}"


def lets(spec: Object, direction: str, port: int, namespace: str, protocol: str = "TCP") -> bool:
    return any(
        any(each.get("port") == port and each.get("protocol", "TCP") == protocol for each in rule.get("ports", []))
        and any(namespace in chosen(peer) for peer in rule.get("from" if direction == "ingress" else "to", []))
        for rule in spec.get(direction, [])
    )


def chosen(peer: Object) -> set[str]:
    """The namespaces that a peer names."""
    selector = peer.get("namespaceSelector", {})
    name = "kubernetes.io/metadata.name"
    expressions = [each for each in selector.get("matchExpressions", []) if each["key"] == name]
    return {selector.get("matchLabels", {}).get(name, "")} | {value for each in expressions for value in each["values"]}
