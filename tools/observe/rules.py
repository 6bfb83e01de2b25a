"""Prometheus rules: objectives, how fast their budgets burn, and what else somebody should be woken for.

Windows and factors of the burn rates: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
No rule fires when no pod exists, and a ratio without requests is no sample: not a number, it would spoil a day's average.
"""

from dataclasses import dataclass
from typing import Any

from tools.observe import series as s

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
# (long window, short window, factor of the budget, severity, how long it must hold)
BURNS = (
    ("1h", "5m", 14.4, "critical", "2m"),
    ("6h", "30m", 6.0, "critical", "15m"),
    ("1d", "2h", 3.0, "warning", "1h"),
    ("3d", "6h", 1.0, "warning", "3h"),
)
ENOUGH_BAD = 5  # one failure among three requests at night burns a budget too, and wakes nobody
ENOUGH_ANSWERS = 20
RUNBOOK = "docs/runbook.md"

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Objective:
    """A service level: the ratio that is bad, and how much of it is allowed."""

    name: str  # in recorded names
    alert: str
    target: float
    bad: str  # rate() of what is bad, over the window {w}
    all: str
    words: str


def rate(selector: str, window: str = "{w}") -> str:
    return f"sum by (job) (rate({selector}[{window}]))"


AVAILABILITY = Objective(
    name="error",
    alert="AgentReasoningErrors",
    target=s.AVAILABILITY_TARGET,
    bad=rate(f"{s.REQUESTS}{{{s.JOB}, {s.BAD}}}"),
    all=rate(f"{s.REQUESTS}{{{s.JOB}, {s.VALID}}}"),
    words="of the requests that the callers got right fail",
)
LATENCY = Objective(
    name="slow",
    alert="AgentReasoningSlow",
    target=s.LATENCY_TARGET,
    bad=(
        f"({rate(f'{s.DURATION}_count{{{s.JOB}}}')}"
        f' - {rate(f"""{s.DURATION}_bucket{{{s.JOB}, le="{s.OBJECTIVE_SECONDS}"}}""")})'
    ),
    all=rate(f"{s.DURATION}_count{{{s.JOB}}}"),
    words=f"of the answers take longer than {s.OBJECTIVE_SECONDS:g} s",
)
OBJECTIVES = (AVAILABILITY, LATENCY)


def recorded(objective: Objective, window: str) -> str:
    return f"job:agent_reasoning_{objective.name}_ratio:rate{window}"


def ratios(objective: Objective) -> list[Rule]:
    return [
        {
            "record": recorded(objective, window),
            "expr": f"{objective.bad} / ({objective.all} > 0)".replace("{w}", window),
        }
        for window in WINDOWS
    ]


def seconds(window: str) -> int:
    return int(window[:-1]) * {"m": 60, "h": 3600, "d": 86400}[window[-1]]


def burn_alerts(objective: Objective) -> list[Rule]:
    alerts = []
    for long, short, factor, severity, hold in BURNS:
        limit = round(factor * (1 - objective.target), 4)
        # In requests, not per second: what a rate over the window adds up to.
        enough = f"{objective.bad.replace('{w}', long)} * {seconds(long)} >= {ENOUGH_BAD}"
        alerts.append(
            alert(
                objective.alert,
                f"{recorded(objective, long)} > {limit} and {recorded(objective, short)} > {limit} and {enough}",
                hold,
                severity,
                f"{{{{ $value | humanizePercentage }}}} {objective.words} ({long}; {1 - objective.target:.1%} may)",
                window=long,
            )
        )
    return alerts


def alert(name: str, expr: str, hold: str, severity: str, summary: str, **labels: str) -> Rule:
    return {
        "alert": name,
        "expr": expr,
        "for": hold,
        "labels": {"severity": severity, "service": "agent-reasoning", **labels},
        "annotations": {"summary": summary, "runbook_url": f"{RUNBOOK}#{name.lower()}"},
    }


