"""Whatever is wrong, below /v1 it is told in OpenAI's shape, with the field that is at fault; and the next request is served."""

import json

import pytest
from starlette.testclient import TestClient

from agent_reasoning import errors
from agent_reasoning.api.app import Limits, create_app
from agent_reasoning.api.openai.errors import body_of
from agent_reasoning.service.reason import ReasoningService
from tests.api.conftest import MAX_BODY
from tests.api.openai.asks import PLANNER, QUESTION, WEATHER, ask_responses, chat, message_of
from tests.api.test_bad_input import leaves

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
USER = {"role": "user", "content": QUESTION}


def told(response):
    """(status, code, param, message) of an error, whose shape is checked."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert all(isinstance(error[name], str) and error[name] for name in ("message", "type", "code"))
    assert response.headers["x-request-id"]
    return response.status_code, error["code"], error["param"], error["message"]


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("content", "status", "code", "words"),
    [
        (b"", 400, "malformed_body", "not JSON"),
        (b"{", 400, "malformed_body", "line 1, column 2"),
        (b'{"model": NaN}', 400, "malformed_body", "NaN"),
        (b"\xff", 400, "malformed_body", "UTF-8"),
        (b'{"a":' * 3000, 400, "malformed_body", "deeply"),
        (b"[]", 400, "invalid_request", "request"),
        (b'{"model": 1, "model": 2}', 400, "invalid_request", "twice"),
        (b" " * (MAX_BODY + 1), 413, "body_too_large", str(MAX_BODY)),
    ],
    ids=["empty", "cut off", "NaN", "not UTF-8", "deep", "a list", "twice", "large"],
)
def test_a_body_that_cannot_be_read_is_told(client, path, content, status, code, words):
    response = client.post(path, content=content, headers={"content-type": "application/json"})

    assert told(response)[:2] == (status, code)
    assert words in told(response)[3]


FIELDS = {
    "no messages": ({"messages": []}, "messages", "invalid_request"),
    "messages of another type": ({"messages": "hello"}, "messages", "invalid_request"),
    "an unknown role": ({"messages": [{"role": "wizard", "content": ""}]}, "messages[0].role", "invalid_request"),
    "a number for content": ({"messages": [USER, {"role": "user", "content": 7}]}, "messages[1].content", "invalid_request"),
    "an image": ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content", "invalid_request"),
    "a model of another type": ({"model": 7}, "model", "invalid_request"),
    "too many choices": ({"n": 9}, "n", "invalid_request"),
    "no choices": ({"n": 0}, "n", "invalid_request"),
    "text for a number": ({"seed": "1"}, "seed", "invalid_request"),
    "too hot": ({"temperature": 2.1}, "temperature", "invalid_request"),
    "no tokens": ({"max_tokens": 0}, "max_tokens", "invalid_request"),
    "a field that nobody knows": ({"temprature": 1}, "temprature", "unknown_parameter"),
    "logprobs": ({"logprobs": True}, "logprobs", "unsupported_parameter"),
    "a bias": ({"logit_bias": {"1": 2}}, "logit_bias", "unsupported_parameter"),
    "audio": ({"audio": {"voice": "x"}}, "audio", "unsupported_parameter"),
    "sound": ({"modalities": ["audio"]}, "modalities[0]", "invalid_request"),
    "a required call of nothing": ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
    "a tool that is not offered": (
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "ghost"}}}, "tool_choice", "invalid_value",
    ),
    "a choice in no form": ({"tools": [WEATHER], "tool_choice": 7}, "tool_choice", "invalid_value"),
    "a tool of another kind": ({"tools": [{"type": "custom"}]}, "tools[0].type", "unsupported_value"),
    "a tool twice": ({"tools": [WEATHER, WEATHER]}, "tools[1]", "invalid_value"),
    "a tool without a name": ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "invalid_request"),
    "parameters that are no schema": (
        {"tools": [{"type": "function", "function": {"name": "plan_rollout", "parameters": {"type": "nonsense"}}}]},
        "tools", "invalid_function_parameters",
    ),
    "an unknown format": ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    "a format that is no schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}},
        "response_format", "invalid_json_schema",
    ),
    "a schema that no answer fits": (
        {"response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}}}},
        "response_format", "schema_not_satisfied",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FIELDS)
def test_a_field_of_a_completion_that_cannot_be_used_is_named(client, case):
    fields, param, code = FIELDS[case]

    status, found, where, _ = told(chat(client, **fields))

    assert (status, found, where) == (400, code, param)
    assert message_of(chat(client))["verified"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"model": "gpt-4"}, "invalid-request"),
        ({"tool_choice": "required"}, "invalid-request"),
        ({"temperature": 9}, "invalid-request"),
        ({"messages": [{"role": "user", "content": '{"context": {"steps": {"a": []}}, "samples": 99}'}]}, "invalid-request"),
        ({"messages": [{"role": "user", "content": '{"steps": {"a": ["a"]}}'}]}, "invalid-context"),
        ({"messages": [{"role": "user", "content": "What is 1 / 0?"}]}, "function-failed"),
    ],
)  # fmt: skip
def test_what_is_refused_is_counted_once(client, fields, status):
    def counted():
        lines = client.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith("agent_reasoning_requests_total{")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in found}

    before = counted()
    chat(client, **fields)
    grown = {name: value - before.get(name, 0) for name, value in counted().items() if value != before.get(name, 0)}

    assert list(grown.values()) == [1]
    assert f'status="{status}"' in next(iter(grown))


RESPONSE_FIELDS = {
    "nothing": ({"input": []}, "input", "invalid_request"),
    "a number": ({"input": 7}, "input", "invalid_request"),
    "a message of nobody's": ({"input": [{"content": "hello"}]}, "input[0].role", "invalid_value"),
    "an item of another kind": ({"input": [{"type": "image_generation_call"}]}, "input[0].type", "unsupported_value"),
    "an image": ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content", "invalid_request"),
    "an earlier response": ({"previous_response_id": "resp_1"}, "previous_response_id", "unsupported_parameter"),
    "a conversation": ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
    "later": ({"background": True}, "background", "unsupported_parameter"),
    "a search of the web": ({"tools": [{"type": "web_search"}]}, "tools[0].type", "unsupported_value"),
    "a schema that no answer fits": (
        {"text": {"format": {"type": "json_schema", "name": "x", "schema": {
            "type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}}}},
        "text.format", "schema_not_satisfied",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RESPONSE_FIELDS)
def test_a_field_of_a_response_that_cannot_be_used_is_named(client, case):
    fields, param, code = RESPONSE_FIELDS[case]

    assert told(ask_responses(client, **fields))[:3] == (400, code, param)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        ('{"steps": {"a": ["b"], "b": ["a"]}}', "invalid_context", "a → b → a"),
        ('{"steps": {"a": [}}', "invalid_context", "broken"),
        ('{"question": "?", "context": {"steps": {"a": []}}, "samples": 65}', "invalid_request", "64"),
        ('{"question": "?", "context": {"steps": {"a": []}}, "task": "ghost"}', "unknown_task", "ghost"),
    ],
)
def test_a_problem_that_cannot_be_solved_is_told_as_post_reason_would(client, content, code, words, stream):
    for response, param in (
        (chat(client, content, stream=stream), "messages"),
        (ask_responses(client, content, stream=stream), "input"),
    ):
        status, found, where, message = told(response)
        assert (status, found) == (400 if code == "invalid_request" else 422, code)
        assert where in (param, "samples")
        assert words in message


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", CHAT, 405, "method_not_allowed"),
        ("DELETE", RESPONSES, 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/models/ghost", 404, "model_not_found"),
        ("GET", "/v1/responses/resp_1", 404, "not_found"),
        ("POST", "/v1/embeddings", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
    ],
)
def test_a_wrong_path_or_method_is_told_in_the_same_shape(client, method, path, status, code):
    assert told(client.request(method, path))[:2] == (status, code)


def test_other_paths_keep_their_own_shape(client):
    assert client.get("/v2").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    "declared", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_body_declared_as_something_else_is_not_read(client, path, declared):
    response = client.post(path, content=b'{"model": "hrm-27m"}', headers={"content-type": declared})

    assert told(response)[:2] == (415, "unsupported_media_type")


def test_a_client_that_sends_too_much_is_told_when_to_come_back(registry, models):
    app = create_app(ReasoningService(registry, models), Limits(rate="3/hour", trusted_hops=1))
    with TestClient(app) as client:
        first = client.post(
            "/reason", json={"question": "?", "context": {"steps": {"a": []}}}, headers={"x-forwarded-for": "1.1.1.1"}
        )
        client.headers["x-forwarded-for"] = "1.1.1.1"
        allowed = [chat(client).status_code, ask_responses(client).status_code]
        refused = chat(client)

    assert [first.status_code, *allowed] == [200, 200, 200]  # one limit for all faces
    assert told(refused)[:2] == (429, "rate_limit_exceeded")
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert 0 < int(refused.headers["retry-after"]) <= 3600


@pytest.mark.parametrize("content", [QUESTION, "hello"])
def test_a_draining_service_sends_elsewhere(registry, models, content):
    service = ReasoningService(registry, models)
    with TestClient(create_app(service)) as client:
        service.draining = True
        refused = [chat(client, content), chat(client, content, stream=True), ask_responses(client, content)]

    for response in refused:
        assert told(response)[:2] == (503, "not_ready")
        assert response.json()["error"]["type"] == "server_error"
        assert int(response.headers["retry-after"]) >= 1


def test_an_unexpected_fault_tells_nothing_of_the_inside(registry, models):
    service = ReasoningService(registry, models)
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        service.prepare = lambda request: 1 / 0
        response = chat(client)

    assert told(response)[:2] == (500, "internal")
    assert "division" not in response.text


def test_what_fails_before_it_reaches_the_service_is_counted(client):
    def counted(code):
        label = f'agent_reasoning_requests_total{{status="{code}",task_type="general"}}'
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(label))

    names = ("malformed-body", "invalid-request", "invalid-context", "unmappable-context", "completed")
    before = [counted(name) for name in names]
    client.post(CHAT, content=b"{")
    chat(client, n=9)
    chat(client, '{"steps": {"a": [}}')
    chat(client, "hello")
    chat(client, tools=[PLANNER])

    assert [counted(name) - was for name, was in zip(names, before, strict=True)] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "kind", [kind for kind in leaves(errors.ReasoningError) if not issubclass(kind, errors.ConfigurationError)]
)
def test_every_error_has_a_code_of_its_own_here_too(kind):
    error = kind("?", 1.0) if kind is errors.RateLimited else kind("?")

    told = body_of(error, CHAT)

    assert json.dumps(told)
    theirs = {"rate-limited": "rate_limit_exceeded", "unauthenticated": "invalid_api_key"}
    assert told["code"] == theirs.get(kind.code, kind.code.replace("-", "_"))
