"""A service that the commands ask, in place of models here."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import stamina.instrumentation

from agent_reasoning.client import ReasoningClient, Retry
from agent_reasoning.schemas import ReasonResponse, StreamedStep

API_KEY = "AGENT_REASONING_API_KEY"
TIMEOUT_SECONDS = 60.0
# Somebody sits and waits: enough for a pod that is being replaced, and a wrong URL is said within a second.
RETRY = Retry(attempts=4, wait_jitter_seconds=0.1)


def api_key() -> str | None:
    return os.environ.get(API_KEY) or None


@contextmanager
def service(url: str) -> Iterator[ReasoningClient]:
    """The key is from the environment alone: arguments can be seen by everybody on the machine. Raises what the client
    raises."""
    stamina.instrumentation.set_on_retry_hooks([])  # a warning for each try, on standard output among others
    with ReasoningClient(url, timeout=TIMEOUT_SECONDS, retry=RETRY, api_key=api_key(), use_events=False) as client:
        yield client


def solve(url: str, request: dict[str, Any], show: Callable[[StreamedStep], None] | None) -> ReasonResponse:
    """`request`: the body of a request. Its context is reduced before it is sent; see `agent_reasoning.foreign`."""
    options = {name: value for name, value in request.items() if name not in ("question", "context")}
    with service(url) as client:
        if show is None:
            return client.reason(request["question"], request["context"], **options)
        with closing(client.stream(request["question"], request["context"], **options)) as answers:
            for answer in answers:
                if isinstance(answer, ReasonResponse):
                    return answer
                show(answer)
    raise AssertionError("a stream ends with the response or an exception")
