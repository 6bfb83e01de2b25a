"""The official client against a real server: each of its ways to ask."""

import asyncio
import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, ConfigDict, TypeAdapter

from tests.api.openai.asks import GRID, PLANNER, QUESTION, STEPS, TELLER, WAVES, WEATHER

USER = [{"role": "user", "content": QUESTION}]
EVENTS = TypeAdapter(ResponseStreamEvent)


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    waves: list[list[str]]
    verified: bool


@pytest.fixture(scope="module")
def api(live):
    with OpenAI(base_url=f"{live}/v1", api_key="none", max_retries=0, timeout=120) as client:
        yield client


def test_models(api):
    assert {model.id for model in api.models.list()} >= {"hrm-27m", "rollout", "sudoku"}
    assert api.models.retrieve("sudoku").owned_by == "agent-reasoning"
    with pytest.raises(openai.NotFoundError) as raised:
        api.models.retrieve("gpt-6")
    assert (raised.value.code, raised.value.param, raised.value.type) == (
        "model_not_found",
        "model",
        "invalid_request_error",
    )


def test_a_completion(api):
    completion = api.chat.completions.create(
        model="hrm-27m", messages=USER, temperature=0, top_p=1, user="me", metadata={"a": "b"}, store=False, seed=1
    )

    message = completion.choices[0].message
    assert "Wave 1: database" in message.content
    assert message.reasoning_content.startswith("Step 1: ")
    assert message.verified is True
    assert completion.usage.completion_tokens_details.reasoning_tokens > 0


def test_a_completion_asynchronously(live):
    async def run():
        async with AsyncOpenAI(base_url=f"{live}/v1", api_key="none", timeout=120) as client:
            whole = await client.chat.completions.create(model="sudoku", messages=[{"role": "user", "content": GRID}])
            stream = await client.chat.completions.create(
                model="sudoku", messages=[{"role": "user", "content": GRID}], stream=True
            )
            return whole, [chunk async for chunk in stream]

    whole, chunks = asyncio.run(run())

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_with_its_usage(api):
    chunks = list(
        api.chat.completions.create(model="rollout", messages=USER, stream=True, stream_options={"include_usage": True})
    )

    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens > 0
    assert any("reasoning_content" in chunk.choices[0].delta.model_extra for chunk in chunks[:-1])


def test_a_stream_that_is_put_together(api):
    with api.chat.completions.stream(model="rollout", messages=USER, response_format=Plan) as stream:
        for _ in stream:
            pass
        parsed = stream.get_final_completion().choices[0].message.parsed

    assert parsed == Plan(waves=WAVES, verified=True)


def test_parsed_answers(api):
    completion = api.chat.completions.parse(model="hrm-27m", messages=USER, response_format=Plan)
    response = api.responses.parse(model="hrm-27m", input=QUESTION, text_format=Plan)

    assert completion.choices[0].message.parsed == response.output_parsed == Plan(waves=WAVES, verified=True)


def test_a_refusal_is_parsed_as_one(api):
    completion = api.chat.completions.parse(
        model="hrm-27m", messages=[{"role": "user", "content": "hello"}], response_format=Plan
    )

    assert completion.choices[0].message.parsed is None
    assert "I found no problem" in completion.choices[0].message.refusal


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("auto", "plan_rollout"),
        ("required", "plan_rollout"),
        ({"type": "function", "function": {"name": "final_result"}}, "final_result"),
        ("none", None),
    ],
)
def test_tools(api, choice, name):
    completion = api.chat.completions.create(
        model="hrm-27m", messages=USER, tools=[WEATHER, PLANNER, TELLER], tool_choice=choice, parallel_tool_calls=False
    )

    calls = completion.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ([name] if name else [])


def test_a_streamed_call_is_put_together(api):
    with api.chat.completions.stream(model="hrm-27m", messages=USER, tools=[PLANNER]) as stream:
        for _ in stream:
            pass
        (call,) = stream.get_final_completion().choices[0].message.tool_calls

    assert (call.function.name, json.loads(call.function.arguments)) == ("plan_rollout", {"steps": STEPS})


