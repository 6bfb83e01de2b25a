"""/mcp as HTTP: what is refused, by whom it may be called, and the limits that hold there as on /reason."""

import asyncio
import json

import pytest
from starlette.testclient import TestClient

from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.api.mcp.hosts import McpOptions
from agent_reasoning.service.reason import ReasoningService
from tests.test_server import LONG

MAX_BODY = 20_000
SMALL = {"context": {"steps": {"a": [], "b": ["a"]}}}
HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "rollout"}
ENVELOPE = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
INITIALIZE = {
    "jsonrpc": "2.0", "id": 0, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}  # fmt: skip


def serving(registry, models, *, options=None, limits=None, service=None):
    options = options or McpOptions(hosts=("testserver",))
    app = create_app(service or ReasoningService(registry, models), limits, mcp=options)
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client(registry, models):
    with serving(registry, models, limits=Limits(max_body_bytes=MAX_BODY)) as client:
        yield client


def call(arguments=SMALL, tool="rollout"):
    return {
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": ENVELOPE},
    }  # fmt: skip


def post(client, message, headers=None, **changed):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return client.post("/mcp", content=body, headers={**HEADERS, **MODERN, **(headers or {}), **changed})


def error_of(response):
    found = response.json()
    assert (found["jsonrpc"], found["id"]) == ("2.0", None)
    return found["error"]


def test_a_call_without_a_session_is_answered_as_json(client):
    response = post(client, call())

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json()["id"] == 7
    assert response.json()["result"]["structuredContent"]["solution"]["waves"] == [["a"], ["b"]]
    assert response.json()["result"]["structuredContent"]["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
@pytest.mark.parametrize("session", [{}, {"mcp-session-id": "abc"}])
def test_there_is_no_stream_to_get_and_no_session_to_delete(client, method, session):
    response = client.request(method, "/mcp", headers=HEADERS | session)

    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert error_of(response)["data"]["type"].endswith("method-not-allowed")


@pytest.mark.parametrize("declared", ["text/plain", "application/x-www-form-urlencoded"])
def test_what_a_page_may_send_without_asking_first_is_refused_in_words_of_json_rpc(client, declared):
    response = post(client, call(), {"content-type": declared})

    assert response.status_code == 415
    assert declared in error_of(response)["message"]


def test_a_slash_at_the_end_leads_to_the_same(client):
    response = client.post("/mcp/", content=json.dumps(call()).encode(), headers=HEADERS | MODERN)

    assert response.json()["result"]["isError"] is False


def test_each_session_of_the_older_revisions_gets_an_id_of_its_own(client):
    ids = {client.post("/mcp", json=INITIALIZE, headers=HEADERS).headers["mcp-session-id"] for _ in range(3)}

    assert len(ids) == 3


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        (b"{", 400, -32700, "not JSON"),
        (b"", 400, -32700, "not JSON"),
        (b"\xff", 400, -32700, "not UTF-8"),
        (b'{"a": NaN}', 400, -32700, "NaN"),
        (b"[" * 10_000, 400, -32700, "nested too deeply"),
        (b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "ping"}', 422, -32600, "twice: id"),
        (b" " * (MAX_BODY + 1), 413, -32600, f"larger than {MAX_BODY} bytes"),
    ],
    ids=["half", "empty", "bytes", "NaN", "deep", "twice", "large"],
)
def test_what_cannot_be_read_is_an_error_of_json_rpc_without_an_id(client, body, status, code, words):
    response = post(client, body)
    error = error_of(response)

    assert (response.status_code, error["code"]) == (status, code)
    assert words in error["message"]
    assert error["data"]["status"] == status
    assert error["data"]["request_id"] == response.headers["x-request-id"]


def test_a_body_that_hides_its_size_is_cut_off_all_the_same(client):
    response = client.post("/mcp", content=(b" " * 1000 for _ in range(30)), headers=HEADERS | MODERN)

    assert response.status_code == 413


@pytest.mark.parametrize("message", [[call()], [], 3, "x", None, {}, {"id": 1}])
@pytest.mark.parametrize("headers", [{}, {"mcp-protocol-version": "2025-06-18"}], ids=["modern", "2025"])
def test_what_is_no_message_of_the_protocol_is_a_client_error(client, message, headers):
    response = post(client, message, headers)

    assert response.status_code == 400
    assert error_of(response)["code"] in (-32600, -32602)


def test_who_does_not_take_json_is_refused(client):
    assert post(client, call(), {"accept": "text/html"}).status_code == 406


@pytest.mark.parametrize("name", ["testserver", "testserver:8080", "TESTSERVER", "testserver."])
def test_the_services_own_name_is_answered_with_and_without_a_port(client, name):
    assert post(client, call(), host=name).status_code == 200


