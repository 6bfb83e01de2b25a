"""A broker in memory that delivers as Knative's does: the same retries, replies, dead letters and order (none).

The rules are those of Knative Eventing's data plane as its multi-tenant broker implements it (eventing,
pkg/kncloudevents/retries.go, pkg/broker/filter/filter_handler.go, pkg/channel/fanout, pkg/broker/ttl.go). Time is scaled.
"""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import quote, unquote

REQUIRED = {"specversion", "id", "source", "type"}
TTL = "knativebrokerttl"
NO_ANSWER = -1
BAD_REPLY = 502
ERROR_DATA_CHARACTERS = 1024


@dataclass(frozen=True)
class Event:
    attributes: Mapping[str, str]
    data: bytes

    def headers(self) -> dict[str, str]:
        """As the filter sends it: in binary mode, whatever mode it came in."""
        names = {"datacontenttype": "content-type"}
        return {
            names.get(name, f"ce-{name}"): value
            if name == "datacontenttype"
            else quote(value, safe="!#$&'()*+,/:;=?@[]")
            for name, value in self.attributes.items()
        }


@dataclass(frozen=True)
class Answer:
    """What a subscriber's HTTP response says."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Subscriber = Callable[[dict[str, str], bytes], Awaitable[Answer]]
"""Takes headers and body; raises ConnectionError or TimeoutError where no answer comes."""


@dataclass(frozen=True)
class Policy:
    """`delivery` of a broker; the defaults are config-br-defaults'. scale: of the waits."""

    retries: int = 10
    delay_seconds: float = 0.2
    scale: float = 1.0

    def wait(self, failures: int) -> float:
        """Exponential, no jitter, no cap."""
        return self.delay_seconds * 2**failures * self.scale


@dataclass
class Trigger:
    name: str
    type: str | None
    subscriber: Subscriber
    url: str = "http://subscriber"


def may_retry(status: int) -> bool:
    return status >= 500 or status in (404, 408, 409, 429, NO_ANSWER)


def read_event(headers: Mapping[str, str], body: bytes) -> Event | None:
    """The event in a message; None where it is none that can be read."""
    headers = {name.lower(): value for name, value in headers.items()}
    if headers.get("content-type", "").startswith("application/cloudevents+json"):
        try:
            members = json.loads(body)
            data = members.pop("data", None)
            attributes = {name: str(value) for name, value in members.items()}
        except (ValueError, AttributeError):
            return None
        return Event(attributes, json.dumps(data).encode())
    if "ce-specversion" not in headers:
        return None
    attributes = {name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")}
    if "content-type" in headers:
        attributes["datacontenttype"] = headers["content-type"]
    return Event(attributes, body)


class Broker:
    url = "http://broker-ingress/default/default"

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.triggers: list[Trigger] = []
        self.dead_letters: list[Event] = []
        self.attempts = 0
        self.retries = 0
        self._deliveries: set[asyncio.Task] = set()

    def ingress(self, event: Event | None) -> int:
        """Take an event; every trigger's delivery is on its own, in no order. Returns the status that a sender gets."""
        if event is None or not set(event.attributes) >= REQUIRED or event.attributes["specversion"] != "1.0":
            return 400
        if not all(re.fullmatch(r"[a-z0-9]+", name) for name in event.attributes):
            return 400
        ttl = int(event.attributes.get(TTL, 256)) - 1
        if ttl <= 0:
            return 400
        for trigger in self.triggers:
            if trigger.type in (None, event.attributes["type"]):
                task = asyncio.ensure_future(self._deliver(trigger, event, ttl))
                self._deliveries.add(task)
                task.add_done_callback(self._ended)
        return 202

    async def idle(self) -> None:
        """Until everything, replies too, is delivered or dead."""
        while self._deliveries:
            await asyncio.wait(set(self._deliveries))

    def _ended(self, task: asyncio.Task) -> None:
        self._deliveries.discard(task)
        task.result()  # a fault of the simulator must not look like a lost event

    async def _deliver(self, trigger: Trigger, event: Event, ttl: int) -> None:
        arrival = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        seen = {name: value for name, value in event.attributes.items() if name != TTL}
        sent = Event({**seen, "knativearrivaltime": arrival}, event.data)
        for failures in range(self.policy.retries + 1):
            if failures:
                self.retries += 1
                await asyncio.sleep(self.policy.wait(failures - 1))
            status, answer = await self._send(trigger, sent)
            if 200 <= status < 300:
                await self._route_reply(trigger, event, answer, ttl)
                return
            if not may_retry(status):
                break
        self._bury(event, trigger.url if answer else None, status, answer.body if answer else b"")

    async def _send(self, trigger: Trigger, event: Event) -> tuple[int, Answer | None]:
        self.attempts += 1
        headers = {**event.headers(), "prefer": "reply", "kn-namespace": "default", "user-agent": "Go-http-client/1.1"}
        try:
            answer = await trigger.subscriber(headers, event.data)
        except (ConnectionError, TimeoutError):
            return NO_ANSWER, None
        if 200 <= answer.status < 300 and answer.body and read_event(answer.headers, answer.body) is None:
            return BAD_REPLY, None  # "malformed reply": the filter says 502 itself, and nobody tells why
        return answer.status, answer

    async def _route_reply(self, trigger: Trigger, event: Event, answer: Answer, ttl: int) -> None:
        """A reply inherits nothing of the request but the TTL. What the ingress refuses of it kills the request."""
        reply = read_event(answer.headers, answer.body)
        if reply is None:
            return
        status = self.ingress(replace(reply, attributes={**reply.attributes, TTL: str(ttl)}))
        if status >= 300:
            self._bury(event, self.url, status, b"")

    def _bury(self, event: Event, destination: str | None, status: int, body: bytes) -> None:
        attributes = dict(event.attributes)
        if destination is not None:
            attributes |= {"knativeerrordest": destination, "knativeerrorcode": str(status)}
            if body:
                attributes["knativeerrordata"] = base64.b64encode(body).decode()[:ERROR_DATA_CHARACTERS]
        self.dead_letters.append(Event(attributes, event.data))
