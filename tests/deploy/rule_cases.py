"""What happened to a service, as series, and which alerts fire then. In promtool's notation: `first+step x times`, a minute each.

A case is (name, series, minute, {(alert, severity), …}).
"""

JOB = 'job="agent-reasoning"'
POD = f'{JOB}, pod="a", endpoint="user-port"'
REQUEST = f'agent_reasoning_requests_total{{{POD}, task_type="logic", status="%s"}}'
OVERLOADED, COMPLETED, INVALID = REQUEST % "overloaded", REQUEST % "completed", REQUEST % "invalid-context"
WITHIN = f'agent_reasoning_duration_seconds_bucket{{{POD}, task_type="logic", le="1.0"}}'
ALL = f'agent_reasoning_duration_seconds_count{{{POD}, task_type="logic"}}'
TRUE = f'agent_reasoning_verified_total{{{POD}, task_type="logic", verified="true"}}'
FALSE = f'agent_reasoning_verified_total{{{POD}, task_type="logic", verified="false"}}'
CONFIDENCE = f'agent_reasoning_confidence_sum{{{POD}, task_type="logic"}}'
CONFIDENT = f'agent_reasoning_confidence_count{{{POD}, task_type="logic"}}'
DEPTH, LIMIT = f"agent_reasoning_queue_depth{{{POD}}}", f"agent_reasoning_queue_limit{{{POD}}}"
USED = f'agent_reasoning_slots{{{POD}, task="sudoku", state="used"}}'
TICKS = f'agent_reasoning_step_seconds_count{{{POD}, task="sudoku"}}'
GPU = f"agent_reasoning_gpu_utilization{{{POD}}}"
PENDING = 'kube_pod_status_phase{namespace="ai-agents", pod="agent-reasoning-00002-x", phase="Pending"}'
ASKED = 'kube_pod_container_resource_requests{namespace="ai-agents", pod="agent-reasoning-00002-x", resource="nvidia_com_gpu"}'
PUBLISHED = f'agent_reasoning_publications_total{{{POD}, outcome="delivered"}}'
LOST = f'agent_reasoning_publications_total{{{POD}, outcome="given-up"}}'
DEAD = 'agent_reasoning_dead_letters_total{job="agent-reasoning-dead-letters", code="5xx"}'
STARTED = f"process_start_time_seconds{{{POD}}}"
UP = f"up{{{POD}}}"

DAY = 1440
HEALTHY = {
    COMPLETED: f"0+600x{DAY + 120}",
    OVERLOADED: f"0x{DAY + 120}",
    INVALID: f"0+200x{DAY + 120}",  # callers' mistakes are no failures of ours
    ALL: f"0+600x{DAY + 120}",
    WITHIN: f"0+599x{DAY + 120}",
    TRUE: f"0+582x{DAY + 120}",
    FALSE: f"0+18x{DAY + 120}",
    CONFIDENCE: f"0+540x{DAY + 120}",
    CONFIDENT: f"0+600x{DAY + 120}",
    DEPTH: f"2x{DAY + 120}",
    LIMIT: f"16x{DAY + 120}",
    USED: f"9x{DAY + 120}",
    TICKS: f"0+9000x{DAY + 120}",
    GPU: f"0.4x{DAY + 120}",
    PUBLISHED: f"0+600x{DAY + 120}",
    LOST: f"0x{DAY + 120}",
    DEAD: f"0x{DAY + 120}",
    STARTED: f"1000x{DAY + 120}",
    UP: f"1x{DAY + 120}",
}
NONE: set[tuple[str, str]] = set()

