"""The names of all series that rules and panels read. A metric that is renamed is renamed here."""

from agent_reasoning.service.metrics import COMPLETED, LATENCY_OBJECTIVE_SECONDS, OUR_FAULT
from tools.contract import DEAD_LETTERS, NAMESPACE, SERVICE

# The service's own (service/metrics.py).
REQUESTS = "agent_reasoning_requests_total"
DURATION = "agent_reasoning_duration_seconds"
STEPS = "agent_reasoning_steps"
CONFIDENCE = "agent_reasoning_confidence"
VERIFIED = "agent_reasoning_verified_total"
ANSWERS = "agent_reasoning_answers_total"
HALTED = "agent_reasoning_halted_total"
QUEUE_DEPTH = "agent_reasoning_queue_depth"
QUEUE_LIMIT = "agent_reasoning_queue_limit"
QUEUE_WAIT = "agent_reasoning_queue_wait_seconds"
STEP_SECONDS = "agent_reasoning_step_seconds"
BATCH_ROWS = "agent_reasoning_batch_rows"
SLOTS = "agent_reasoning_slots"
GPU_UTILIZATION = "agent_reasoning_gpu_utilization"
GPU_MEMORY = "agent_reasoning_gpu_memory_bytes"
MODEL_INFO = "agent_reasoning_model_info"
REFUSED_KEYS = "agent_reasoning_unauthenticated_total"
BUILD_INFO = "agent_reasoning_build_info"
MEMORY = "process_resident_memory_bytes"
CPU = "process_cpu_seconds_total"
STARTED = "process_start_time_seconds"

# Of events: counted where they arrive and where results are published.
EVENTS_RECEIVED = "agent_reasoning_events_in_total"
EVENTS_PUBLISHED = "agent_reasoning_publications_total"
PUBLISH_QUEUE_DEPTH = "agent_reasoning_publisher_queue_depth"
PUBLISHED_WELL = "delivered"  # the `outcome` of a publication that a broker took

# The dead-letter sink's (api/dead_letters.py).
DEAD_LETTERS_TOTAL = "agent_reasoning_dead_letters_total"

# Others' names. Knative's activator and queue-proxy: OpenTelemetry's for HTTP servers, outside of whatever makes a request
# wait or refuses it (kn_serving_invocation_duration_seconds is inside, and sees only what the service answered).
HTTP_SERVER = "http_server_request_duration_seconds"
QUEUED = "kn_revision_request_queued"
PODS_DESIRED = "kn_revision_pods_desired"
CONCURRENCY = "kn_revision_concurrency_stable"
DISPATCH = "kn_eventing_dispatch_duration_seconds"
# kube-state-metrics'.
POD_PHASE = "kube_pod_status_phase"
POD_REQUESTS = "kube_pod_container_resource_requests"
POD_WAITING = "kube_pod_container_status_waiting_reason"
POD_RESTARTS = "kube_pod_container_status_restarts_total"
REPLICAS_WANTED = "kube_deployment_spec_replicas"
REPLICAS_AVAILABLE = "kube_deployment_status_replicas_available"

JOB = f'job="{SERVICE}"'
SINK_JOB = f'job="{DEAD_LETTERS}"'
OURS = f'namespace="{NAMESPACE}"'
PODS = f'{OURS}, pod=~"{SERVICE}-.*"'  # the dead-letter sink's, too
# The activator's page has a job of its own; queue-proxies' are scraped under ours.
CALLERS = f'job!="{SERVICE}", k8s_namespace_name="{NAMESPACE}", kn_service_name="{SERVICE}"'
WAITING = f'k8s_namespace_name="{NAMESPACE}", kn_revision_name=~"{SERVICE}-[0-9]+"'
BROKER = f'kn_broker_namespace="{NAMESPACE}", kn_broker_name="{SERVICE}"'


def deployments(service: str) -> str:
    """Knative makes one for each revision: `SERVICE-00001-deployment`. What is scaled to zero is one that wants none."""
    return f'{OURS}, deployment=~"{service}-[0-9]+-deployment"'


# Latency: the share within the objective. Availability: of the requests that were not the caller's own mistake.
OBJECTIVE_SECONDS = LATENCY_OBJECTIVE_SECONDS
LATENCY_TARGET = 0.99
AVAILABILITY_TARGET = 0.995
BAD = f'status=~"{"|".join(OUR_FAULT)}"'
VALID = f'status=~"{"|".join([COMPLETED, *OUR_FAULT])}"'
