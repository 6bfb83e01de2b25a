"""Which models there are, and who answers as which."""

import pytest
from starlette.testclient import TestClient

from agent_reasoning.api.app import create_app
from agent_reasoning.service.reason import ReasoningService
from tests.api.openai.asks import GRID, QUESTION, ask_responses, chat, message_of
from tests.engine.test_published import checkpoint, load


def test_every_model_is_listed_and_can_be_read_by_its_name(client):
    listed = client.get("/v1/models").json()

    names = [model["id"] for model in listed["data"]]
    assert listed["object"] == "list"
    assert set(names) == {"hrm-27m", "maze", "placement", "rollout", "root-cause", "sudoku"}
    for model in listed["data"]:
        assert client.get(f"/v1/models/{model['id']}").json() == model
        assert (model["object"], type(model["created"])) == ("model", int)


@pytest.mark.parametrize("model", ["hrm-27m", "rollout"])
def test_the_reply_names_the_model_that_answered(client, model):
    assert chat(client, model=model).json()["model"] == "rollout"
    assert ask_responses(client, model=model).json()["model"] == "rollout"


@pytest.mark.parametrize("send", [chat, ask_responses])
def test_a_model_that_is_not_there_is_not_found(client, send):
    response = send(client, model="gpt-6")

    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "hrm-27m, maze, placement, rollout" in error["message"]


def test_a_model_chosen_by_name_answers_its_own_task_alone(client):
    message = message_of(chat(client, GRID, model="rollout"))

    assert message["verified"] is False
    assert "Other problems are for other models: maze, placement, rollout, root-cause, sudoku." in message["content"]
    assert message_of(chat(client, GRID, model="sudoku"))["verified"]


@pytest.fixture(scope="module")
def with_hrm(registry, tmp_path_factory):
    """An HRM whose weights nobody has trained: its answers are wrong, and must be told so."""
    models = load(checkpoint(tmp_path_factory.mktemp("hrm"), family="hrm"), registry)
    with TestClient(create_app(ReasoningService(registry, models)), raise_server_exceptions=False) as client:
        yield client


def test_a_loaded_hrm_goes_by_its_name_and_the_other_models_by_theirs(with_hrm):
    assert {model["id"] for model in with_hrm.get("/v1/models").json()["data"]} == {
        "hrm-27m",
        "maze",
        "placement",
        "rollout",
        "root-cause",
    }
    assert chat(with_hrm, GRID).json()["model"] == "hrm-27m"
    assert chat(with_hrm, QUESTION).json()["model"] == "rollout"


def test_an_answer_that_is_not_verified_says_so_first(with_hrm):
    message = message_of(chat(with_hrm, GRID))

    assert message["content"].startswith("Not verified: ")
    assert (message["verified"], bool(message["violations"])) == (False, True)


def test_an_answer_that_is_not_verified_goes_into_no_json_that_cannot_say_so(with_hrm):
    grid = {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}
    silent = {"type": "object", "properties": {"grid": grid}, "required": ["grid"]}
    honest = {
        "type": "object",
        "properties": {"grid": grid, "verified": {"type": "boolean"}},
        "required": ["grid", "verified"],
    }

    def asked(schema):
        form = {"type": "json_schema", "json_schema": {"name": "solution", "schema": schema}}
        return message_of(chat(with_hrm, GRID, response_format=form))

    assert asked(silent)["content"] is None
    assert asked(silent)["refusal"].startswith("Not verified: ")
    assert '"verified": false' in asked(honest)["content"]


def test_an_answer_that_is_not_verified_is_handed_to_no_function_that_cannot_be_told(with_hrm):
    function = {
        "name": "final_result",
        "parameters": {"type": "object", "properties": {"grid": {"type": "array"}}, "required": ["grid"]},
    }

    message = message_of(
        chat(with_hrm, GRID, tools=[{"type": "function", "function": function}], tool_choice="required")
    )

    assert "tool_calls" not in message
    assert message["content"].startswith("Not verified: ")
