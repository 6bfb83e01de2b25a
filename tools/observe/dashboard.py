"""The dashboard: what whoever is on call looks at first stands first."""

from typing import Any

from tools.observe import series as s
from tools.observe.grafana import Panel, Query, Row, dashboard, datasource_variable, label_variable
from tools.observe.objectives import AVAILABILITY, CALLERS_FAIL, CALLERS_WAIT, LATENCY, Objective, recorded

OWN = 'job=~"$job", instance=~"$instance"'
SINK = 'job=~"$job-dead-letters", instance=~".+"'
GOOD_LOW = ((None, "green"), (1.0, "orange"), (6.0, "red"))


Queries = dict[str, str]  # legend to PromQL


def graph(title: str, description: str, unit: str, queries: Queries, **more: Any) -> Panel:
    return Panel(title, description, unit, tuple(Query(expr, legend) for legend, expr in queries.items()), **more)


def stacked(title: str, description: str, unit: str, queries: Queries) -> Panel:
    """For parts of a whole."""
    return graph(title, description, unit, queries, stacked=True)


def rate(name: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) (rate({name}{{{OWN}{', ' + more if more else ''}}}[$__rate_interval]))"


def total(name: str, by: str, more: str = "") -> str:
    return f"sum by ({by}) ({name}{{{OWN}{', ' + more if more else ''}}})"


def count(name: str, by: str) -> str:
    return f"count by ({by}) ({name}{{{OWN}}})"


def largest(name: str) -> str:
    return f"max by (instance) ({name}{{{OWN}}})"


def scaling(name: str) -> str:
    """Of the autoscaler's own page: its job is not ours."""
    return f'max by (kn_revision_name) ({name}{{kn_service_name=~"$job"}})'


def ratio(name: str, by: str, part: str) -> str:
    return f"{rate(name, by, part)} / {rate(name, by)}"


def mean(name: str, by: str) -> str:
    return f"{rate(name + '_sum', by)} / {rate(name + '_count', by)}"


def quantile(share: float, name: str, by: str = "") -> str:
    return f"histogram_quantile({share}, {rate(name + '_bucket', f'le, {by}' if by else 'le')})"


def quantiles(name: str, *shares: float, by: str = "") -> Queries:
    prefix = f"{{{{{by}}}}} " if by else ""
    return {f"{prefix}p{share * 100:g}": quantile(share, name, by) for share in shares}


def kept(objective: Objective, title: str, description: str) -> Panel:
    colors = ((None, "red"), (objective.target, "green"))
    expr = f'1 - {recorded(objective, "1d")}{{job=~"$job"}}'
    return Panel(
        title, description, "percentunit", (Query(expr, "a day"),), "stat", 3, bounds=(0, 1), thresholds=colors
    )


def burning(objective: Objective, window: str) -> Query:
    budget = round(1 - objective.target, 4)
    return Query(f'{recorded(objective, window)}{{job=~"$job"}} / {budget}', f"{objective.name}, {window}")


