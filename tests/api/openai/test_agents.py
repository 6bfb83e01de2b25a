"""Agents of other people's making run their tool loops against a real server, and come to an end."""

import asyncio
import json

import pytest
from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool
from agents.run import RunConfig
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.openai import OpenAIResponsesModel as PydanticResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.api.openai.asks import QUESTION, STEPS, WAVES

QUIET = RunConfig(tracing_disabled=True)  # its traces would go to OpenAI


class Plan(BaseModel):
    waves: list[list[str]]
    verified: bool


class Waves(BaseModel):
    waves: list[list[str]]


def running(live, talk):
    """What `talk` gives, with a client that is closed in its own event loop."""

    async def run():
        async with AsyncOpenAI(base_url=f"{live}/v1", api_key="none", timeout=120) as client:
            return await talk(client)

    return asyncio.run(run())


class Planner:
    """A tool, and what it was called with."""

    def __init__(self, gives):
        self.calls = []
        self.gives = gives

    def plan_rollout(self, steps: dict[str, list[str]]) -> str:
        """Plan in which order steps can run. steps: each with those it needs."""
        self.calls.append(steps)
        return self.gives


@pytest.mark.parametrize("model", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("choice", [None, "required", "plan_rollout"])
def test_the_agents_sdk_runs_its_tool_loop_to_an_answer(live, model, streamed, choice):
    planner = Planner("first database, then the others")

    async def talk(client):
        agent = Agent(
            name="planner", instructions="You plan.", model=model("hrm-27m", client),
            tools=[function_tool(planner.plan_rollout, strict_mode=False)],
            model_settings=ModelSettings(tool_choice=choice),
        )  # fmt: skip
        if not streamed:
            return (await Runner.run(agent, QUESTION, run_config=QUIET, max_turns=4)).final_output
        result = Runner.run_streamed(agent, QUESTION, run_config=QUIET, max_turns=4)
        async for _ in result.stream_events():
            pass
        return result.final_output

    assert running(live, talk) == "plan_rollout gave first database, then the others"
    assert planner.calls == [STEPS]


@pytest.mark.parametrize("model", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
def test_the_agents_sdk_gets_its_output_type(live, model):
    async def talk(client):
        agent = Agent(name="planner", model=model("hrm-27m", client), output_type=Plan)
        return (await Runner.run(agent, QUESTION, run_config=QUIET)).final_output

    assert running(live, talk) == Plan(waves=WAVES, verified=True)


MODELS = [OpenAIChatModel, PydanticResponsesModel]


@pytest.mark.parametrize("model", MODELS)
def test_pydantic_ai_runs_its_tool_loop_to_an_answer(live, model):
    planner = Planner("first database, then the others")

    async def talk(client):
        agent = PydanticAgent(
            model("hrm-27m", provider=OpenAIProvider(openai_client=client)), tools=[planner.plan_rollout]
        )
        return (await agent.run(QUESTION)).output

    assert running(live, talk) == "plan_rollout gave first database, then the others"
    assert planner.calls == [STEPS]


@pytest.mark.parametrize("model", MODELS)
def test_pydantic_ai_gets_its_output_type_from_the_answer(live, model):
    async def talk(client):
        agent = PydanticAgent(model("hrm-27m", provider=OpenAIProvider(openai_client=client)), output_type=Plan)
        return await agent.run(QUESTION)

    result = running(live, talk)

    assert result.output == Plan(waves=WAVES, verified=True)
    assert result.usage.requests == 1


@pytest.mark.parametrize("model", MODELS)
def test_pydantic_ai_gets_its_output_type_from_what_its_tool_gave(live, model):
    planner = Planner(json.dumps({"waves": [["all at once"]]}))

    async def talk(client):
        agent = PydanticAgent(
            model("hrm-27m", provider=OpenAIProvider(openai_client=client)),
            tools=[planner.plan_rollout],
            output_type=Waves,
        )
        return await agent.run(QUESTION)

    result = running(live, talk)

    assert result.output == Waves(waves=[["all at once"]])
    assert planner.calls == [STEPS]
