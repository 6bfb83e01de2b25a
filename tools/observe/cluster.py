"""Alerts on what is not there, as kube-state-metrics tells it: a process that never listened has no page to be asked.

Being scaled to zero is not being absent: the revision's Deployment is still there, and wants no replicas.
"""

from tools.contract import DEAD_LETTERS, SERVICE
from tools.observe import series as s
from tools.observe.objectives import Rule, alert

STARTING = "ContainerCreating|PodInitializing"  # reasons to wait that pass


def unavailable(service: str) -> str:
    """Replicas are wanted and none is available; or there is nothing that could want any."""
    of = s.deployments(service)
    return (
        f"sum({s.REPLICAS_WANTED}{{{of}}}) > 0 unless sum({s.REPLICAS_AVAILABLE}{{{of}}}) > 0"
        f" or absent({s.REPLICAS_WANTED}{{{of}}})"
    )


def unseen(service: str) -> str:
    available = f"sum({s.REPLICAS_AVAILABLE}{{{s.deployments(service)}}}) > 0"
    return f'{available} unless on () count(up{{job="{service}", endpoint="user-port"}})'


def cluster_alerts() -> list[Rule]:
    gpu = f'{s.POD_REQUESTS}{{{s.OURS}, resource="nvidia_com_gpu"}} > 0'  # AgentReasoningGpuMissing speaks of those
    return [
        alert(
            "AgentReasoningAbsent",
            unavailable(SERVICE),
            "5m",
            "critical",
            "No replica is available though some are wanted, or nothing of the service is left in the cluster",
        ),
        alert(
            "AgentReasoningUnseen",
            f"{unseen(SERVICE)} or {unseen(DEAD_LETTERS)}",
            "10m",
            "critical",
            "Replicas are available and Prometheus has none of them among its targets: no other alert can be relied on",
        ),
        alert(
            "AgentReasoningRestarts",
            f"max by (pod) (increase({s.POD_RESTARTS}{{{s.PODS}}}[30m])) >= 3"
            f" or max by (pod) (changes({s.STARTED}{{{s.JOB}}}[30m])) >= 3",
            "0m",
            "critical",
            "{{ $labels.pod }} has restarted {{ $value | humanize }} times in half an hour",
        ),
        alert(
            "AgentReasoningPodNotStarting",
            # Between its restarts a container that crashes runs for a moment.
            f'max by (pod, reason) (max_over_time({s.POD_WAITING}{{{s.PODS}, reason!~"{STARTING}"}}[5m])) == 1'
            f' or max by (pod) ({s.POD_PHASE}{{{s.PODS}, phase="Pending"}} == 1 unless on (namespace, pod) {gpu})',
            "10m",
            "warning",
            "{{ $labels.pod }} has not started for 10 minutes{{ with $labels.reason }}: {{ . }}{{ end }}",
        ),
        alert(
            "AgentReasoningDeadLetterSinkDown",
            f'{unavailable(DEAD_LETTERS)} or up{{{s.SINK_JOB}, endpoint="user-port"}} == 0',
            "10m",
            "warning",
            "The dead-letter sink does not answer: what cannot be delivered now is lost",
        ),
    ]
