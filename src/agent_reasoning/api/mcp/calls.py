"""Cancelling a call over stateless HTTP.

Since 2026-07-28 a client cancels by closing the response, which the SDK sees. Clients of the revisions before send a
notification with the call's id instead, a small number that others count up to as well. So that nobody cancels another's
call, `initialize` is answered with a session id that nobody can guess. Nothing is kept under it but running calls: any replica
takes any session's requests, and a notification that reaches another replica than its call cancels nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from starlette.requests import Request


class Calls:
    """The calls that run here, by session and id."""

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, str | int], anyio.CancelScope] = {}

    @contextmanager
    def cancellable(self, request: Request | None, call_id: str | int | None) -> Iterator[anyio.CancelScope]:
        """A scope that `cancel` cancels. request: None where the transport cancels by itself."""
        session = None if request is None else request.headers.get(MCP_SESSION_ID_HEADER)
        with anyio.CancelScope() as scope:
            if session is None or call_id is None:
                yield scope
                return
            key = session, call_id
            self._scopes[key] = scope
            try:
                yield scope
            finally:
                if self._scopes.get(key) is scope:  # an id that is used twice is the later call's
                    del self._scopes[key]

    def cancel(self, request: Request, call_id: object) -> None:
        """What the notification asks for; nothing where no such call runs here."""
        session = request.headers.get(MCP_SESSION_ID_HEADER)
        if session is not None and isinstance(call_id, str | int) and (session, call_id) in self._scopes:
            self._scopes[session, call_id].cancel()