OBJECTIVES_SHOWN = (AVAILABILITY, LATENCY, CALLERS_FAIL, CALLERS_WAIT)
OBJECTIVES = Row(
    "Objectives",
    (
        kept(
            AVAILABILITY,
            "Available",
            f"Requests that did not fail by our fault; the objective is {s.AVAILABILITY_TARGET:.1%}.",
        ),
        kept(LATENCY, "In time", f"Answers within {s.OBJECTIVE_SECONDS:g} s; the objective is {s.LATENCY_TARGET:.0%}."),
        Panel(
            "Requests a second",
            "Answered and refused.",
            "reqps",
            (Query(rate(s.REQUESTS, "job"), "now"),),
            "stat",
            3,
        ),
        Panel(
            "Alerts that fire",
            "Of this service's rules; docs/runbook.md has a section for each.",
            "none",
            (Query('sum(ALERTS{alertstate="firing", service="agent-reasoning"}) or vector(0)', "firing"),),
            "stat",
            3,
            thresholds=((None, "green"), (1.0, "red")),
        ),
        Panel(
            "Burn rate",
            "How many times faster than allowed the budget is spent: 1 lasts exactly as long as it should. 14.4 over an hour,"
            " and 6 over six, wake somebody. error and slow are what the service sees, unserved and late what its callers do.",
            "none",
            tuple(burning(objective, window) for objective in OBJECTIVES_SHOWN for window in ("1h", "6h")),
            width=12,
            thresholds=GOOD_LOW,
        ),
    ),
)
TRAFFIC = Row(
    "Traffic and time",
    (
        stacked(
            "Requests by kind of task",
            "Whatever the outcome.",
            "reqps",
            {"{{task_type}}": rate(s.REQUESTS, "task_type")},
        ),
        stacked(
            "Requests by outcome",
            "`completed`, or the code of the problem that the caller got.",
            "reqps",
            {"{{status}}": rate(s.REQUESTS, "status") + " > 0"},
        ),
        Panel(
            "Time to answer",
            "Of completed requests; dots are single requests, by their request_id in the log.",
            "s",
            tuple(
                Query(quantile(share, s.DURATION), f"p{share * 100:g}", exemplar=share == 0.99)
                for share in (0.5, 0.9, 0.99)
            ),
        ),
        graph("Time in the queue", "Until the first slot.", "s", quantiles(s.QUEUE_WAIT, 0.5, 0.99)),
        graph(
            "Waiting",
            "Requests that wait for a slot, and how many may where each takes one; and those that Knative holds back in front of"
            " the replicas, because none has room or none is there.",
            "none",
            {
                "waiting": total(s.QUEUE_DEPTH, "job"),
                "may wait": total(s.QUEUE_LIMIT, "job"),
                "held back": f"sum({s.QUEUED}{{{s.WAITING}}})",
            },
        ),
        graph(
            "Time of a step",
            "One refinement step of the slots that took part.",
            "s",
            quantiles(s.STEP_SECONDS, 0.5, 0.99, by="task"),
        ),
    ),
)
QUALITY = Row(
    "What the answers are worth",
    (
        graph(
            "Verified share by kind of task",
            "Checked by the exact verifier; the rest is said to be unverified.",
            "percentunit",
            {"{{task_type}}": ratio(s.VERIFIED, "task_type", 'verified="true"')},
            bounds=(0, 1),
        ),
        stacked(
            "Who found the answers",
            "The model; the model after a heuristic's start (improved); the heuristic itself (baseline).",
            "reqps",
            {"{{task}}: {{source}}": rate(s.ANSWERS, "task, source")},
        ),
        stacked(
            "Why the search ended",
            "`verified`, `confident` and `no_improvement` end early; `max_steps` and `deadline` had no more to give.",
            "reqps",
            {"{{by}}": rate(s.HALTED, "by")},
        ),
        graph(
            "Confidence",
            "Mean, by kind of task; 0 for an answer that did not verify.",
            "percentunit",
            {"{{task_type}}": mean(s.CONFIDENCE, "task_type")},
            bounds=(0, 1),
        ),
        graph(
            "Confidence, spread",
            "Of all answers.",
            "percentunit",
            quantiles(s.CONFIDENCE, 0.1, 0.5, 0.9),
            bounds=(0, 1),
        ),
        graph("Refinement steps", "Each answer took so many.", "none", quantiles(s.STEPS, 0.5, 0.95, by="task_type")),
    ),
)
ENGINE = Row(
    "Engine and machine",
    (
        graph(
            "Slots in use",
            "Of those that a model has; all in use is when requests begin to wait.",
            "percentunit",
            {"{{task}}": f"""{total(s.SLOTS, "task", 'state="used"')} / {total(s.SLOTS, "task")}"""},
            bounds=(0, 1),
        ),
        graph(
            "Trajectories in a step",
            "Mean: how well steps are shared.",
            "none",
            {"{{task}}": mean(s.BATCH_ROWS, "task")},
        ),
        graph("Steps a second", "Of all slots together.", "ops", {"{{task}}": rate(f"{s.STEP_SECONDS}_count", "task")}),
        graph(
            "GPU utilization",
            "0 without a GPU; a gap where the GPU no longer answers.",
            "percentunit",
            {"{{instance}}": largest(s.GPU_UTILIZATION)},
            bounds=(0, 1),
        ),
        stacked(
            "GPU memory", "Used and free; nothing without a GPU.", "bytes", {"{{state}}": total(s.GPU_MEMORY, "state")}
        ),
        graph("Processor", "Cores in use by each replica.", "none", {"{{instance}}": rate(s.CPU, "instance")}),
        graph("Memory", "Resident, of each replica; its limit is 1 GiB.", "bytes", {"{{instance}}": largest(s.MEMORY)}),
        graph(
            "Models",
            "Loaded in how many replicas; two lines of one task are two versions at once.",
            "none",
            {"{{task}} {{sha256}} {{device}}": count(s.MODEL_INFO, "task, sha256, device")},
        ),
    ),
)
DELIVERIES = f"sum by (http_response_status_code) (rate({s.DISPATCH}_count{{{s.BROKER}}}[$__rate_interval]))"
EVENTS = Row(
    "Events",
    (
        stacked(
            "Received",
            "From the trigger, by what became of them.",
            "ops",
            {"{{outcome}}": rate(s.EVENTS_RECEIVED, "outcome")},
        ),
        stacked(
            "Published",
            "Results of requests over HTTP, to the broker.",
            "ops",
            {"{{outcome}}": rate(s.EVENTS_PUBLISHED, "outcome")},
        ),
        graph(
            "Waiting to be published",
            "It should go back to 0 after a burst.",
            "none",
            {"waiting": total(s.PUBLISH_QUEUE_DEPTH, "job")},
        ),
        stacked(
            "Dead letters",
            "Events that no retry delivered, by the status of the last attempt.",
            "none",
            {"{{code}}": f"sum by (code) (increase({s.DEAD_LETTERS_TOTAL}{{{SINK}}}[$__rate_interval]))"},
        ),
        stacked(
            "Deliveries by the broker",
            "Whatever the broker sends on, by the answer's status: to the service, its replies, dead letters.",
            "ops",
            {"{{http_response_status_code}}": DELIVERIES},
        ),
    ),
)
CALLERS = f"sum by (http_response_status_code) (rate({s.HTTP_SERVER}_count{{{s.CALLERS}}}[$__rate_interval]))"
REVISIONS = Row(
    "Revisions and replicas",
    (
        stacked(
            "Replicas",
            "Of each revision, as they report themselves.",
            "none",
            {"{{revision}}": count(s.BUILD_INFO, "revision")},
        ),
        graph(
            "Wanted by the autoscaler",
            "Pods of each revision.",
            "none",
            {"{{kn_revision_name}}": scaling(s.PODS_DESIRED)},
        ),
        graph(
            "Concurrency",
            "Requests at a time in a pod, over the autoscaler's stable window; it adds pods above 2.",
            "none",
            {"{{kn_revision_name}}": scaling(s.CONCURRENCY)},
        ),
        stacked(
            "Requests by revision", "How traffic is split.", "reqps", {"{{revision}}": rate(s.REQUESTS, "revision")}
        ),
        stacked(
            "Seen by callers",
            "What the activator answered, by status: with what Knative refused or cut off, which the service never saw.",
            "reqps",
            {"{{http_response_status_code}}": CALLERS},
        ),
        stacked(
            "Seen by queue-proxy",
            "What left the pods, by status.",
            "reqps",
            {"{{http_response_status_code}}": rate(f"{s.HTTP_SERVER}_count", "http_response_status_code")},
        ),
        graph(
            "Uptime",
            "Of each replica; sawteeth are restarts.",
            "s",
            {"{{instance}}": f"time() - {largest(s.STARTED)}"},
        ),
    ),
)
ROWS = (OBJECTIVES, TRAFFIC, QUALITY, ENGINE, EVENTS, REVISIONS)


def model() -> dict[str, Any]:
    return dashboard(
        "agent-reasoning",
        "agent-reasoning",
        "Traffic, time, what the answers are worth, the engine, events and replicas of agent-reasoning.",
        [
            datasource_variable(),
            label_variable("job", "Service", f"label_values({s.BUILD_INFO}, job)"),
            label_variable("instance", "Replica", 'label_values(up{job=~"$job"}, instance)'),
        ],
        ROWS,
    )
