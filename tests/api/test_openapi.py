"""The service fuzzed from its own description: whatever fits it, and much that does not, gets no 5xx."""

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance

from agent_reasoning.service.keys import new_key
from tests.live import serving

OPERATIONS = [
    "POST /reason",
    "POST /events",
    "GET /",
    "GET /tasks",
    "GET /tasks/{name}",
    "GET /models",
    "GET /health",
    "GET /ready",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "POST /v1/chat/completions",
    "POST /v1/responses",
]
CHOSEN = [not_a_server_error, response_schema_conformance]


FUZZED = [(operation, GenerationMode.POSITIVE) for operation in OPERATIONS] + [
    ("POST /reason", GenerationMode.NEGATIVE),
    ("POST /events", GenerationMode.NEGATIVE),
    ("POST /v1/chat/completions", GenerationMode.NEGATIVE),
    ("POST /v1/responses", GenerationMode.NEGATIVE),
]


@pytest.mark.parametrize(("operation", "mode"), FUZZED)
def test_no_request_gets_a_server_error(live, operation, mode):
    method, path = operation.split(" ")
    schema = schemathesis.openapi.from_url(f"{live}/openapi.json")
    cases = schema[path][method].as_strategy(generation_mode=mode)

    @given(cases)
    @settings(max_examples=80 if method == "POST" else 5, suppress_health_check=list(HealthCheck), deadline=None)
    def fuzz(case):
        case.call_and_validate(checks=CHOSEN)

    fuzz()


FUNCTIONS = [
    "GET /v1/functions",
    "POST /v1/functions/register",
    "GET /v1/functions/{name}",
    "PUT /v1/functions/{name}",
    "DELETE /v1/functions/{name}",
    "POST /v1/functions/{name}/call",
]


@pytest.fixture(scope="module")
def with_functions():
    key, line = new_key("fuzz")
    with serving(FUNCTIONS_ENABLED="true", API_KEYS=line, LOG_LEVEL="error") as (_, url):
        yield url, {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("operation", FUNCTIONS)
def test_no_request_about_functions_gets_a_server_error(with_functions, operation):
    url, headers = with_functions
    method, path = operation.split(" ")
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")

    @given(schema[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    @settings(max_examples=40 if method != "GET" else 5, suppress_health_check=list(HealthCheck), deadline=None)
    def fuzz(case):
        case.call_and_validate(checks=CHOSEN, headers=headers)

    fuzz()


def test_every_operation_about_functions_is_fuzzed(with_functions):
    paths = httpx2.get(f"{with_functions[0]}/openapi.json").json()["paths"]

    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described - {"GET /metrics"} == set(OPERATIONS) | set(FUNCTIONS)


def test_the_description_names_the_request_and_its_errors(client):
    operation = client.get("/openapi.json").json()["paths"]["/reason"]["post"]

    properties = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"question", "context", "max_steps", "task_type", "conversation_id"} <= set(properties)
    assert {"200", "400", "401", "413", "422", "429", "503", "504"} <= set(operation["responses"])


def test_every_operation_is_fuzzed(client):
    paths = client.get("/openapi.json").json()["paths"]

    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert described - {"GET /metrics"} == set(OPERATIONS)
