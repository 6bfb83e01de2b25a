"""The client against the real service, over real connections."""

import asyncio
import subprocess
import sys
import threading

import pytest

from agent_reasoning import errors
from agent_reasoning.api.problems import TABLE
from agent_reasoning.client import (
    AsyncReasoningClient,
    ClientMisconfigured,
    DeadlineExceeded,
    InvalidContext,
    InvalidRequest,
    NotFound,
    NotVerified,
    ReasoningClient,
    Retry,
    ServiceError,
    Unauthenticated,
    UnknownTask,
    UnmappableContext,
)
from agent_reasoning.client.exceptions import REFUSALS
from agent_reasoning.client.requests import Options
from agent_reasoning.schemas import ModelSummary, ReasonRequest, ReasonResponse, StreamedStep, TaskSummary
from agent_reasoning.service.keys import new_key
from tests.api.test_streaming import SUDOKU, chain
from tests.live import serving
from tests.test_server import LONG, wait_for_metric, wait_for_steps

STEPS = {"steps": {"database": [], "cache": [], "api": ["database", "cache"], "web": ["api"]}}
WAVES = [["database", "cache"], ["api"], ["web"]]
HARD = {"steps": chain(64)}  # one step does not verify it


@pytest.fixture
def client(live):
    with ReasoningClient(live) as client:
        yield client


def test_reason_gives_the_typed_response(client):
    answer = client.reason("In which order?", STEPS, task_type="planning", seed=3, conversation_id="c1")

    assert isinstance(answer, ReasonResponse)
    assert answer.verified
    assert [sorted(wave) for wave in answer.solution["waves"]] == [sorted(wave) for wave in WAVES]
    assert (answer.seed, answer.conversation_id) == (3, "c1")


def test_the_asynchronous_client_answers_the_same_and_many_at_once(live):
    async def ask():
        async with AsyncReasoningClient(live) as client:
            return await asyncio.gather(*(client.reason("In which order?", STEPS, seed=n) for n in range(20)))

    answers = asyncio.run(ask())

    assert [answer.seed for answer in answers] == list(range(20))
    assert all(answer.verified for answer in answers)


