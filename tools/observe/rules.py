"""Prometheus rules: objectives, how fast their budgets burn, and what else somebody should be woken for."""

from tools.observe import series as s
from tools.observe.cluster import cluster_alerts
from tools.observe.objectives import OBJECTIVES, Rule, alert, as_ours, burn_alerts, ratios

ENOUGH_ANSWERS = 20
REFUSED_A_SECOND = 0.1
MOST_UNVERIFIED = 0.5  # however long it has been so
UNVERIFIED = "job_task_type:agent_reasoning_unverified_ratio:rate30m"
MEAN_CONFIDENCE = "job_task_type:agent_reasoning_confidence_mean:rate1h"


def by_type(selector: str, window: str) -> str:
    return f"sum by (job, task_type) (rate({selector}[{window}]))"


def before(recorded: str, hours: int) -> str:
    """The mean of the week before today: with only the day before, what is wrong for a day would be what is usual. In the
    first days, of what there is."""
    return f"(avg_over_time({recorded}[1w] offset 1d) or avg_over_time({recorded}[1d] offset {hours}h))"


def quality() -> list[Rule]:
    """What answers are worth, by the kind of task; alerts compare it with what was usual."""
    answers = by_type(f"{s.VERIFIED}{{{s.JOB}}}", "30m")
    total, number = (by_type(f"{s.CONFIDENCE}_{part}{{{s.JOB}}}", "1h") for part in ("sum", "count"))
    return [
        {
            "record": UNVERIFIED,
            "expr": f'{by_type(f"""{s.VERIFIED}{{{s.JOB}, verified="false"}}""", "30m")} / ({answers} > 0)',
        },
        {"record": MEAN_CONFIDENCE, "expr": f"{total} / ({number} > 0)"},
    ]


def quality_alerts() -> list[Rule]:
    count = f"sum by (job, task_type) (increase({s.VERIFIED}{{{s.JOB}}}[30m])) >= {ENOUGH_ANSWERS}"
    return [
        alert(
            "AgentReasoningUnverified",
            f"({UNVERIFIED} > 0.1 + {before(UNVERIFIED, 1)} or {UNVERIFIED} > {MOST_UNVERIFIED}) and {count}",
            "15m",
            "warning",
            "{{ $value | humanizePercentage }} of {{ $labels.task_type }} answers do not verify: most, or a tenth more than usual",
        ),
        alert(
            "AgentReasoningConfidenceDrift",
            f"abs({MEAN_CONFIDENCE} - {before(MEAN_CONFIDENCE, 2)}) > 0.15 and {count}",
            "30m",
            "warning",
            "The mean confidence of {{ $labels.task_type }} answers is {{ $value | humanize }} from what is usual",
        ),
    ]


