"""Who is let in, in which order things are refused, and what no face reads."""

import asyncio
import json
import socket

import httpx2
import pytest
from starlette.testclient import TestClient

from agent_reasoning.api import bounds
from agent_reasoning.api.access import Access
from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.errors import Overloaded
from agent_reasoning.service.keys import Keys, new_key
from agent_reasoning.service.reason import ReasoningService
from tests.live import serving

ASK = {"question": "?", "context": {"steps": {"a": [], "b": ["a"]}}}
BOT, BOT_LINE = new_key("bot")
OTHER, OTHER_LINE = new_key("other")
EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/t", "ce-type": "io.homelab.reasoning.requested"}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def application(registry, models, limits=None, **access):
    service = ReasoningService(registry, models)
    keys = Keys([BOT_LINE, OTHER_LINE])
    return TestClient(create_app(service, limits, access=Access(keys, **access)), raise_server_exceptions=False)


@pytest.fixture(scope="module")
def locked(registry, models):
    with application(registry, models) as client:
        yield client


def counted(client, series):
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series))


@pytest.mark.parametrize(
    "headers",
    [
        bearer(BOT),
        {"authorization": f"bearer   {BOT}"},
        {"x-api-key": BOT},
        {"authorization": "Basic x", "x-api-key": BOT},
    ],
)
def test_a_key_is_taken_as_a_bearer_or_as_x_api_key(locked, headers):
    assert locked.post("/reason", json=ASK, headers=headers).json()["verified"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing"),
        (bearer("ar_nobody"), "unknown"),
        (bearer(BOT + "x"), "unknown"),
        (bearer("x" * 5000), "unknown"),
        ({"x-api-key": "ünknown".encode()}, "unknown"),
        ({"authorization": "Bearer"}, "malformed"),
        ({"authorization": "Basic x"}, "malformed"),
        ({"x-api-key": " "}, "malformed"),
        ([("authorization", f"Bearer {BOT}"), ("authorization", f"Bearer {BOT}")], "malformed"),
    ],
)
def test_who_has_no_key_is_refused_with_a_challenge_and_counted(locked, headers, reason):
    series = f'agent_reasoning_unauthenticated_total{{reason="{reason}"}}'
    before = counted(locked, series)

    response = locked.post("/reason", json=ASK, headers=headers)

    assert (response.status_code, response.json()["type"]) == (401, "urn:agent-reasoning:problem:unauthenticated")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert counted(locked, series) == before + 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/reason"), ("GET", "/tasks"), ("GET", "/tasks/rollout"), ("GET", "/models"), ("GET", "/nowhere"),
     ("GET", "/health/"), ("GET", "/v1/models"), ("POST", "/v1/anything"), ("GET", "/mcp"), ("POST", "/mcp/"),
     ("OPTIONS", "/reason"), ("PUT", "/health/x")],
)  # fmt: skip
def test_every_path_needs_a_key_that_is_not_named_as_open(locked, method, path):
    response = locked.request(method, path, follow_redirects=False)

    assert response.status_code == 401
    if path.startswith("/v1/"):
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
        assert response.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/docs", "/openapi.json"])
def test_what_the_cluster_asks_needs_none(locked, path):
    assert locked.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/static/page.css", "/favicon.ico"])
def test_a_page_needs_none_before_it_can_send_one(locked, path):
    assert locked.get(path).status_code != 401


def test_what_only_looks_like_a_page_needs_one(locked):
    assert locked.post("/static/page.css").status_code == 401
    assert locked.get("/static").status_code == 401


def test_events_need_none_unless_that_is_asked_for(registry, models, locked):
    delivered = locked.post("/events", json=ASK, headers=EVENT)
    with application(registry, models, events_need_key=True) as strict:
        refused = strict.post("/events", json=ASK, headers=EVENT)
        at_root = strict.post("/", json=ASK, headers=EVENT)
        allowed = strict.post("/events", json=ASK, headers=EVENT | bearer(BOT))

    assert delivered.headers["ce-type"] == allowed.headers["ce-type"] == "io.homelab.reasoning.completed"
    assert (refused.status_code, at_root.status_code) == (401, 401)


def test_limits_are_those_of_the_key_not_of_the_address(registry, models):
    with application(registry, models, Limits(rate="2/hour", trusted_hops=1)) as client:

        def send(key, address):
            return client.post("/reason", json=ASK, headers=bearer(key) | {"x-forwarded-for": address}).status_code

        assert [send(BOT, address) for address in ("1.1.1.1", "2.2.2.2", "3.3.3.3")] == [200, 200, 429]
        assert send(OTHER, "1.1.1.1") == 200