def test_threads_may_share_a_client(client):
    answers = {}
    threads = [
        threading.Thread(target=lambda seed=seed: answers.update({seed: client.reason("?", STEPS, seed=seed)}))
        for seed in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {seed: answer.seed for seed, answer in answers.items()} == {seed: seed for seed in range(8)}


def test_a_stream_is_its_steps_and_then_the_response(client):
    *steps, result = client.stream(SUDOKU["question"], SUDOKU["context"])

    assert steps
    assert all(isinstance(step, StreamedStep) for step in steps)
    assert isinstance(result, ReasonResponse)
    assert [step.step for step in steps] == list(range(1, result.steps + 1))
    assert result.solution == client.reason(SUDOKU["question"], SUDOKU["context"]).solution


def test_the_asynchronous_stream_is_the_same(client, live):
    async def ask():
        async with AsyncReasoningClient(live) as client:
            return [step async for step in client.stream(SUDOKU["question"], SUDOKU["context"])]

    found, same = asyncio.run(ask()), list(client.stream(SUDOKU["question"], SUDOKU["context"]))

    assert [type(step) for step in found] == [type(step) for step in same]
    assert found[:-1] == same[:-1]


def test_an_error_on_the_way_of_a_stream_is_raised_after_its_steps(client):
    told = []

    with pytest.raises(NotVerified) as failed:
        told.extend(client.stream("?", HARD, max_steps=1, samples=1, require_verified=True))

    assert [step.step for step in told] == [1]
    assert failed.value.status == 422
    assert failed.value.fields["violations"]


def test_a_stream_that_is_left_takes_its_problem_off_the_service():
    with serving() as (_, url), ReasoningClient(url) as client:
        stream = client.stream(LONG["question"], LONG["context"], max_steps=64)
        next(stream)
        wait_for_steps(url)
        stream.close()
        wait_for_metric(url, b'agent_reasoning_slots{state="used",task="rollout"} 0.0')
        wait_for_metric(
            url, b'agent_reasoning_requests_total{status="client-gone",task_type="planning"} 1.0'
        )  # not answered for nobody


def test_what_can_be_asked_and_who_answers(client):
    tasks, models = client.tasks(), client.models()

    assert all(isinstance(task, TaskSummary) for task in tasks)
    assert all(isinstance(model, ModelSummary) for model in models)
    assert (
        {task.name for task in tasks}
        >= {model.task for model in models}
        == {"maze", "placement", "rollout", "root-cause", "sudoku"}
    )
    assert client.task("rollout").context_schema["type"] == "object"
    assert client.reason("?", next(task.example for task in tasks if task.name == "rollout")["context"]).verified


def test_health_and_readiness_are_answers_and_not_errors(client):
    assert client.health().status == "ok"
    assert client.ready().status == "ready"


@pytest.mark.parametrize(
    ("context", "options", "kind", "field"),
    [
        ({"steps": {"a": ["b"], "b": ["a"]}}, {}, InvalidContext, "steps"),
        ({"prose": "please"}, {}, UnmappableContext, "tasks"),
        (STEPS, {"task": "chess"}, UnknownTask, "tasks"),
        (HARD, {"max_steps": 1, "require_verified": True, "source_policy": "model"}, NotVerified, "violations"),
    ],
)
def test_a_problem_is_the_class_of_its_code(client, context, options, kind, field):
    with pytest.raises(kind) as raised:
        client.reason("?", context, **options)

    error = raised.value
    assert isinstance(error, getattr(errors, kind.__name__))
    assert isinstance(error, ServiceError)
    assert (error.code, error.status) == (kind.code, 422)
    assert error.fields[field]
    assert error.request_id
    assert len(str(error)) > 20


def test_every_error_that_the_service_can_tell_has_its_class():
    assert {kind.code for kind in TABLE} | {"internal", "not-found"} == set(REFUSALS)
    assert all(issubclass(REFUSALS[kind.code], kind) for kind in TABLE)
    assert all(REFUSALS[kind.code].__name__ == kind.__name__ for kind in TABLE)


@pytest.mark.parametrize("name", ["chess", "../models", "a/b", "?", "%2e"])
def test_a_missing_task_is_not_found(client, name):
    with pytest.raises(NotFound) as missing:
        client.task(name)

    assert missing.value.status == 404


@pytest.mark.parametrize(
    ("question", "context", "options", "words"),
    [
        ("", STEPS, {}, "question"),
        ("?", STEPS, {"max_steps": 0}, "max_steps"),
        ("?", STEPS, {"max_step": 3}, "max_step"),
        ("?", {"x": float("nan")}, {}, "JSON"),
        ("?", {"x": {1, 2}}, {}, "JSON"),
    ],
)
def test_what_cannot_be_right_is_refused_before_it_is_sent(question, context, options, words):
    with ReasoningClient("http://127.0.0.1:1") as client, pytest.raises(InvalidRequest, match=words) as refused:
        client.reason(question, context, **options)

    assert refused.value.status is None


def test_null_in_a_context_stays(live):
    with ReasoningClient(live) as client, pytest.raises(InvalidContext):  # without it: a fine rollout
        client.reason("?", {"steps": {"a": None, "b": [None]}})


def test_the_options_are_the_requests_fields():
    assert set(Options.__annotations__) == set(ReasonRequest.model_fields) - {"question", "context"}


def test_a_deadline_before_the_first_step_is_not_tried_again():
    with serving(SLOTS="1") as (_, url), ReasoningClient(url, retry=Retry(wait_jitter_seconds=0.01)) as client:
        busy = client.stream(LONG["question"], LONG["context"], max_steps=64)
        next(busy)
        with pytest.raises(DeadlineExceeded) as late:
            client.reason("?", STEPS, timeout_seconds=0.2)
        wait_for_metric(url, b'agent_reasoning_requests_total{status="deadline-exceeded",task_type="planning"} 1.0')
        busy.close()

    assert late.value.status == 504


def test_a_closed_client_says_so_and_closes_twice(live):
    client = ReasoningClient(live)
    stream = client.stream(SUDOKU["question"], SUDOKU["context"])
    next(stream)
    client.close()
    client.close()

    with pytest.raises(RuntimeError, match="closed"):
        client.reason("?", STEPS)
    with pytest.raises(RuntimeError, match="closed"):
        next(stream)


def test_a_client_that_is_never_closed_does_not_keep_its_program_alive(live):
    code = (
        "from agent_reasoning.client import ReasoningClient\n"
        f"print(ReasoningClient({live!r}).reason('?', {{'steps': {{'a': []}}}}).verified)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize("url", ["agent-reasoning", "ftp://x", "http://", "http://x:port", "reasoning:80"])
def test_a_base_url_that_cannot_work_is_refused_at_once(url):
    with pytest.raises(ClientMisconfigured, match="URL is"):
        ReasoningClient(url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_more_than_nothing(timeout):
    with pytest.raises(ClientMisconfigured, match="timeout"):
        ReasoningClient(timeout=timeout)


def test_a_key_is_sent_where_one_is_given_and_its_lack_is_an_exception_of_its_own(monkeypatch):
    key, line = new_key("client")
    with serving(API_KEYS=line, LOG_LEVEL="warning") as (_, url):
        with ReasoningClient(url) as client, pytest.raises(Unauthenticated) as refused:
            client.reason("In which order?", STEPS)
        with ReasoningClient(url, api_key=key) as client:
            answer = client.reason("In which order?", STEPS)
        monkeypatch.setenv("REASONING_API_KEY", key)
        with ReasoningClient(url) as client:
            computed = client.reason("What's 15 + 25 * 3?")

    assert (refused.value.status, refused.value.code) == (401, "unauthenticated")
    assert answer.verified
    assert (computed.solution["result"], computed.source) == (90, "function")


def test_a_key_that_no_header_can_carry_is_refused_and_not_shown():
    with pytest.raises(ClientMisconfigured) as refused:
        ReasoningClient("http://127.0.0.1:1", api_key="secret\nkey")

    assert "secret" not in str(refused.value)
