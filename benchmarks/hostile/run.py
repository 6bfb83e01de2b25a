"""Runs the corpus against a service over HTTP, while asking whether the service is well."""

import threading
import time
from dataclasses import dataclass, field

import httpx2

from benchmarks.hostile.corpus import REFUSED, Case

ROLLOUT = {"question": "In which order?", "context": {"steps": {"db": [], "api": ["db"]}}}
TIMEOUT_SECONDS = 120


@dataclass
class Outcome:
    case: Case
    status: int
    told: str
    result: object
    seconds: float

    @property
    def as_expected(self) -> bool:
        if self.case.result is REFUSED:
            return self.status == 422
        return self.status == 200 and self.result == self.case.result


@dataclass
class Watch:
    """What the service answered to others meanwhile."""

    asked: int = 0
    failures: list = field(default_factory=list)


def attempt(client: httpx2.Client, case: Case) -> Outcome:
    """Register the code as `f` and call it."""
    begun = time.perf_counter()
    response = client.put("/v1/functions/f", json={"code": case.code, "description": "hostile"})
    if response.is_success:
        response = client.post("/v1/functions/f/call", json={})
    body, seconds = response.json(), time.perf_counter() - begun
    told = body["error"]["message"] if "error" in body else f"gave {body['result']!r}"
    return Outcome(case, response.status_code, told, body.get("result"), seconds)


def watch(url: str, headers: dict, ends: threading.Event, seen: Watch) -> None:
    """Ask for its health, and for an answer, until it ends."""
    with httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
        while not ends.is_set():
            well, answer = client.get("/health"), client.post("/reason", json=ROLLOUT)
            seen.asked += 1
            if well.status_code != 200 or answer.status_code != 200 or not answer.json()["verified"]:
                seen.failures.append((well.status_code, answer.status_code))
            ends.wait(0.02)


def run(url: str, key: str, cases: list[Case]) -> tuple[list[Outcome], Watch]:
    headers, ends, seen = {"authorization": f"Bearer {key}"}, threading.Event(), Watch()
    watching = threading.Thread(target=watch, args=(url, headers, ends, seen))
    watching.start()
    try:
        with httpx2.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
            outcomes = [attempt(client, case) for case in cases]
    finally:
        ends.set()
        watching.join()
    return outcomes, seen
