"""/v1/functions over HTTP, and questions that a function answers."""

import pytest
from starlette.testclient import TestClient

from agent_reasoning.api.access import Access
from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.schemas import ReasonResponse
from agent_reasoning.service.functions import Functions, SandboxLimits
from agent_reasoning.service.keys import Keys, new_key
from agent_reasoning.service.reason import ReasoningService
from tests.api.conftest import MAX_BODY

ADD = {"name": "add", "code": "def add(a: int, b: int) -> int:\n    return a + b\n", "description": "Adds."}
KEY, LINE = new_key("tests")
OPENAI = {"message", "type", "param", "code"}


@pytest.fixture(scope="module")
def enabled(registry, models):
    service = ReasoningService(registry, models, functions=Functions(SandboxLimits(seconds=0.5)))
    app = create_app(service, Limits(max_body_bytes=MAX_BODY), access=Access(Keys([LINE])))
    with TestClient(app, raise_server_exceptions=False, headers={"authorization": f"Bearer {KEY}"}) as client:
        yield client


@pytest.fixture(autouse=True)
def _without_leftovers(enabled):
    yield
    enabled.delete("/v1/functions/add")


def error(response):
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == OPENAI
    return response.json()["error"]


def test_a_function_is_registered_by_a_json_body_listed_called_replaced_and_deleted(enabled):
    registered = enabled.post("/v1/functions/register", json=ADD)
    listed = {each["name"]: each for each in enabled.get("/v1/functions").json()["functions"]}
    called = enabled.post("/v1/functions/add/call", json={"arguments": {"a": 5, "b": 3}})
    replaced = enabled.put(
        "/v1/functions/add", json={"code": "def add(x):\n    print(x)\n    return [x]\n", "description": "Wraps."}
    )
    again = enabled.post("/v1/functions/add/call", json={"arguments": {"x": None}})
    deleted = enabled.delete("/v1/functions/add")

    assert registered.json()["message"] == "Function add registered successfully"
    assert listed["add"]["parameters"]["required"] == ["a", "b"]
    assert [each["builtin"] for each in listed.values()] == [True] * 4 + [False]
    assert called.json() == {"result": 8, "output": ""}
    assert replaced.json()["function"]["description"] == "Wraps."
    assert again.json() == {"result": [None], "output": "None\n"}
    assert (deleted.status_code, enabled.get("/v1/functions/add").status_code) == (204, 404)


@pytest.mark.parametrize(("method", "path"), [("POST", "register"), ("PUT", "add"), ("POST", "calculate/call")])
def test_a_page_cannot_register_code_by_a_form(enabled, method, path):
    response = enabled.request(method, f"/v1/functions/{path}", json=ADD, headers={"content-type": "text/plain"})

    assert (response.status_code, error(response)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "words"),
    [
        ("POST", "/register", ADD | {"name": "a b"}, 400, "invalid_request", "name"),
        ("POST", "/register", ADD | {"name": "ａdd"}, 400, "invalid_request", "name"),
        ("POST", "/register", ADD | {"name": "__init__"}, 400, "invalid_request", "name"),
        ("POST", "/register", ADD | {"extra": 1}, 400, "invalid_request", "extra"),
        ("POST", "/register", {"name": "add"}, 400, "invalid_request", "code"),
        ("POST", "/register", ADD | {"code": "#" * 16_385}, 400, "invalid_request", "16384"),
        ("POST", "/register", ADD | {"code": "def add(:"}, 422, "invalid_function", "Line 1"),
        ("POST", "/register", ADD | {"name": "calculate"}, 409, "function_exists", "built in"),
        ("PUT", "/a-b", {"code": "x", "description": "x"}, 400, "invalid_request", "name"),
        ("DELETE", "/calculate", None, 409, "function_exists", "built in"),
        ("DELETE", "/nothing", None, 404, "unknown_function", "calculate"),
        ("GET", "/nothing", None, 404, "unknown_function", "calculate"),
        ("POST", "/nothing/call", {}, 404, "unknown_function", "calculate"),
        ("POST", "/calculate/call", {"arguments": {"expression": 3}}, 422, "function_failed", "expression"),
        ("POST", "/calculate/call", {"arguments": {"expression": "9**9**9"}}, 422, "function_failed", "too large"),
        ("POST", "/calculate/call", {"args": {}}, 400, "invalid_request", "args"),
        ("PATCH", "/calculate", {}, 405, "method_not_allowed", "Allowed"),
        ("GET", "/a/b/c", None, 404, "not_found", "Found"),
    ],
)
def test_what_is_wrong_is_told_in_openais_form(enabled, method, path, body, status, code, words):
    response = enabled.request(method, f"/v1/functions{path}", json=body)

    told = error(response)
    assert (response.status_code, told["code"], told["type"]) == (status, code, "invalid_request_error")
    assert words in told["message"]