@pytest.mark.parametrize(
    "name", ["evil.example", "testserver.evil.example", "localhost", "", "[", "testserver@evil.example"]
)
def test_a_foreign_host_is_refused_and_told_what_sets_the_names(client, name):
    response = post(client, call(), host=name)

    assert response.status_code == 421
    assert "MCP_ALLOWED_HOSTS" in error_of(response)["message"]


@pytest.mark.parametrize("origin", ["http://localhost:6274", "http://127.0.0.1", "https://[::1]:1"])
def test_a_page_of_this_machine_may_ask(client, origin):
    assert post(client, call(), origin=origin).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "null", "http://testserver", "["]
)
def test_a_foreign_page_is_refused_whatever_host_it_names(client, origin):
    response = post(client, call(), origin=origin)

    assert response.status_code == 403
    assert "MCP_ALLOWED_ORIGINS" in error_of(response)["message"]


def test_whoever_sends_too_much_is_told_when_to_come_back(registry, models):
    with serving(registry, models, limits=Limits(rate="2/hour")) as client:
        responses = [post(client, call()) for _ in range(3)]
        metrics = client.get("/metrics").text

    assert [response.status_code for response in responses] == [200, 200, 429]
    assert int(responses[2].headers["retry-after"]) > 3000
    assert "2 requests a hour" in error_of(responses[2])["message"]
    assert 'agent_reasoning_requests_total{status="rate-limited",task_type="general"} 1.0' in metrics


def test_calls_count_towards_the_same_limit_as_post_reason(registry, models):
    with serving(registry, models, limits=Limits(rate="1/hour")) as client:
        plain = client.post("/reason", json={"question": "?", **SMALL})
        called = post(client, call())

    assert (plain.status_code, called.status_code) == (200, 429)


def test_a_service_that_drains_says_so_before_it_reads_the_call(registry, models):
    service = ReasoningService(registry, models)
    with serving(registry, models, service=service) as client:
        service.draining = True
        response = post(client, call())

    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert "draining" in error_of(response)["message"]
    assert error_of(response)["data"]["type"].endswith("not-ready")


def test_a_deadline_that_passes_before_the_first_step_is_an_error_of_the_tool(client):
    result = post(client, call(SMALL | {"timeout_seconds": 1e-9})).json()["result"]

    assert result["_meta"]["io.homelab.reasoning/error"]["code"] == "deadline-exceeded"
    assert "may succeed if it is tried again" in result["content"][0]["text"]


def test_a_fault_of_ours_is_told_without_what_it_was(registry, models, monkeypatch):
    service = ReasoningService(registry, models)

    async def fail(*_, **__):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(service, "reason", fail)
    with serving(registry, models, service=service) as client:
        modern = post(client, call())
        older = post(client, call(), {"mcp-protocol-version": "2025-06-18"})

    for response in (modern, older):
        assert '"isError":true' in response.text
        assert "The service failed on this request" in response.text
        assert "secret" not in response.text


def test_a_task_whose_model_is_not_loaded_is_no_tool(registry, models):
    with serving(registry, [model for model in models if model.task == "rollout"]) as client:
        listed = post(
            client, call() | {"method": "tools/list", "params": {"_meta": ENVELOPE}}, **{"mcp-method": "tools/list"}
        )
        called = post(client, call(tool="sudoku"), **{"mcp-name": "sudoku"})

    assert [tool["name"] for tool in listed.json()["result"]["tools"]] == ["rollout"]
    assert "The tools are: rollout." in called.json()["error"]["message"]


def test_without_options_there_is_no_mcp(registry, models):
    with TestClient(create_app(ReasoningService(registry, models))) as client:
        assert client.post("/mcp", json=INITIALIZE, headers=HEADERS).status_code == 404


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-06-18"])
def test_a_client_that_closes_its_connection_is_taken_off_the_engine(registry, models, revision):
    service = ReasoningService(registry, models, timeout_seconds=250)
    app = create_app(service, mcp=McpOptions(hosts=("testserver",)))
    body = json.dumps(call({"context": LONG["context"], "max_steps": 64})).encode()
    headers = HEADERS | MODERN | {"mcp-protocol-version": revision, "host": "testserver"}
    scope = {
        "type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    messages = iter([{"type": "http.request", "body": body}])
    sent = []

    async def receive():
        message = next(messages, None)
        if message is None:
            await until(lambda: service.running)
        return message or {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    async def leave():
        async with app.router.lifespan_context(app):
            await app(scope, receive, send)
            await until(lambda: not service.running)

    asyncio.run(leave())

    lines = service.metrics.render("")[0].decode().splitlines()
    assert [line for line in lines if 'status="client-gone"' in line and line.endswith(" 1.0")]
    assert sent[0]["status"] in (499, 200)  # a stream begins at once in the older revision


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)  # polls a condition; the test's own time limit ends it