def test_a_response(api):
    response = api.responses.create(model="hrm-27m", input=QUESTION, instructions="You plan.", store=False)

    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert "Wave 3: web" in response.output_text
    assert response.verified is True
    assert response.usage.output_tokens_details.reasoning_tokens > 0


ITEM = ["response.output_item.added", "response.output_item.done"]
TEXT = [
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
]
SUMMARY = [
    "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
    "response.reasoning_summary_text.done", "response.reasoning_summary_part.done",
]  # fmt: skip
ARGUMENTS = ["response.function_call_arguments.delta", "response.function_call_arguments.done"]
BEGUN = ["response.created", "response.in_progress"]


@pytest.mark.parametrize(
    ("given", "more", "order"),
    [
        (QUESTION, {}, [*BEGUN, ITEM[0], *SUMMARY, ITEM[1], ITEM[0], *TEXT, ITEM[1], "response.completed"]),
        ("hello", {}, [*BEGUN, ITEM[0], *TEXT, ITEM[1], "response.completed"]),
        ("hello", {"max_output_tokens": 2}, [*BEGUN, ITEM[0], *TEXT, ITEM[1], "response.incomplete"]),
        (QUESTION, {"tools": [{"type": "function", "strict": False, **PLANNER["function"]}]},
         [*BEGUN, ITEM[0], *ARGUMENTS, ITEM[1], "response.completed"]),
    ],
    ids=["answered", "help", "cut", "called"],
)  # fmt: skip
def test_a_response_comes_as_the_events_of_the_official_types_in_their_order(live, api, given, more, order):
    raw = (
        api.responses.with_raw_response.create(model="hrm-27m", input=given, stream=True, **more)
        .http_response.read()
        .decode()
    )

    blocks = [block.split("\n") for block in raw.strip().split("\n\n") if not block.startswith(":")]
    events = [json.loads(data.removeprefix("data: ")) for _, data in blocks]
    assert [name.removeprefix("event: ") for name, _ in blocks] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        EVENTS.validate_python(event)
    kinds = [event["type"] for event in events]
    assert [kind for kind, before in zip(kinds, [None, *kinds], strict=False) if kind != before] == order
    assert events[-1]["response"]["output"] == [event["item"] for event in events if event["type"] == ITEM[1]]


def test_a_streamed_response_is_put_together(api):
    with api.responses.stream(model="hrm-27m", input=QUESTION, text_format=Plan) as stream:
        for _ in stream:
            pass
        response = stream.get_final_response()

    assert response.output_parsed == Plan(waves=WAVES, verified=True)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"messages": []}, openai.BadRequestError),
        ({"messages": [{"role": "user", "content": '{"steps": {"a": ["a"]}}'}]}, openai.UnprocessableEntityError),
        ({"messages": [{"role": "user", "content": "x" * 2_000_000}]}, openai.APIStatusError),
        ({"model": "gpt-6"}, openai.NotFoundError),
    ],
)
def test_errors_reach_the_client_as_its_own(api, fields, kind):
    with pytest.raises(kind) as raised:
        api.chat.completions.create(**({"model": "hrm-27m", "messages": USER} | fields))

    assert raised.value.code
    assert raised.value.type == "invalid_request_error"


def test_a_stream_that_fails_on_the_way_raises(api):
    deep = {f"s{number:03}": [f"s{number - 1:03}"] if number else [] for number in range(64)}
    request = {"question": "?", "context": {"steps": deep}, "max_steps": 1, "require_verified": True}

    with pytest.raises(openai.APIError, match="No verified answer") as raised:
        list(
            api.chat.completions.create(
                model="rollout", messages=[{"role": "user", "content": json.dumps(request)}], stream=True
            )
        )
    assert raised.value.code == "not_verified"
