"""What a chat completion and a response hold, whole and in pieces."""

import json

import httpx2
import pytest

from tests.api.openai.asks import GRID, PLAN, PLANNER, QUESTION, STEPS, UNSOLVED, WAVES, ask_responses, chat, message_of
from tests.live import serving
from tests.test_server import LONG, connect, raw, wait_for_metric, wait_for_steps

TRACE = "Step 1: database | api | web (3 changed, confidence "


def test_the_answer_comes_in_words_with_its_trace_and_whether_it_is_verified(client):
    body = chat(client).json()

    (choice,) = body["choices"]
    message = choice["message"]
    assert body["object"] == "chat.completion"
    assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (0, "stop", None)
    assert message["role"] == "assistant"
    assert "Wave 2: api" in message["content"]
    assert "Verified: an exact verifier checked this answer." in message["content"]
    assert message["reasoning_content"].startswith(TRACE)
    assert (message["verified"], message["source"], message["task"]) == (True, "model", "rollout")
    assert message["solution"]["waves"] == WAVES


def test_the_answer_is_the_one_that_post_reason_gives(client):
    request = {"question": "Solve this.", "context": {"puzzle": GRID}, "seed": 3}

    message = message_of(chat(client, GRID, seed=3))

    reasoned = client.post("/reason", json=request).json()
    names = ("verified", "source", "task", "solution", "violations", "confidence", "optimal")
    assert {name: message[name] for name in names} == {name: reasoned[name] for name in names}
    assert message["content"].startswith(reasoned["answer"])


def test_the_last_user_message_is_the_one_that_counts(client):
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "You plan."}]},
        {"role": "user", "content": GRID},
        {"role": "assistant", "content": "Solved."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, {"type": "text", "text": QUESTION}]},
        {"role": "developer", "content": "Be brief."},
    ]

    assert message_of(chat(client, messages=messages))["task"] == "rollout"


def test_instructions_are_the_question_where_the_user_sends_data_alone(client):
    nodes = [{"name": name, "cpu": 4, "memory": "8Gi"} for name in "ab"]
    data = json.dumps({"nodes": nodes, "workloads": [{"name": f"w{n}", "cpu": 1, "memory": "1Gi"} for n in range(2)]})

    def objective(instructions):
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": data}]
        return message_of(chat(client, messages=messages))["solution"]["assignment"]

    assert len(set(objective("Consolidate on few nodes.").values())) == 1
    assert len(set(objective("Spread evenly.").values())) == 2


@pytest.mark.parametrize("content", ["hello", "", '{"nodez": 3}'])
def test_what_is_no_problem_gets_a_paragraph_with_an_example_that_works(client, content):
    message = message_of(chat(client, content))

    assert "\n" not in message["content"]
    assert all(name in message["content"] for name in ("rollout", "placement", "root-cause", "sudoku"))
    assert message["verified"] is False
    example = message["content"].partition("For example: ")[2]
    assert message_of(chat(client, example))["verified"]


def test_usage_counts_the_words_of_the_request_the_trace_and_the_answer(client):
    body = chat(client, "hello there", model="rollout").json()
    assert body["usage"]["prompt_tokens"] == 2
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0

    usage = chat(client).json()["usage"]

    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_limit_cuts_the_text_and_says_so(client, field):
    (choice,) = chat(client, **{field: 5}).json()["choices"]

    assert (choice["message"]["content"], choice["finish_reason"]) == ("3 steps in 3 waves", "length")
    assert choice["message"]["reasoning_content"].startswith(TRACE)


@pytest.mark.parametrize(
    ("stop", "text"), [("; the", "3 steps in 3 waves"), (["nowhere", "in 3", "waves"], "3 steps ")]
)
def test_a_stop_sequence_ends_the_text_before_it(client, stop, text):
    (choice,) = chat(client, stop=stop).json()["choices"]

    assert (choice["message"]["content"], choice["finish_reason"]) == (text, "stop")


def test_several_choices_are_solved_with_seeds_of_their_own(client):
    request = {"question": "Solve.", "context": {"steps": STEPS, "max_parallel": 1}, "samples": 2}

    body = chat(client, json.dumps(request), n=3, seed=5).json()

    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert all(choice["message"]["verified"] for choice in body["choices"])


def test_the_same_seed_gives_the_same_answer(client):
    once, again = (chat(client, seed=-7, n=2).json()["choices"] for _ in range(2))

    assert once == again


@pytest.mark.parametrize("stream", [False, True])
def test_a_json_object_says_whether_it_is_verified(client, stream):
    response = chat(client, response_format={"type": "json_object"}, stream=stream)

    found = json.loads(text_of(chunks_of(response)) if stream else message_of(response)["content"])

    assert (found["verified"], found["waves"]) == (True, WAVES)


def test_a_json_schema_is_kept_to_the_letter(client):
    form = {"type": "json_schema", "json_schema": {"name": "plan", "strict": True, "schema": PLAN}}

    assert json.loads(message_of(chat(client, response_format=form))["content"]) == {"waves": WAVES}