UNVERIFIED = "job_task_type:agent_reasoning_unverified_ratio:rate30m"
MEAN_CONFIDENCE = "job_task_type:agent_reasoning_confidence_mean:rate1h"


def by_type(selector: str, window: str) -> str:
    return f"sum by (job, task_type) (rate({selector}[{window}]))"


def quality() -> list[Rule]:
    """What answers are worth, by the kind of task; alerts compare it with the day before."""
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
            f"{UNVERIFIED} > 0.1 + avg_over_time({UNVERIFIED}[1d] offset 1h) and {count}",
            "15m",
            "warning",
            "{{ $value | humanizePercentage }} of {{ $labels.task_type }} answers do not verify, a tenth more than a day ago",
        ),
        alert(
            "AgentReasoningConfidenceDrift",
            f"abs({MEAN_CONFIDENCE} - avg_over_time({MEAN_CONFIDENCE}[1d] offset 2h)) > 0.15 and {count}",
            "30m",
            "warning",
            "The mean confidence of {{ $labels.task_type }} answers is {{ $value | humanize }} from where it was the day before",
        ),
    ]


def engine_alerts() -> list[Rule]:
    work = f'sum by (job, pod) ({s.SLOTS}{{{s.JOB}, state="used"}}) > 0 or sum by (job, pod) ({s.QUEUE_DEPTH}{{{s.JOB}}}) > 0'
    ticks = f"sum by (job, pod) (rate({s.STEP_SECONDS}_count{{{s.JOB}}}[2m])) > 0"
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
            "AgentReasoningRestarts",
            f"max by (job, pod) (changes({s.STARTED}{{{s.JOB}}}[30m])) >= 3",
            "0m",
            "critical",
            "{{ $labels.pod }} has restarted {{ $value }} times in half an hour",
        ),
        alert(
            "AgentReasoningQueueSaturated",
            f"sum by (job) ({s.QUEUE_DEPTH}{{{s.JOB}}}) / sum by (job) ({s.QUEUE_LIMIT}{{{s.JOB}}}) > 0.8 or {refused} > 0.1",
            "5m",
            "warning",
            "The queues are full, or requests are refused because they were, for 5 minutes",
        ),
        alert(
            "AgentReasoningEngineStalled",
            f"({work}) unless on (job, pod) ({ticks})",
            "2m",
            "critical",
            "{{ $labels.pod }} has work and takes no step",
        ),
        alert(
            "AgentReasoningGpuMissing",
            # Not a number: the models are on a GPU that no longer answers. Pending: no node has one to give.
            f"max by (job, pod) ({s.GPU_UTILIZATION}{{{s.JOB}}} != {s.GPU_UTILIZATION}{{{s.JOB}}})"
            f' or max by (namespace, pod) ({s.POD_PHASE}{{{s.OURS}, pod=~"agent-reasoning-.*", phase="Pending"}} == 1'
            f' and on (namespace, pod) {s.POD_REQUESTS}{{{s.OURS}, resource="nvidia_com_gpu"}} > 0)',
            "10m",
            "critical",
            "{{ $labels.pod }} should have a GPU, and has none",
        ),
    ]


def event_alerts() -> list[Rule]:
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
            f"sum by (job) (increase({s.DEAD_LETTERS_TOTAL}{{{s.SINK_JOB}}}[15m])) > 0",
            "0m",
            "warning",
            "{{ $value | humanize }} events could not be delivered in 15 minutes",
        ),
    ]


def groups() -> list[Rule]:
    return [
        {"name": "agent-reasoning-objectives", "interval": "30s", "rules": [r for o in OBJECTIVES for r in ratios(o)]},
        {"name": "agent-reasoning-quality", "interval": "1m", "rules": [*quality(), *quality_alerts()]},
        {"name": "agent-reasoning-burn", "interval": "30s", "rules": [r for o in OBJECTIVES for r in burn_alerts(o)]},
        {"name": "agent-reasoning-engine", "interval": "30s", "rules": engine_alerts()},
        {"name": "agent-reasoning-events", "interval": "30s", "rules": event_alerts()},
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
