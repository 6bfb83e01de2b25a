"""Events to a broker."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2
from cloudevents.core.v1.event import CloudEvent

from agent_reasoning.client.events import binary_headers
from agent_reasoning.client.exceptions import CallTimedOut, ClientMisconfigured, PublishFailed
from agent_reasoning.client.replies import SHOWN, retry_after
from agent_reasoning.client.requests import to_json
from agent_reasoning.client.retries import Retry, may_be_taken_later, persist
from agent_reasoning.client.settings import ClientSettings, checked_url, shown_url, trust

CONNECT_SECONDS = 5.0


class Publisher:
    """Posts events in binary mode, each under one id however often it is tried."""

    def __init__(self, settings: ClientSettings, broker_url: str | None, retry: Retry) -> None:
        url = broker_url or settings.knative_broker_url or settings.k_sink
        self._url = None if url is None else checked_url(url, "The broker's URL")
        self._retry = retry
        self.overrides: Mapping[str, str] = settings.k_ce_overrides.extensions
        self._http = httpx2.AsyncClient(
            verify=trust(settings.k_ca_certs), timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS)
        )

    def check(self) -> str:
        """The broker's URL. Raises ClientMisconfigured where there is none."""
        if self._url is None:
            raise ClientMisconfigured(
                "There is no broker to publish to: set KNATIVE_BROKER_URL, let a SinkBinding set K_SINK, or pass"
                " broker_url."
            )
        return self._url

    async def send(self, event: CloudEvent, body: dict[str, Any], timeout_seconds: float) -> None:
        """Until the broker has taken it. Raises PublishFailed, CallTimedOut, ClientMisconfigured, InvalidRequest."""
        url, content, headers = self.check(), to_json(body), binary_headers(event)
        shown = shown_url(url)

        async def attempt() -> None:
            try:
                response = await self._http.post(url, content=content, headers=headers)
            except httpx2.RequestError as error:
                raise failed(event, f"{shown} cannot be reached: {str(error) or type(error).__name__}") from error
            if not response.is_success:
                said = " ".join(response.text.split())[:SHOWN]
                raise failed(event, f"the broker at {shown} answered {response.status_code}: {said}", response)

        def late() -> CallTimedOut:
            return CallTimedOut(f"The broker at {shown} did not take event {event.get_id()} in {timeout_seconds:g} s.")

        deadline = asyncio.get_running_loop().time() + timeout_seconds
        await persist(attempt, may_be_taken_later, retry=self._retry, deadline=deadline, late=late)

    async def aclose(self) -> None:
        await self._http.aclose()


def failed(event: CloudEvent, why: str, response: httpx2.Response | None = None) -> PublishFailed:
    error = PublishFailed(f"Event {event.get_id()} was not published: {why}.")
    error.event_id = event.get_id()
    if response is not None:
        error.status = response.status_code
        error.retry_after = retry_after(response.headers)
    return error