def test_no_json_is_made_up_where_there_was_no_problem(client):
    form = {"type": "json_schema", "json_schema": {"name": "plan", "schema": PLAN}}

    message = message_of(chat(client, "hello", response_format=form))

    assert message["content"] is None
    assert "I found no problem" in message["refusal"]


def chunks_of(response):
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in response.text.split("\n\n") if block and not block.startswith(":")]
    assert blocks.pop() == "data: [DONE]"
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def deltas_of(chunks, index=0):
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]


def text_of(chunks, member="content", index=0):
    return "".join(delta.get(member) or "" for delta in deltas_of(chunks, index))


@pytest.mark.parametrize("content", [QUESTION, GRID, UNSOLVED, "hello"])
def test_the_pieces_of_a_stream_are_the_whole(client, content):
    message = message_of(chat(client, content))

    chunks = chunks_of(chat(client, content, stream=True))

    assert text_of(chunks) == message["content"]
    assert text_of(chunks, "reasoning_content") == message.get("reasoning_content", "")
    assert deltas_of(chunks)[0]["role"] == "assistant"
    assert {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks} == {
        (chunks[0]["id"], chunks[0]["created"], chunks[0]["model"], "chat.completion.chunk")
    }
    finished = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert finished == [None] * (len(finished) - 1) + ["stop"]
    assert deltas_of(chunks)[-1]["verified"] is message["verified"]


def test_a_stream_ends_with_its_usage_where_that_is_asked_for(client):
    *chunks, last = chunks_of(chat(client, stream=True, stream_options={"include_usage": True}))

    assert last["choices"] == []
    assert last["usage"] == chat(client).json()["usage"]
    assert all(chunk["usage"] is None for chunk in chunks)
    assert all("usage" not in chunk for chunk in chunks_of(chat(client, stream=True)))


def test_a_call_in_a_stream_comes_with_its_name_first_and_its_arguments_in_pieces(client):
    chunks = chunks_of(chat(client, stream=True, tools=[PLANNER]))

    first, *others = [delta["tool_calls"][0] for delta in deltas_of(chunks) if "tool_calls" in delta]
    assert (first["type"], first["function"]) == ("function", {"name": "plan_rollout", "arguments": ""})
    assert first["id"]
    assert all(other["index"] == 0 and set(other) == {"index", "function"} for other in others)
    assert json.loads("".join(other["function"]["arguments"] for other in others)) == {"steps": STEPS}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_several_choices_are_streamed_under_their_index(client):
    chunks = chunks_of(chat(client, stream=True, n=2))

    assert text_of(chunks, index=0) == text_of(chunks, index=1) != ""


def test_what_fails_on_the_way_ends_the_stream_with_an_error(client):
    request = json.loads(UNSOLVED) | {"require_verified": True}

    response = chat(client, json.dumps(request), stream=True)

    last = response.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "not_verified"
    assert "[DONE]" not in response.text


def test_a_response_that_fails_on_the_way_says_so_in_its_last_event(client):
    request = json.loads(UNSOLVED) | {"require_verified": True}

    text = ask_responses(client, json.dumps(request), stream=True).text

    last = text.strip().split("\n\n")[-1]
    assert last.startswith("event: response.failed\n")
    assert json.loads(last.partition("data: ")[2])["response"]["error"]["message"].startswith("No verified answer")


def test_a_response_that_is_cut_is_incomplete(client):
    body = ask_responses(client, max_output_tokens=5).json()

    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert body["output"][-1]["content"][0]["text"] == "3 steps in 3 waves"


def test_a_response_is_not_stored_whatever_was_asked(client):
    body = ask_responses(client, store=True).json()

    assert body["store"] is False
    assert (body["verified"], body["source"], body["solution"]["waves"]) == (True, "model", WAVES)
    assert client.get(f"/v1/responses/{body['id']}").status_code == 404


def test_instructions_and_traces_that_come_back_are_taken(client):
    first = ask_responses(client, instructions="You plan.").json()

    again = ask_responses(
        client, [{"role": "user", "content": GRID}, *first["output"], {"role": "user", "content": QUESTION}]
    )

    assert again.json()["task"] == "rollout"


@pytest.mark.parametrize(("path", "stream"), [("/v1/chat/completions", False), ("/v1/responses", True)])
def test_a_client_that_leaves_takes_its_problem_off_the_engine(path, stream):
    given = json.dumps(LONG)
    asked = {"messages": [{"role": "user", "content": given}]} if "chat" in path else {"input": given}
    body = {"model": "hrm-27m", "stream": stream, **asked}
    with serving(REQUEST_TIMEOUT_SECONDS="300") as (_, url), httpx2.Client(timeout=200) as client:
        if stream:
            with client.stream("POST", f"{url}{path}", json=body) as response:
                wait_for_steps(url)
                response.close()
        else:
            with connect(url) as leaving:
                leaving.sendall(raw(body, path))
                wait_for_steps(url)
        wait_for_metric(url, b'agent_reasoning_requests_total{status="client-gone",task_type="planning"} 1.0')
        wait_for_metric(url, b'agent_reasoning_slots{state="used",task="rollout"} 0.0')
