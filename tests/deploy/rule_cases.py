"""What happened to a service, as series, and which alerts fire then. In promtool's notation: `first+step x times`, a minute each.

A case is (name, series, minute, {(alert, severity), …}). The series of `THERE` are in each that does not say otherwise: a cluster
that knows of the service, and a Prometheus that sees it.
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
OTHER_USED = f'agent_reasoning_slots{{{POD}, task="rollout", state="used"}}'
OTHER_TICKS = f'agent_reasoning_step_seconds_count{{{POD}, task="rollout"}}'
UNKNOWN_KEY = f'agent_reasoning_unauthenticated_total{{{POD}, reason="unknown"}}'
STARTED = f"process_start_time_seconds{{{POD}}}"
UP = f"up{{{POD}}}"
SINK_UP = 'up{job="agent-reasoning-dead-letters", pod="b", endpoint="user-port"}'
WANTED = 'kube_deployment_spec_replicas{namespace="ai-agents", deployment="agent-reasoning-00002-deployment"}'
OLD_WANTED = WANTED.replace("00002", "00001")
SINK_WANTED = (
    'kube_deployment_spec_replicas{namespace="ai-agents", deployment="agent-reasoning-dead-letters-00001-deployment"}'
)
AVAILABLE, OLD_AVAILABLE, SINK_AVAILABLE = (
    wanted.replace("spec_replicas", "status_replicas_available") for wanted in (WANTED, OLD_WANTED, SINK_WANTED)
)
CONTAINER = 'namespace="ai-agents", pod="agent-reasoning-00002-x", container="agent-reasoning"'
RESTARTS = f"kube_pod_container_status_restarts_total{{{CONTAINER}}}"
CRASHING = f'kube_pod_container_status_waiting_reason{{{CONTAINER}, reason="CrashLoopBackOff"}}'
CREATING = f'kube_pod_container_status_waiting_reason{{{CONTAINER}, reason="ContainerCreating"}}'
ACTIVATOR = (
    'job="activator", k8s_namespace_name="ai-agents", kn_service_name="agent-reasoning", http_response_status_code="%s"'
)
SERVED, UNSERVED, REFUSED = (
    f"http_server_request_duration_seconds_count{{{ACTIVATOR % code}}}" for code in ("200", "503", "422")
)
PROMPT = f'http_server_request_duration_seconds_bucket{{{ACTIVATOR % "200"}, le="1"}}'
HELD_BACK = 'kn_revision_request_queued{k8s_namespace_name="ai-agents", kn_revision_name="agent-reasoning-00002"}'

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
    UNKNOWN_KEY: f"0x{DAY + 120}",
    DEAD: f"0x{DAY + 120}",
    STARTED: f"1000x{DAY + 120}",
    UP: f"1x{DAY + 120}",
}
LONG = f"x{DAY + 300}"
THERE = {
    UP: f"1{LONG}",
    SINK_UP: f"1{LONG}",
    WANTED: f"2{LONG}",
    AVAILABLE: f"2{LONG}",
    SINK_WANTED: f"1{LONG}",
    SINK_AVAILABLE: f"1{LONG}",
}
GONE = dict.fromkeys(THERE, "_")
NONE: set[tuple[str, str]] = set()

CASES = [
    ("a day with nothing wrong", HEALTHY, DAY, NONE),
    (
        "scaled to zero: the service's own series end, and its Deployment wants no replicas",
        {**dict.fromkeys(HEALTHY, "0x5"), WANTED: "2x5 0x100", AVAILABLE: "2x5 0x100"}, 60, NONE,
    ),
    (
        "all is deleted: a namespace, a prune",
        GONE, 30,
        {("AgentReasoningAbsent", "critical"), ("AgentReasoningDeadLetterSinkDown", "warning")},
    ),
    (
        "every pod crashes before it listens: no series of the service's own",
        {UP: "_", AVAILABLE: "0x60", RESTARTS: "0+1x60", CRASHING: "_x2 1x3 _x2 1x60"}, 30,
        {
            ("AgentReasoningAbsent", "critical"), ("AgentReasoningRestarts", "critical"),
            ("AgentReasoningPodNotStarting", "warning"),
        },
    ),
    (
        "the new revision crashes and the old one serves",
        {AVAILABLE: "0x60", OLD_WANTED: "2x60", OLD_AVAILABLE: "2x60", CRASHING: "1x60"}, 30,
        {("AgentReasoningPodNotStarting", "warning")},
    ),
    ("from zero, within two minutes", {UP: "_x10 1x20", WANTED: "0x8 1x20", AVAILABLE: "0x10 1x20"}, 10, NONE),
    ("an image that takes eight minutes to pull, the old revision at work",
     {AVAILABLE: "0x8 2x9", OLD_WANTED: "2x20", OLD_AVAILABLE: "2x20", CREATING: "1x8 _x9", PENDING: "1x8 0x9"}, 12, NONE),
    ("pods are there, and no target", {UP: "_"}, 15, {("AgentReasoningUnseen", "critical")}),
    ("the dead-letter sink is no target", {SINK_UP: "_"}, 15, {("AgentReasoningUnseen", "critical")}),
    ("the dead-letter sink is down", {SINK_UP: "0x30", SINK_AVAILABLE: "0x30"}, 15,
     {("AgentReasoningDeadLetterSinkDown", "warning")}),
    ("the dead-letter sink does not start", {SINK_UP: "_", SINK_AVAILABLE: "0x30"}, 15,
     {("AgentReasoningDeadLetterSinkDown", "warning")}),
    ("the dead-letter sink is scaled to zero", {SINK_UP: "_", SINK_WANTED: "0x30", SINK_AVAILABLE: "0x30"}, 15, NONE),
    # What Knative refuses never reaches the service: its own series say that all is well.
    ("a fifth gets a 503 from Knative", {SERVED: "0+48x60", PROMPT: "0+48x60", UNSERVED: "0+12x60", COMPLETED: "0+48x60"}, 5,
     {("AgentReasoningCallersFail", "critical")}),
    ("callers' mistakes, as Knative sees them", {SERVED: "0+50x60", PROMPT: "0+50x60", REFUSED: "0+50x60"}, 30, NONE),
    ("a third waits for a replica for more than a second",
     {SERVED: "0+60x60", PROMPT: "0+40x60", ALL: "0+60x60", WITHIN: "0+60x60"}, 5,
     {("AgentReasoningCallersWait", "critical")}),
    ("requests wait in the activator for minutes", {HELD_BACK: "0x5 40x20"}, 12, {("AgentReasoningQueueSaturated", "warning")}),
    ("requests wait in the activator for a pod that starts", {HELD_BACK: "0x5 40x2 0x20"}, 9, NONE),
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
        "most have never verified",
        {TRUE: f"0+30x{DAY}", FALSE: f"0+70x{DAY}"},
        DAY - 10,
        {("AgentReasoningUnverified", "warning")},
    ),
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
    (
        "one task stands and another's steps go on",
        {USED: "3x20", TICKS: "0+100x5 500x15", OTHER_USED: "9x20", OTHER_TICKS: "0+9000x20"},
        12,
        {("AgentReasoningEngineStalled", "critical")},
    ),
    ("no work, and no step", {USED: "0x20", DEPTH: "0x20", LIMIT: "16x20", TICKS: "500x20"}, 12, NONE),
    ("the GPU no longer answers", {GPU: "0.4 " + "NaN " * 20}, 15, {("AgentReasoningGpuMissing", "critical")}),
    ("a pod waits for a GPU", {PENDING: "1x20", ASKED: "1x20"}, 15, {("AgentReasoningGpuMissing", "critical")}),
    ("a pod waits for a node, and for no GPU", {PENDING: "1x20"}, 15, {("AgentReasoningPodNotStarting", "warning")}),
    ("no GPU, and none expected", {GPU: "0x20"}, 15, NONE),
    (
        "a tenth of the results is not published",
        {PUBLISHED: "0+90x40", LOST: "0+10x40"},
        25,
        {("AgentReasoningPublicationsFailing", "warning")},
    ),
    ("a client's key was taken away", {UNKNOWN_KEY: "0+30x40"}, 30, {("AgentReasoningKeysRefused", "warning")}),
    ("somebody tries a key now and then", {UNKNOWN_KEY: "0+2x40"}, 30, NONE),
    ("one result in a hundred is not published", {PUBLISHED: "0+99x40", LOST: "0+1x40"}, 25, NONE),
    ("one dead letter", {DEAD: "0x10 1x10"}, 12, {("AgentReasoningDeadLetters", "warning")}),
    ("a dead letter that woke the sink", {DEAD: "_x5 1x20"}, 12, {("AgentReasoningDeadLetters", "warning")}),
    ("a sink that starts afresh", {DEAD: "_x5 0x20"}, 12, NONE),
    ("a dead letter of half an hour ago", {DEAD: "0x10 1x40"}, 45, NONE),
    ("a pod that Prometheus cannot reach", {UP: "0x15"}, 7, {("AgentReasoningDown", "critical")}),
    (
        "a pod that restarts again and again",
        {STARTED: "1 1 2 2 3 3 4x10"},
        8,
        {("AgentReasoningRestarts", "critical")},
    ),
    ("a pod that restarted once", {STARTED: "1x5 2x10"}, 8, NONE),
]  # fmt: skip

# The same in steps of ten minutes, for what takes days.
TENTHS = 144  # of a day
SLOW_CASES = [
    (
        "a third stops verifying after a week of 3 %, and nobody has done anything for three days",
        {
            TRUE: f"0+970x{7 * TENTHS} {970 * 7 * TENTHS}+650x{3 * TENTHS}",
            FALSE: f"0+30x{7 * TENTHS} {30 * 7 * TENTHS}+350x{3 * TENTHS}",
        },
        10 * TENTHS,
        {("AgentReasoningUnverified", "warning")},
    ),
    (
        "a third has not verified for ten days",
        {TRUE: f"0+650x{10 * TENTHS}", FALSE: f"0+350x{10 * TENTHS}"},
        10 * TENTHS,
        NONE,
    ),
]  # fmt: skip
