"""MCP from real processes: the service's, and `agent-reasoning mcp`."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters

from agent_reasoning.service.keys import new_key
from tests.delivery.sinks import RecordingSink, dead_address, listening
from tests.live import command, environment, serving
from tests.mcp.talks import connected
from tests.mcp.test_endpoint import HEADERS, INITIALIZE, MODERN, call
from tests.test_server import LONG, SHORT, wait_for_metric

SECONDS_OF_WORK = {"context": LONG["context"], "max_steps": 64}
AT_WORK = b'agent_reasoning_slots{state="used",task="rollout"} 1.0'
FREE = b'agent_reasoning_slots{state="used",task="rollout"} 0.0'


@pytest.fixture(scope="module")
def patient():
    """The URL of a service that would work on a call for longer than a test may take."""
    with serving(LOG_LEVEL="warning", REQUEST_TIMEOUT_SECONDS="600") as (_, url):
        yield url


@contextmanager
def leaving_one(url):
    """Afterwards the service has seen one more client leave, and the engine is free."""
    gone = 'agent_reasoning_requests_total{status="client-gone",task_type="planning"} '
    before = float(httpx2.get(f"{url}/metrics").text.partition(gone)[2].split("\n")[0] or 0)
    yield
    wait_for_metric(url, f"{gone}{before + 1}".encode())
    wait_for_metric(url, FREE)


# With a token for progress the answer is a stream in both eras, without one it is JSON in the later.
@pytest.mark.parametrize(("mode", "progress"), [("auto", False), ("auto", True), ("legacy", True)])
def test_a_call_that_is_cancelled_is_taken_off_the_engine(patient, mode, progress):
    async def cancel():
        async def ignore(*_):
            pass

        async with connected("http", mode, patient) as client, anyio.create_task_group() as group:
            group.start_soon(
                lambda: client.call_tool(
                    "rollout", {**SECONDS_OF_WORK, "samples": 1}, progress_callback=ignore if progress else None
                )
            )
            await asyncio.to_thread(wait_for_metric, patient, AT_WORK)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):  # the client stays meanwhile
                await asyncio.to_thread(wait_for_metric, patient, FREE)

    with leaving_one(patient):
        asyncio.run(cancel())


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_sessions_at_the_same_time_get_their_own_answers(live, mode):
    async def ask(number):
        async with connected("http", mode, live) as client:
            steps = {f"{number}.{step}": [f"{number}.{step - 1}"] if step else [] for step in range(number + 1)}
            answer = await client.call_tool("rollout", {"context": {"steps": steps}, "conversation_id": str(number)})
            return answer.structured_content

    async def ask_all():
        return await asyncio.gather(*(ask(number) for number in range(6)))

    for number, answer in enumerate(asyncio.run(ask_all())):
        assert answer["conversation_id"] == str(number)
        assert answer["solution"]["waves"] == [[f"{number}.{step}"] for step in range(number + 1)]


def test_the_environment_sets_who_may_call_and_on_knative_the_services_name_is_enough():
    def status(url, host):
        body = json.dumps(call(SHORT_CALL)).encode()
        return httpx2.post(
            f"{url}/mcp", content=body, headers=HEADERS | MODERN | {"host": host}, timeout=60
        ).status_code

    with serving(K_SERVICE="agent-reasoning", LOG_LEVEL="warning") as (_, url):
        knative = [
            status(url, host) for host in ("agent-reasoning.ai-agents.svc.cluster.local", "10.0.0.1", "localhost")
        ]
    with serving(MCP_ALLOWED_HOSTS="tools.example.com", K_SERVICE="x", LOG_LEVEL="warning") as (_, url):
        named = [status(url, host) for host in ("tools.example.com", "x.ai-agents.svc", "localhost")]

    assert knative == [200, 421, 200]
    assert named == [200, 421, 421]


SHORT_CALL = {"context": SHORT["context"]}


def test_results_of_calls_are_published_where_there_is_a_sink_and_logged_under_the_requests_id():
    async def ask(url, mode):
        async with connected("http", mode, url) as client:
            return (await client.call_tool("rollout", SHORT_CALL)).structured_content["request_id"]

    sink = RecordingSink()
    with listening(sink) as sink_url, serving(K_SINK=sink_url, LOG_FORMAT="json") as (process, url):
        ids = [asyncio.run(ask(url, mode)) for mode in ("auto", "legacy")]
        process.terminate()
        log = [json.loads(line) for line in process.communicate(timeout=60)[1].decode().splitlines()]

    answered = [line["request_id"] for line in log if line["event"] == "request.answered"]
    assert answered == ids
    assert sorted(headers["ce-causationid"] for headers, _ in sink.accepted) == sorted(ids)
    assert [line for line in log if line["level"] in ("warning", "error", "critical")] == []


def test_it_can_be_switched_off_and_then_costs_nothing():
    with serving(MCP_ENABLED="false", LOG_FORMAT="json") as (process, url):
        status = httpx2.post(f"{url}/mcp", json=INITIALIZE, headers=HEADERS, timeout=60).status_code
        loaded = f"/proc/{process.pid}/maps"
        with open(loaded) as maps:
            found = "cryptography" in maps.read()  # what only the SDK brings
        process.terminate()
        log = process.communicate(timeout=60)[1].decode()

    assert (status, found) == (404, False)
    assert '"event": "mcp.off"' in log


def mcp(*arguments, text=""):
    return subprocess.run(
        command("mcp", *arguments),
        input=text,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_standard_output_holds_the_protocol_alone_and_the_end_of_input_ends_the_process():
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with subprocess.Popen(
        command("mcp"),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for message in ("this is no JSON", json.dumps(INITIALIZE), json.dumps(listing)):
            process.stdin.write(f"{message}\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        left, log = process.communicate(timeout=60)  # which closes its input

    assert [answer["id"] for answer in answers] == [0, 1]
    assert (left, process.returncode) == ("", 0)
    assert "Traceback" not in log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_though_its_input_stays_open(number):
    with subprocess.Popen(
        command("mcp"), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdin.write(f"{json.dumps(INITIALIZE)}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 0
        process.send_signal(number)

        assert process.wait(60) == -number


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--models", "/nowhere"], "/nowhere is no directory"),
        (["--device", "cuda:7"], "cuda:7"),
        (["--url", "nowhere"], "http://"),
    ],
)
def test_what_cannot_work_ends_the_process_with_a_reason_and_no_output(arguments, words):
    done = mcp(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_goes_away_is_an_error_of_the_tool(monkeypatch):
    async def ask(process, url):
        async with connected("relay", "auto", url) as client:
            before = await client.call_tool("rollout", SHORT_CALL)
            process.kill()
            process.wait()
            return before, await client.call_tool("rollout", SHORT_CALL | {"timeout_seconds": 1})

    with serving(LOG_LEVEL="warning") as (process, url):
        before, after = asyncio.run(ask(process, url))

    assert not before.is_error
    assert after.is_error
    assert after.meta["io.homelab.reasoning/error"]["code"] in ("unreachable", "timed-out")


def test_the_relay_sends_the_key_that_the_other_commands_send():
    key, line = new_key("host")

    async def tools(url):
        program, *arguments = command("mcp", "--url", url)
        started = StdioServerParameters(command=program, args=arguments, env=environment(AGENT_REASONING_API_KEY=key))
        async with Client(started, read_timeout_seconds=120) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    with serving(API_KEYS=line, LOG_LEVEL="warning") as (_, url):
        found = asyncio.run(tools(url))
        without = mcp("--url", url)

    assert "rollout" in found
    assert (without.returncode, without.stdout) == (4, "")
    assert "API key" in without.stderr


def test_the_relay_loads_no_torch():
    code = "import sys, agent_reasoning.commands.mcp; print('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_a_dead_address_is_said_at_once():
    done = mcp("--url", dead_address())

    assert done.returncode == 4
    assert "could not be reached" in done.stderr or "unreachable" in done.stderr or "connect" in done.stderr.lower()
