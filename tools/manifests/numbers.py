"""Do the numbers agree with each other? Each is legal alone; together they may lose requests."""

import re
from collections.abc import Iterator
from datetime import timedelta

from pydantic import TypeAdapter, ValidationError

from agent_reasoning.service.settings import Settings
from tools.contract import SERVICE
from tools.manifests.objects import ANNOTATION, Object, annotations, containers, environment, of, pod, services, title

DRAIN_SECONDS = 30  # queue-proxy goes on serving so long after the last request (serving pkg/queue, drainSleepDuration)
LONGEST_REVISION_SECONDS = 600  # config-defaults, max-revision-timeout-seconds
LARGEST_CONCURRENCY = 1000  # config-defaults, container-concurrency-max-limit
DURATION = TypeAdapter(timedelta)


def findings(objects: list[Object]) -> Iterator[str]:
    for service in services(objects):
        for problem in [*scale(service), *time(service), *probes(service)]:
            yield f"{title(service)}: {problem}"
    [main] = [each for each in services(objects) if each["metadata"]["name"] == SERVICE] or [{}]
    for problem in [*concurrency(main, objects), *configuration(main, objects)]:
        yield f"{title(main)}: {problem}"
    for trigger in of(objects, "Trigger"):
        for problem in delivery(trigger, main, objects):
            yield f"{title(trigger)}: {problem}"


def number(service: Object, name: str) -> int | None:
    value = annotations(service).get(ANNOTATION + name)
    return int(value) if value is not None and re.fullmatch(r"-?\d+", value) else None


def scale(service: Object) -> Iterator[str]:
    least, most = number(service, "min-scale") or 0, number(service, "max-scale") or 0
    if most == 0:
        yield "max-scale is not set, which means without bound"
    elif least > most:
        yield f"min-scale {least} is over max-scale {most}"


def concurrency(service: Object, objects: list[Object]) -> Iterator[str]:
    """A pod must not be given more than it can hold, and must ask for another before it is full.

    What it can hold whatever the requests ask for is SLOTS + MAX_QUEUE: engine.check_room.
    """
    settings = environment(service, objects)
    room = int(settings.get("SLOTS", "0")) + int(settings.get("MAX_QUEUE", "0"))
    allowed = pod(service).get("containerConcurrency", 0)
    if allowed != room:
        yield f"containerConcurrency {allowed} is not SLOTS + MAX_QUEUE ({room})"
    if allowed > LARGEST_CONCURRENCY:
        yield f"containerConcurrency {allowed} is over {LARGEST_CONCURRENCY}, the most that Knative takes"
    target = number(service, "target")
    if target is None or not 0 < target <= allowed:
        yield f"the autoscaler's target {target} is not between 1 and containerConcurrency ({allowed})"


def time(service: Object) -> Iterator[str]:
    if (seconds := pod(service).get("timeoutSeconds", 300)) > LONGEST_REVISION_SECONDS:
        yield f"timeoutSeconds {seconds} is over {LONGEST_REVISION_SECONDS}, the most that Knative takes"


def probes(service: Object) -> Iterator[str]:
    for container in containers(service):
        probe = container.get("readinessProbe")
        if probe is None:
            yield "has no readinessProbe: Knative would take an open port for ready"
        elif not probe.get("periodSeconds") and probe.keys() & {"timeoutSeconds", "failureThreshold"}:
            yield "readinessProbe without periodSeconds must not set timeoutSeconds or failureThreshold (the webhook refuses)"
        if "livenessProbe" not in container:
            yield "has no livenessProbe: an engine that is stuck is never restarted"


def configuration(service: Object, objects: list[Object]) -> Iterator[str]:
    settings = environment(service, objects)
    known = {name.upper(): name for name in Settings.model_fields}
    for name in sorted(settings.keys() - known.keys()):
        yield f"{name} is no setting of the service"
    try:
        Settings.model_validate({known[name]: value for name, value in settings.items() if name in known})
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            yield f"{str(problem['loc'][0]).upper()}={problem['input']!r}: {problem['msg']}"
    told_apart = int(settings.get("TRUSTED_HOPS", "0")) > 0 or settings.keys() & {"API_KEYS", "API_KEYS_FILE"}
    if settings.get("RATE_LIMIT", "") != "off" and not told_apart:
        yield (
            "RATE_LIMIT counts per client, and behind queue-proxy all are one:"
            " give them API keys, set TRUSTED_HOPS, or RATE_LIMIT=off"
        )
    yield from ending(settings, pod(service).get("timeoutSeconds", 300))
    limits = containers(service)[0].get("resources", {}).get("limits", {}) if containers(service) else {}
    if settings.get("DEVICE", "auto").startswith("cuda") != ("nvidia.com/gpu" in limits):
        yield f"DEVICE={settings.get('DEVICE')} and the GPUs in resources.limits do not fit"


def ending(settings: dict[str, str], grace: float) -> Iterator[str]:
    """Knative gives a pod `timeoutSeconds` to end, of which queue-proxy drains for the first 30 before the service is told."""
    stated = {
        name: settings[name.upper()]
        for name in ("shutdown_seconds", "request_timeout_seconds")
        if name.upper() in settings
    }
    try:
        seconds = Settings.model_validate(stated).ending_seconds
    except ValidationError:
        return  # said above
    if grace < DRAIN_SECONDS + seconds:
        yield (
            f"timeoutSeconds {grace} is under {DRAIN_SECONDS} s of drain + SHUTDOWN_SECONDS ({seconds:.0f} s):"
            " results that wait to be published would be lost"
        )


def delivery(trigger: Object, service: Object, objects: list[Object]) -> Iterator[str]:
    """Who is still at work must not be asked again, and what fails must end somewhere."""
    how = trigger.get("spec", {}).get("delivery", {})
    if "deadLetterSink" not in how:
        yield "has no dead-letter sink of its own: the broker's does not count where a trigger says anything of delivery"
    if not how.get("retry") or not {"backoffPolicy", "backoffDelay"} <= how.keys():
        yield "retries need all of retry, backoffPolicy and backoffDelay: without one of them they come at once, or never"
    request = float(environment(service, objects).get("REQUEST_TIMEOUT_SECONDS", "30"))
    try:
        patience = DURATION.validate_python(how.get("timeout")).total_seconds()
    except ValidationError:
        yield "delivery.timeout is not set: the broker would wait without end"
        return
    if patience <= request:
        yield f"delivery.timeout {patience:.0f} s is not over REQUEST_TIMEOUT_SECONDS ({request:.0f} s): work would be done twice"
    if (whole := pod(service).get("timeoutSeconds", 300)) < DRAIN_SECONDS + patience:
        yield (
            f"timeoutSeconds of {SERVICE} ({whole}) is under {DRAIN_SECONDS} s of drain + delivery.timeout ({patience:.0f} s):"
            " a pod would be killed at work"
        )
