"""What a host sees, the same over each transport."""

import json

import httpx2
import pytest
from jsonschema import Draft202012Validator

from agent_reasoning.schemas import ModelSummary, ReasonRequest, ReasonResponse, TaskDetail
from tests.mcp.talks import BAD, REVISIONS, UNSOLVED


def test_each_task_with_a_model_is_a_tool_that_changes_nothing(told, registry, models):
    assert list(told.tools) == [name for name in registry.names() if name in {model.task for model in models}]
    for tool in told.tools.values():
        hints = tool.annotations
        assert (hints.read_only_hint, hints.idempotent_hint, hints.open_world_hint) == (True, True, False)
        assert tool.description.startswith(registry.get(tool.name).info.summary)


def test_both_eras_are_spoken(told, request):
    assert told.revision == REVISIONS[request.node.callspec.params["told"][1]]


def test_a_tools_schema_takes_its_example_and_has_every_option_of_a_request(told):
    for name, tool in told.tools.items():
        Draft202012Validator.check_schema(tool.input_schema)
        validator = Draft202012Validator(tool.input_schema)
        example = told.documents[f"task://{name}"]["example"]["context"]

        assert set(tool.input_schema["properties"]) == set(ReasonRequest.model_fields) - {"task", "task_type"}
        assert validator.is_valid({"context": example, "samples": 4, "seed": 1, "question": "?", "max_steps": 8})
        assert not validator.is_valid({"context": example, "samples": 65})
        assert not validator.is_valid({"context": 3})
        assert not validator.is_valid({"question": "?"})


def test_each_tool_answers_its_example_verified_and_as_its_schema_says(told):
    for name, answer in told.answers.items():
        Draft202012Validator(told.tools[name].output_schema).validate(answer.structured_content)
        response = ReasonResponse.model_validate(answer.structured_content)

        assert not answer.is_error
        assert (response.task, response.verified, response.seed) == (name, True, 3)
        assert set(answer.structured_content) == set(ReasonResponse.model_fields)


def test_the_words_say_that_it_is_verified_and_hold_the_answer_and_the_data_without_the_trace(told):
    for answer in told.answers.values():
        words, data = (content.text for content in answer.content)
        structured = answer.structured_content

        assert words.startswith("Verified")
        assert words.endswith(structured["answer"])
        assert json.loads(data) == {name: value for name, value in structured.items() if name != "reasoning_trace"}


def test_the_answer_is_what_post_reason_gives(told, live):
    for name, answer in told.answers.items():
        example = told.documents[f"task://{name}"]["example"]
        body = {"question": example["question"], "context": example["context"], "seed": 3, "task": name}
        plain = httpx2.post(f"{live}/reason", json=body, timeout=60).json()

        assert without_times(answer.structured_content) == without_times(plain)


def without_times(response):
    return {name: value for name, value in response.items() if name not in ("duration_ms", "request_id")}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_an_error_of_the_tool_that_says_what_is_wrong(told, name):
    answer = told.refusals[name]
    (content,) = answer.content

    assert answer.is_error
    assert BAD[name][1] in content.text
    assert answer.structured_content is None


def test_an_error_has_a_code_and_its_fields_for_programs(told):
    error = told.refusals["out of range"].meta["io.homelab.reasoning/error"]

    assert error["code"] == "invalid-request"
    assert error["errors"] == [{"where": "samples", "what": "Input should be less than or equal to 64"}]


def test_after_bad_input_a_model_is_shown_input_that_works(told):
    words = told.refusals["cycle"].content[0].text
    example = json.loads(words.partition("A context that works: ")[2].splitlines()[0])

    assert Draft202012Validator(told.tools["rollout"].input_schema).is_valid({"context": example})


def test_what_could_not_be_solved_is_an_answer_that_says_so(told):
    answer = told.unsolved
    response = ReasonResponse.model_validate(answer.structured_content)

    assert not answer.is_error
    assert (response.verified, response.confidence, response.steps) == (False, 0.0, UNSOLVED["max_steps"])
    assert response.violations
    assert answer.content[0].text.startswith("Not verified: ")


def test_progress_comes_by_step_and_only_grows(told):
    response = ReasonResponse.model_validate(told.solved_in_steps.structured_content)
    steps = [progress for progress, _, _ in told.progress]

    assert response.verified
    assert steps == sorted(set(steps))
    assert set(range(1, response.steps + 1)) <= set(steps)
    assert {total for _, total, _ in told.progress} == {16}
    assert any("verified." in message for _, _, message in told.progress)


def test_a_tool_or_a_resource_that_is_not_there_is_an_error_of_the_protocol_with_those_there_are(told):
    tool, resource = told.unknown["tool"], told.unknown["resource"]

    assert (tool.code, resource.code) == (-32602, -32602)
    assert f"The tools are: {', '.join(told.tools)}." in tool.message
    assert "task://sudoku" in resource.message


def test_resources_are_the_tasks_and_the_models(told, registry, models):
    tasks = {uri: document for uri, document in told.documents.items() if uri.startswith("task://")}
    others = {uri: document for uri, document in told.documents.items() if uri not in tasks}

    assert list(tasks) == [f"task://{name}" for name in registry.names()]
    served = {TaskDetail.model_validate(task).model for task in tasks.values()} - {None}
    assert served == {model.name for model in models}
    assert {ModelSummary.model_validate(model).sha256 for model in others.values()} == {m.sha256 for m in models}
    assert [template.uri_template for template in told.templates] == ["task://{name}", "model://{name}"]