CASES = [
    ("a day with nothing wrong", HEALTHY, DAY, NONE),
    ("no pod at all", {}, 30, NONE),
    ("scaled to zero: the series end", {name: "0x5" for name in HEALTHY if name != UP}, 60, NONE),
    ("idle: pods without requests", {**HEALTHY, COMPLETED: "0x1500", ALL: "0x1500", WITHIN: "0x1500"}, 60, NONE),
    # 20 % of the requests fail: 40 times what is allowed. The fast window fires after two minutes, the slow one after 15.
    ("a fifth fails, 5 minutes in", {COMPLETED: "0+48x60", OVERLOADED: "0+12x60"}, 5, {("AgentReasoningErrors", "critical")}),
    ("1 % fails for hours", {COMPLETED: "0+594x600", OVERLOADED: "0+6x600"}, 400, {("AgentReasoningErrors", "warning")}),
    (
        "an hour of failures, hours ago: for the day, and for nobody's night",
        {COMPLETED: "0+48x300", OVERLOADED: "0+12x60 720x240"},
        200,
        {("AgentReasoningErrors", "warning")},
    ),
    ("one failure of three at night", {COMPLETED: "0 1 2x60", OVERLOADED: "0 0 0 1x60"}, 20, NONE),
    ("callers' mistakes only", {COMPLETED: "0+10x60", INVALID: "0+90x60", OVERLOADED: "0x60"}, 30, NONE),
    ("a third is slow", {ALL: "0+60x60", WITHIN: "0+40x60"}, 5, {("AgentReasoningSlow", "critical")}),
    ("2 % are slow for hours", {ALL: "0+600x600", WITHIN: "0+588x600"}, 400, {("AgentReasoningSlow", "warning")}),
    ("half a percent is slow", {ALL: "0+600x600", WITHIN: "0+597x600"}, 400, NONE),
    (
        "a third stops verifying after a day of 3 %",
        {TRUE: f"0+97x{DAY} {97 * DAY}+65x120", FALSE: f"0+3x{DAY} {3 * DAY}+35x120"},
        DAY + 60,
        {("AgentReasoningUnverified", "warning")},
    ),
    ("a third has never verified", {TRUE: f"0+65x{DAY + 120}", FALSE: f"0+35x{DAY + 120}"}, DAY + 60, NONE),
    (
        "a third of six answers does not verify",
        {TRUE: f"0+97x{DAY} {97 * DAY}x60", FALSE: f"0+3x{DAY} {3 * DAY}x40 {3 * DAY + 2}x20"},
        DAY + 50,
        NONE,
    ),
    (
        "confidence falls from 0.9 to 0.6",
        {
            CONFIDENCE: f"0+90x{DAY} {90 * DAY}+60x180", CONFIDENT: f"0+100x{DAY + 180}",
            TRUE: f"0+97x{DAY + 180}", FALSE: f"0+3x{DAY + 180}",
        },
        DAY + 120,
        {("AgentReasoningConfidenceDrift", "warning")},
    ),
    (
        "confidence rises as far, which is as strange",
        {
            CONFIDENCE: f"0+60x{DAY} {60 * DAY}+95x180", CONFIDENT: f"0+100x{DAY + 180}",
            TRUE: f"0+97x{DAY + 180}", FALSE: f"0+3x{DAY + 180}",
        },
        DAY + 120,
        {("AgentReasoningConfidenceDrift", "warning")},
    ),
    (
        "the queue is full",
        {DEPTH: "15x20", LIMIT: "16x20", USED: "16x20", TICKS: "0+9000x20"},
        10,
        {("AgentReasoningQueueSaturated", "warning")},
    ),
    ("the queue is full for a minute", {DEPTH: "0x8 15x1 0x10", LIMIT: "16x20"}, 12, NONE),
    (
        "requests are refused",
        {OVERLOADED: "0+30x20", COMPLETED: "0+30000x20"},
        10,
        {("AgentReasoningQueueSaturated", "warning")},
    ),
    ("work, and no step", {USED: "3x20", TICKS: "0+100x5 500x15"}, 12, {("AgentReasoningEngineStalled", "critical")}),
    (
        "requests wait, and no step was ever taken",
        {DEPTH: "2x20", LIMIT: "16x20"},
        10,
        {("AgentReasoningEngineStalled", "critical")},
    ),
    ("no work, and no step", {USED: "0x20", DEPTH: "0x20", LIMIT: "16x20", TICKS: "500x20"}, 12, NONE),
    ("the GPU no longer answers", {GPU: "0.4 " + "NaN " * 20}, 15, {("AgentReasoningGpuMissing", "critical")}),
    ("a pod waits for a GPU", {PENDING: "1x20", ASKED: "1x20"}, 15, {("AgentReasoningGpuMissing", "critical")}),
    ("a pod waits, and asked for none", {PENDING: "1x20"}, 15, NONE),
    ("no GPU, and none expected", {GPU: "0x20"}, 15, NONE),
    (
        "a tenth of the results is not published",
        {PUBLISHED: "0+90x40", LOST: "0+10x40"},
        25,
        {("AgentReasoningPublicationsFailing", "warning")},
    ),
    ("one result in a hundred is not published", {PUBLISHED: "0+99x40", LOST: "0+1x40"}, 25, NONE),
    ("one dead letter", {DEAD: "0x10 1x10"}, 12, {("AgentReasoningDeadLetters", "warning")}),
    ("a dead letter of half an hour ago", {DEAD: "0x10 1x40"}, 45, NONE),
    ("a pod that Prometheus cannot reach", {UP: "0x10"}, 7, {("AgentReasoningDown", "critical")}),
    (
        "a pod that restarts again and again",
        {STARTED: "1 1 2 2 3 3 4x10"},
        8,
        {("AgentReasoningRestarts", "critical")},
    ),
    ("a pod that restarted once", {STARTED: "1x5 2x10"}, 8, NONE),
]  # fmt: skip