def test_without_keys_configured_a_made_up_key_is_no_client_of_its_own(registry, models):
    with TestClient(create_app(ReasoningService(registry, models), Limits(rate="2/hour"))) as client:
        statuses = [client.post("/reason", json=ASK, headers=bearer(f"made-up-{n}")).status_code for n in range(3)]

    assert statuses == [200, 200, 429]


def test_reads_are_limited_too_and_have_a_count_of_their_own(registry, models):
    with TestClient(create_app(ReasoningService(registry, models), Limits(rate="2/hour"))) as client:
        reads = [client.get(path) for path in ("/tasks", "/models", "/tasks/rollout")]
        asked = client.post("/reason", json=ASK)
        listed = client.get("/v1/models")

    assert [response.status_code for response in reads] == [200, 200, 429]
    assert int(reads[-1].headers["retry-after"]) >= 1
    assert asked.status_code == 200
    assert (listed.status_code, listed.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(listed.headers["retry-after"]) >= 1


def test_who_keeps_trying_keys_is_limited_and_harms_nobody_who_has_one(registry, models):
    with application(registry, models, Limits(rate="3/hour")) as client:
        statuses = [client.get("/tasks", headers=bearer(f"guess-{n}")).status_code for n in range(5)]
        let_in = client.get("/tasks", headers=bearer(BOT)).status_code

    assert statuses == [401, 401, 401, 429, 429]
    assert let_in == 200


def test_what_is_refused_for_want_of_room_does_not_count_against_the_client(registry, models, monkeypatch):
    service = ReasoningService(registry, models)
    with TestClient(create_app(service, Limits(rate="2/hour"))) as client:

        def full():
            raise Overloaded("Full.")

        with monkeypatch.context() as patched:
            patched.setattr(service, "check_open", full)
            refused = [
                client.post(path, json=ASK).status_code for path in ("/reason", "/v1/chat/completions", "/mcp") * 2
            ]
        answered = [client.post("/reason", json=ASK).status_code for _ in range(3)]

    assert refused == [503] * 6
    assert answered == [200, 200, 429]


def test_what_loses_its_room_on_the_way_to_the_engine_does_not_count_either(registry, models, monkeypatch):
    service = ReasoningService(registry, models)
    with TestClient(create_app(service, Limits(rate="2/hour"))) as client:

        async def full(*_, **__):
            raise Overloaded("Full.")

        with monkeypatch.context() as patched:
            patched.setattr(service, "reason", full)
            refused = [client.post("/reason", json=ASK).status_code for _ in range(4)]
        answered = [client.post("/reason", json=ASK).status_code for _ in range(3)]

    assert refused == [503] * 4
    assert answered == [200, 200, 429]


def test_a_draining_service_still_says_what_it_can(registry, models):
    service = ReasoningService(registry, models)
    with TestClient(create_app(service)) as client:
        service.draining = True

        assert client.get("/tasks").status_code == 200
        refused = client.post("/v1/chat/completions", json={})

    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "server_error")
    assert int(refused.headers["retry-after"]) >= 1


def test_pages_of_other_origins_may_not_ask_unless_they_are_named(registry, models, client):
    preflight = {"origin": "https://a.example", "access-control-request-method": "POST",
                 "access-control-request-headers": "authorization,content-type"}  # fmt: skip

    closed = client.options("/reason", headers=preflight)
    with application(registry, models, origins=("https://a.example",)) as named:
        allowed = named.options("/reason", headers=preflight)
        other = named.options("/reason", headers=preflight | {"origin": "https://b.example"})
        refused = named.post("/reason", json=ASK, headers={"origin": "https://a.example"})

    assert "access-control-allow-origin" not in closed.headers
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://a.example")
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in other.headers
    # A page has to be able to read why it was refused.
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")


