"""Conversations with the SDK's own client, over each transport and in each era of the protocol."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mcp import Client, MCPError, StdioServerParameters
from mcp_types import CallToolResult, Resource, ResourceTemplate, Tool

from tests.live import command, environment

# How a host reaches the service, and which revision of the protocol it speaks.
WAYS = [("http", "auto"), ("http", "legacy"), ("stdio", "auto"), ("stdio", "legacy"), ("relay", "auto")]
REVISIONS = {"auto": "2026-07-28", "legacy": "2025-11-25"}

CHAIN = {f"s{number:03}": [f"s{number - 1:03}"] if number else [] for number in range(128)}
UNSOLVED = {"context": {"steps": CHAIN}, "max_steps": 1}  # far larger than training saw

# arguments of rollout, and what the error says
BAD = {
    "no context": ({}, "lacks `context`"),
    "unknown argument": ({"context": {"steps": {}}, "colour": "red"}, "colour: Extra inputs"),
    "out of range": ({"context": {"steps": {}}, "samples": 65}, "samples: Input should be less than or equal to 64"),
    "wrong type": ({"context": {"steps": {}}, "seed": "7"}, "seed: Input should be a valid integer"),
    "context of another task": ({"context": {"puzzle": "." * 81}}, "it needs `steps`"),
    "cycle": ({"context": {"steps": {"a": ["b"], "b": ["a"]}}}, "a → b → a"),
    "another task": ({"context": {"steps": {}}, "task": "sudoku"}, "task cannot be set"),
    "not verified": (UNSOLVED | {"require_verified": True}, "No verified answer within 1 steps"),
}


@dataclass
class Talk:
    """What a host got to see."""

    way: str
    revision: str = ""
    tools: dict[str, Tool] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    templates: list[ResourceTemplate] = field(default_factory=list)
    documents: dict[str, dict] = field(default_factory=dict)
    answers: dict[str, CallToolResult] = field(default_factory=dict)
    refusals: dict[str, CallToolResult] = field(default_factory=dict)
    unsolved: CallToolResult | None = None
    unknown: dict[str, MCPError] = field(default_factory=dict)
    solved_in_steps: CallToolResult | None = None
    progress: list[tuple] = field(default_factory=list)


@asynccontextmanager
async def connected(way, mode, url):
    """A client. way: http, stdio, or relay, which is stdio in front of the service at `url`."""
    arguments = ["mcp"] if way == "stdio" else ["mcp", "--url", url]
    program, *arguments = command(*arguments)
    started = StdioServerParameters(command=program, args=arguments, env=environment())
    async with Client(f"{url}/mcp" if way == "http" else started, mode=mode, read_timeout_seconds=120) as client:
        yield client


def talk(way, mode, url):
    return asyncio.run(_talk(way, mode, url))


async def _talk(way, mode, url):
    told = Talk(way)

    async def progressed(progress, total, message):
        told.progress.append((progress, total, message))

    async with connected(way, mode, url) as client:
        told.revision = client.protocol_version
        told.tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        told.resources = (await client.list_resources()).resources
        told.templates = (await client.list_resource_templates()).resource_templates
        for resource in told.resources:
            (contents,) = (await client.read_resource(resource.uri)).contents
            told.documents[resource.uri] = json.loads(contents.text)
        for name in told.tools:
            example = told.documents[f"task://{name}"]["example"]
            arguments = {"context": example["context"], "question": example["question"], "seed": 3}
            told.answers[name] = await client.call_tool(name, arguments)
        for name, (arguments, _) in BAD.items():
            told.refusals[name] = await client.call_tool("rollout", arguments)
        told.unsolved = await client.call_tool("rollout", UNSOLVED)
        puzzle = told.documents["task://sudoku"]["example"]["context"]
        told.solved_in_steps = await client.call_tool(
            "sudoku", {"context": puzzle, "max_steps": 16, "samples": 2}, progress_callback=progressed
        )
        for name, asked in {
            "tool": client.call_tool("ghost", {}),
            "resource": client.read_resource("task://ghost"),
        }.items():
            try:
                await asked
            except MCPError as error:
                told.unknown[name] = error
    return told
