"""Service levels, and how fast their budgets burn.

Windows and factors: The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts". A ratio without requests
is no sample: not a number, it would spoil a day's average.
"""

from dataclasses import dataclass
from typing import Any

from tools.contract import SERVICE
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


def as_ours(expr: str) -> str:
    """With the label by which our own series are summed."""
    return f'label_replace({expr}, "job", "{SERVICE}", "", "")'


def callers(part: str, more: str) -> str:
    return as_ours(f"sum(rate({s.HTTP_SERVER}_{part}{{{s.CALLERS}, {more}}}[{{w}}]))")


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
# The same two, where the callers are: what waits for a replica, and what Knative refuses or cuts off, the service never sees.
# The activator measures them, which is in the path of every request (target-burst-capacity: -1).
FAULTLESS, SERVED = 'http_response_status_code!~"4.."', 'http_response_status_code=~"2.."'
CALLERS_FAIL = Objective(
    name="unserved",
    alert="AgentReasoningCallersFail",
    target=s.AVAILABILITY_TARGET,
    bad=callers("count", 'http_response_status_code=~"5.."'),
    all=callers("count", FAULTLESS),
    words="of the requests end with a 5xx for their callers",
)
# 1 or 1.0: how a bound is written is up to who exposes it.
CALLERS_WAIT = Objective(
    name="late",
    alert="AgentReasoningCallersWait",
    target=s.LATENCY_TARGET,
    bad=(
        f"({callers('count', SERVED)}"
        f""" - {callers("bucket", f'{SERVED}, le=~"{s.OBJECTIVE_SECONDS:g}|{s.OBJECTIVE_SECONDS}"')})"""
    ),
    all=callers("count", SERVED),
    words=f"of the requests take longer than {s.OBJECTIVE_SECONDS:g} s for their callers",
)
OBJECTIVES = (AVAILABILITY, LATENCY, CALLERS_FAIL, CALLERS_WAIT)


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