def engine_alerts() -> list[Rule]:
    # By task: one model's steps must not hide that another's have ended. Who waits without a slot is not told by task.
    work = f'sum by (job, pod, task) ({s.SLOTS}{{{s.JOB}, state="used"}}) > 0'
    ticks = f"rate({s.STEP_SECONDS}_count{{{s.JOB}}}[2m])"
    stalled = f"({work} unless on (job, pod, task) sum by (job, pod, task) ({ticks}) > 0)"
    waiting = f"sum by (job, pod) ({s.QUEUE_DEPTH}{{{s.JOB}}}) > 0"
    standing = f"({waiting} unless on (job, pod) sum by (job, pod) ({ticks}) > 0)"
    refused = f'sum by (job) (rate({s.REQUESTS}{{{s.JOB}, status="overloaded"}}[5m]))'
    return [
        alert(
            "AgentReasoningDown",
            f'up{{{s.JOB}, endpoint="user-port"}} == 0',
            "5m",
            "critical",
            "{{ $labels.pod }} has not answered Prometheus for 5 minutes",
        ),
        alert(
            "AgentReasoningQueueSaturated",
            f"sum by (job) ({s.QUEUE_DEPTH}{{{s.JOB}}}) / sum by (job) ({s.QUEUE_LIMIT}{{{s.JOB}}}) > 0.8 or {refused} > 0.1"
            f" or {as_ours(f'sum({s.QUEUED}{{{s.WAITING}}}) > 0')}",
            "5m",
            "warning",
            "The queues are full, or requests are refused or held back by Knative because they were, for 5 minutes",
        ),
        alert(
            "AgentReasoningEngineStalled",
            f"{stalled} or {standing}",
            "2m",
            "critical",
            "{{ $labels.pod }} has work and takes no step{{ with $labels.task }} for {{ . }}{{ end }}",
        ),
        alert(
            "AgentReasoningGpuMissing",
            # Not a number: the models are on a GPU that no longer answers. Pending: no node has one to give.
            f"max by (job, pod) ({s.GPU_UTILIZATION}{{{s.JOB}}} != {s.GPU_UTILIZATION}{{{s.JOB}}})"
            f' or max by (namespace, pod) ({s.POD_PHASE}{{{s.PODS}, phase="Pending"}} == 1'
            f' and on (namespace, pod) {s.POD_REQUESTS}{{{s.OURS}, resource="nvidia_com_gpu"}} > 0)',
            "10m",
            "critical",
            "{{ $labels.pod }} should have a GPU, and has none",
        ),
    ]


def event_alerts() -> list[Rule]:
    letters = f"{s.DEAD_LETTERS_TOTAL}{{{s.SINK_JOB}}}"
    published = f"sum by (job) (rate({s.EVENTS_PUBLISHED}{{{s.JOB}}}[10m]))"
    failed = f'sum by (job) (rate({s.EVENTS_PUBLISHED}{{{s.JOB}, outcome!="{s.PUBLISHED_WELL}"}}[10m]))'
    return [
        alert(
            "AgentReasoningPublicationsFailing",
            f"{failed} / {published} > 0.05",
            "10m",
            "warning",
            "{{ $value | humanizePercentage }} of the results do not reach the broker",
        ),
        alert(
            "AgentReasoningDeadLetters",
            # Or a sink that was started for the event: its first count is no increase.
            f"sum by (job) (increase({letters}[15m])) > 0 or sum by (job) ({letters} unless {letters} offset 15m) > 0",
            "0m",
            "warning",
            "{{ $value | humanize }} events could not be delivered in 15 minutes",
        ),
    ]


def access_alerts() -> list[Rule]:
    return [
        alert(
            "AgentReasoningKeysRefused",
            # No objective counts them: by the status alone each is the caller's own mistake.
            f"sum by (job) (rate({s.REFUSED_KEYS}{{{s.JOB}}}[10m])) > {REFUSED_A_SECOND}",
            "10m",
            "warning",
            "{{ $value | humanize }} requests a second come without an API key that is known",
        ),
    ]


def groups() -> list[Rule]:
    return [
        {"name": "agent-reasoning-objectives", "interval": "30s", "rules": [r for o in OBJECTIVES for r in ratios(o)]},
        {"name": "agent-reasoning-quality", "interval": "1m", "rules": [*quality(), *quality_alerts()]},
        {"name": "agent-reasoning-burn", "interval": "30s", "rules": [r for o in OBJECTIVES for r in burn_alerts(o)]},
        {"name": "agent-reasoning-engine", "interval": "30s", "rules": engine_alerts()},
        {"name": "agent-reasoning-cluster", "interval": "30s", "rules": cluster_alerts()},
        {"name": "agent-reasoning-events", "interval": "30s", "rules": event_alerts()},
        {"name": "agent-reasoning-access", "interval": "30s", "rules": access_alerts()},
    ]


def manifest() -> Rule:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "agent-reasoning", "labels": {"release": "kube-prometheus-stack"}},
        "spec": {"groups": groups()},
    }


def alerts() -> list[Rule]:
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]