def test_a_page_may_send_what_clients_of_openai_and_mcp_send_in_browsers(registry, models):
    sent = "authorization,content-type,x-stainless-lang,x-stainless-retry-count,mcp-protocol-version,mcp-session-id"
    preflight = {"origin": "https://a.example", "access-control-request-method": "POST",
                 "access-control-request-headers": sent}  # fmt: skip

    with application(registry, models, origins=("https://a.example",)) as named:
        allowed = named.options("/v1/chat/completions", headers=preflight)
        read = named.get("/v1/models", headers={"origin": "https://a.example"} | bearer(BOT))

    assert allowed.status_code == 200
    assert set(sent.split(",")) <= set(allowed.headers["access-control-allow-headers"].split(","))
    assert "mcp-session-id" in read.headers["access-control-expose-headers"]


def test_a_page_can_read_of_an_unexpected_failure(registry, models, monkeypatch):
    service = ReasoningService(registry, models)
    app = create_app(service, access=Access(origins=("https://a.example",)))
    with TestClient(app, raise_server_exceptions=False) as client:

        async def broken(*_, **__):
            raise ZeroDivisionError

        monkeypatch.setattr(service, "reason", broken)
        response = client.post("/reason", json=ASK, headers={"origin": "https://a.example"})

    assert (response.status_code, response.headers["access-control-allow-origin"]) == (500, "https://a.example")


async def reads_by_itself(scope, receive, send):
    """A face that reads its body by a library that knows no limit, and tells whatever goes wrong in its own way."""
    try:
        while (message := await receive()).get("more_body"):
            pass
        status = 200 if message["type"] == "http.request" else 400
    except Exception:
        status = 500
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def chunks(count, size=1000):
    for _ in range(count):
        yield b" " * size


@pytest.mark.parametrize(("path", "form"), [("/face", "type"), ("/v1/face", "error")])
def test_a_body_is_bounded_whoever_reads_it(registry, models, path, form):
    app = create_app(ReasoningService(registry, models), Limits(max_body_bytes=5000))
    app.mount("/face", reads_by_itself)
    app.mount("/v1/face", reads_by_itself)
    with TestClient(app) as client:
        fits = client.post(path, content=chunks(5))
        declared = client.post(path, content=b" " * 5001)
        unannounced = client.post(path, content=chunks(6))

    assert fits.status_code == 200
    assert (declared.status_code, unannounced.status_code) == (413, 413)
    assert form in declared.json()
    assert form in unannounced.json()


def test_a_body_that_does_not_arrive_is_not_waited_for_whoever_reads_it(registry, models, monkeypatch):
    monkeypatch.setattr(bounds, "READ_SECONDS", 0.05)
    app = create_app(ReasoningService(registry, models))
    app.mount("/face", reads_by_itself)
    sent = []

    async def stalled():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/face/", "raw_path": b"/face/", "query_string": b"",
             "headers": [(b"host", b"x")], "client": ("1.1.1.1", 1), "server": ("x", 80), "scheme": "http",
             "http_version": "1.1", "root_path": ""}  # fmt: skip
    asyncio.run(app(scope, stalled, send))

    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["type"].endswith("body-too-slow")


def test_a_web_socket_is_no_way_around(locked):
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), locked.websocket_connect("/reason"):
        pass


def test_neither_keys_nor_guesses_reach_the_log_and_clients_do():
    guess = "ar_guess-that-nobody-may-read"
    with serving(API_KEYS=f"{BOT_LINE},{OTHER_LINE}", LOG_LEVEL="debug") as (process, url):
        with httpx2.Client(base_url=url) as client:
            statuses = [
                client.get("/tasks", headers=headers).status_code
                for headers in (bearer(BOT), {"x-api-key": OTHER}, bearer(guess), {"x-api-key": guess}, {})
            ]
        process.terminate()
        log = process.communicate(timeout=240)[1].decode()

    lines = [json.loads(line) for line in log.splitlines()]
    assert statuses == [200, 200, 401, 401, 401]
    assert not [secret for secret in (BOT, OTHER, guess, BOT_LINE, OTHER_LINE) if secret in log]
    assert [line["reason"] for line in lines if line["event"] == "access.refused"] == ["unknown", "unknown", "missing"]
    assert {"access.events_open", "access.refused"} <= {line["event"] for line in lines}
    assert [line.get("client") for line in lines if line["event"] == "http.request" and line["path"] == "/tasks"] == [
        "bot", "other", None, None, None,
    ]  # fmt: skip


def test_a_client_that_sends_half_a_header_is_no_client(live):
    host, port = live.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"GET /tasks HTTP/1.1\r\nhost: [\r\nauthorization: Bearer \xff\r\n\r\n")

        assert connection.recv(4096).split(b" ")[1] in (b"200", b"400")
