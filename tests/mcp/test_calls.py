import asyncio

from starlette.requests import Request

from agent_reasoning.api.mcp.calls import Calls


def request_of(session):
    headers = [] if session is None else [(b"mcp-session-id", session.encode())]
    return Request({"type": "http", "headers": headers})


def test_a_call_is_cancelled_under_its_session_and_id_while_it_runs():
    async def cancel():
        calls, request = Calls(), request_of("a")
        with calls.cancellable(request, 1) as scope:
            calls.cancel(request, 1)
        with calls.cancellable(request, 1) as later:
            pass
        return scope.cancel_called, later.cancel_called

    assert asyncio.run(cancel()) == (True, False)


def test_nobody_cancels_anothers_call():
    async def cancel():
        calls = Calls()
        with calls.cancellable(request_of("a"), 1) as scope:
            for session, call_id in [("b", 1), (None, 1), ("a", 2), ("a", "1"), ("a", None), ("a", [1]), ("a", {})]:
                calls.cancel(request_of(session), call_id)
        return scope.cancel_called

    assert not asyncio.run(cancel())


def test_calls_without_a_session_cannot_be_cancelled_by_anybody():
    async def cancel():
        calls = Calls()
        with calls.cancellable(request_of(None), 1) as first, calls.cancellable(None, 1) as second:
            calls.cancel(request_of(None), 1)
        return first.cancel_called, second.cancel_called

    assert asyncio.run(cancel()) == (False, False)


def test_an_id_that_is_used_twice_is_the_later_calls():
    async def cancel():
        calls, request = Calls(), request_of("a")
        with calls.cancellable(request, 1) as first:
            with calls.cancellable(request, 1) as second:
                calls.cancel(request, 1)
            calls.cancel(request, 1)
        return first.cancel_called, second.cancel_called

    assert asyncio.run(cancel()) == (False, True)
