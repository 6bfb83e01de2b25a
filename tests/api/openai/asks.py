"""Requests as OpenAI's clients send them."""

import json

STEPS = {"database": [], "api": ["database"], "web": ["api"]}
WAVES = [["database"], ["api"], ["web"]]
QUESTION = f"In which order? {json.dumps({'steps': STEPS})}"
GRID = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
DEEP = {f"s{number:03}": [f"s{number - 1:03}"] if number else [] for number in range(64)}
UNSOLVED = json.dumps({"question": "In which order?", "context": {"steps": DEEP}, "max_steps": 1, "samples": 1})
PLAN = {
    "type": "object",
    "properties": {"waves": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}},
    "required": ["waves"],
    "additionalProperties": False,
}


def chat(client, content=QUESTION, **fields):
    """Fields replace those of a plain request; `messages` the whole conversation."""
    body = {"model": "hrm-27m", "messages": [{"role": "user", "content": content}]} | fields
    return client.post("/v1/chat/completions", json=body)


def message_of(response):
    assert response.status_code == 200, response.text
    (choice,) = response.json()["choices"]
    return choice["message"]


def ask_responses(client, given=QUESTION, **fields):
    return client.post("/v1/responses", json={"model": "hrm-27m", "input": given} | fields)


def tool(name, properties=None, required=None, **more):
    """A function as chat completions take it; all its properties are required unless some are named."""
    if properties is None:
        return {"type": "function", "function": {"name": name}}
    required = list(properties) if required is None else required
    schema = {"type": "object", "properties": properties, "required": required, **more}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


PLANNER = tool("plan_rollout", {"steps": {"type": "object"}})
TELLER = tool("final_result", PLAN["properties"])
WEATHER = tool("get_weather", {"location": {"type": "string"}})


def called(response):
    """(name, arguments) of the call in a chat completion; None where there is none."""
    message = message_of(response)
    calls = message.get("tool_calls")
    if calls is None:
        assert response.json()["choices"][0]["finish_reason"] in ("stop", "length")
        return None
    (call,) = calls
    assert response.json()["choices"][0]["finish_reason"] == "tool_calls"
    assert message["content"] is None
    return call["function"]["name"], json.loads(call["function"]["arguments"])