@pytest.mark.parametrize(
    ("content", "status"), [("{", 400), ('{"a": NaN}', 400), ("[" * 9000, 400), (b" " * (MAX_BODY + 1), 413)]
)
def test_a_body_that_cannot_be_read_is_told_in_openais_form(enabled, content, status):
    response = enabled.post("/v1/functions/register", content=content)

    assert response.status_code == status
    assert error(response)["code"] in ("malformed_body", "body_too_large")


def test_without_a_key_there_is_nothing_to_see_or_to_do(enabled):
    for method, path in [
        ("GET", ""),
        ("POST", "/register"),
        ("PUT", "/add"),
        ("DELETE", "/add"),
        ("POST", "/calculate/call"),
    ]:
        response = enabled.request(method, f"/v1/functions{path}", json=ADD, headers={"authorization": "Bearer nobody"})

        assert response.status_code == 401
        assert error(response)["code"] == "invalid_api_key"


def test_they_are_off_unless_they_are_enabled(client):
    assert client.get("/v1/functions").status_code == 404
    assert client.post("/v1/functions/register", json=ADD).status_code == 404
    assert "/v1/functions" not in client.get("/openapi.json").json()["paths"]


def test_a_question_about_arithmetic_is_answered_by_a_function_and_checked_by_another_method(client):
    body = client.post("/reason", json={"question": "What's 15 + 25 * 3?", "conversation_id": "c", "seed": 4}).json()

    assert set(body) == set(ReasonResponse.model_fields)
    assert body["answer"] == "15 + 25 * 3 = 90"
    assert body["solution"] == {"function": "calculate", "arguments": {"expression": "15 + 25 * 3"}, "result": 90}
    assert (body["source"], body["task"], body["model"]) == ("function", "calculate", "function:calculate")
    assert (body["verified"], body["violations"], body["confidence"]) == (True, [], 1.0)
    assert (body["halted_by"], body["steps"], body["reasoning_trace"]) == ("function", 0, [])
    assert (body["task_type"], body["seed"], body["conversation_id"]) == ("general", 4, "c")


def test_a_rounded_result_says_so_and_holds_the_exact_one(client):
    body = client.post("/reason", json={"question": "What is 10 / 3?"}).json()

    assert body["answer"] == "10 / 3 ≈ 3.3333333333333335"
    assert body["solution"]["exact"] == "10/3"
    assert body["verified"]


def test_a_value_that_nothing_could_check_is_not_called_verified(client):
    body = client.post("/reason", json={"question": "What is 2 ^ 0.5?"}).json()

    assert (body["verified"], body["confidence"]) == (False, 0.0)
    assert "could not be checked" in body["violations"][0]
    refused = client.post("/reason", json={"question": "What is 2 ^ 0.5?", "require_verified": True})
    assert refused.json()["type"].endswith("not-verified")


def test_arithmetic_without_a_value_is_an_error_that_says_why(client):
    response = client.post("/reason", json={"question": "What is 1 / 0?"})

    assert (response.status_code, response.json()["type"]) == (422, "urn:agent-reasoning:problem:function-failed")
    assert "divides by zero" in response.json()["detail"]


@pytest.mark.parametrize(
    "fields", [{"context": {"nodes": 3}}, {"task": "rollout"}, {"task_type": "planning"}, {"source_policy": "model"}]
)
def test_who_asks_for_a_task_or_for_the_model_gets_no_function(client, fields):
    assert client.post("/reason", json={"question": "What's 15 + 25 * 3?"} | fields).status_code == 422


def test_the_stream_of_a_computed_answer_is_its_result(client):
    response = client.post("/reason", json={"question": "What's 1 + 1?"}, headers={"accept": "text/event-stream"})

    assert [line for line in response.text.splitlines() if line.startswith("event:")] == ["event: result"]


def test_an_event_that_asks_for_arithmetic_is_completed(client):
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "sum-1",
        "ce-source": "/t",
        "ce-type": "io.homelab.reasoning.requested",
    }

    response = client.post("/events", json={"question": "What's 15 + 25 * 3?"}, headers=headers)

    assert (response.headers["ce-type"], response.headers["ce-verified"]) == ("io.homelab.reasoning.completed", "true")
    assert response.json()["solution"]["result"] == 90


def test_metrics_count_who_answered(client):
    client.post("/reason", json={"question": "What's 1 + 2?"})

    text = client.get("/metrics").text
    assert 'agent_reasoning_answers_total{source="function",task="calculate"}' in text
    assert 'agent_reasoning_halted_total{by="function",task="calculate"}' in text
