"""The server over the SDK's stream in memory, which is its standard input and output but for the pipes."""

import asyncio

import anyio
import pytest
from mcp import Client

from agent_reasoning.api.mcp.server import Face
from agent_reasoning.commands.mcp import Here
from agent_reasoning.errors import Overloaded
from agent_reasoning.schemas import ReasonRequest
from agent_reasoning.service.catalog import task_detail
from agent_reasoning.service.reason import ReasoningService
from tests.test_server import LONG, SHORT


def server_of(service):
    tasks = [task_detail(task, service.models.get(task.info.name)) for task in service.registry.all()]
    return Face(tasks, [], Here(service)).server()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.01)  # polls a condition; the test's own time limit ends it


def test_a_call_that_is_cancelled_is_taken_off_the_engine(registry, models):
    service = ReasoningService(registry, models, timeout_seconds=250)
    begun = asyncio.Event()

    async def progressed(*_):
        begun.set()

    async def cancel():
        arguments = {"context": LONG["context"], "max_steps": 64}
        async with Client(server_of(service), mode="legacy") as client, anyio.create_task_group() as group:
            group.start_soon(lambda: client.call_tool("rollout", arguments, progress_callback=progressed))
            await begun.wait()
            group.cancel_scope.cancel()
        await until(lambda: not service.running)

    service.start()
    try:
        asyncio.run(cancel())
    finally:
        service.stop()

    assert b'status="client-gone",task_type="planning"} 1.0' in service.metrics.render("")[0]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_full_queue_is_an_error_of_the_tool_that_says_when_to_come_back(registry, models, mode):
    service = ReasoningService(registry, models, max_queue=1, slots=1, timeout_seconds=250)

    def full():
        try:
            service.check_open()
        except Overloaded:
            return True
        return False

    async def ask():
        asked = []
        while not full():  # one has the slot, one waits
            asked.append(asyncio.ensure_future(service.reason(ReasonRequest(**LONG), "before")))
            await until(lambda: service._engine.waiting or service._engine.slots()["rollout"][0])
            await asyncio.sleep(0.01)
        async with Client(server_of(service), mode=mode) as client:
            answer = await client.call_tool("rollout", {"context": SHORT["context"]})
        for waiting in asked:
            waiting.cancel()
        await asyncio.wait(asked)
        return answer

    service.start()
    try:
        answer = asyncio.run(ask())
    finally:
        service.stop()

    assert answer.is_error
    assert answer.meta["io.homelab.reasoning/error"]["code"] == "overloaded"
    assert "may succeed after 1 s" in answer.content[0].text
