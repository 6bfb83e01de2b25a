"""Publishing to a broker, and awaiting the answer: a real service, a stand-in broker, real connections."""

import asyncio
import json
from pathlib import Path

import pytest

from agent_reasoning.client import (
    REQUESTED,
    AsyncReasoningClient,
    CallTimedOut,
    ClientMisconfigured,
    InvalidContext,
    InvalidRequest,
    PublishFailed,
    ReasoningClient,
    ReceiverClosed,
    Retry,
)
from agent_reasoning.client.publisher import Publisher
from agent_reasoning.client.settings import DEFAULT_URL, read_settings
from tests.client.broker import standing_in
from tests.client.scripted import Dropped, Reply, Silent, scripted
from tests.live import free_port

SOON = Retry(attempts=3, wait_initial_seconds=0.001, wait_jitter_seconds=0.001)
STEPS = {"steps": {"a": [], "b": ["a"]}}
LOOPBACK = "127.0.0.1"
CERTIFICATE = Path(__file__).with_name("loopback.pem")  # self-signed, for 127.0.0.1; its key guards nothing


def test_what_is_published_is_one_cloud_event_in_binary_mode():
    with scripted(Reply(202)) as (script, url), ReasoningClient(broker_url=url, source="/agents/sre") as client:
        event_id = client.publish(
            "In which order?", STEPS, max_steps=3, conversation_id="chat 7", extensions={"traceparent": "00-1-2-01"}
        )

    [(method, _, headers, body)] = script.requests
    attributes = {name[3:].lower(): value for name, value in headers.items() if name.lower().startswith("ce-")}
    assert method == "POST"
    assert attributes.pop("time")
    assert attributes == {
        "specversion": "1.0", "type": REQUESTED, "source": "/agents/sre", "id": event_id, "correlationid": event_id,
        "subject": "chat%207", "traceparent": "00-1-2-01",
    }  # fmt: skip
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "question": "In which order?", "context": STEPS, "max_steps": 3, "conversation_id": "chat 7",
    }  # fmt: skip


@pytest.mark.parametrize("first", [Reply(status) for status in (404, 408, 409, 429, 500, 502, 503, 504)] + [Dropped()])
def test_what_knative_delivers_again_is_published_again_under_the_same_id(first):
    with scripted(first, Reply(202)) as (script, url), ReasoningClient(broker_url=url, retry=SOON) as client:
        event_id = client.publish("?", STEPS)

    headers = [{name.lower(): value for name, value in headers.items()} for _, _, headers, _ in script.requests]
    assert [each["ce-id"] for each in headers] == [event_id, event_id]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 405, 413, 415, 422, 425])
def test_what_knative_does_not_deliver_again_fails_at_once(status):
    with (
        scripted(Reply(status, b"no such broker"), Reply(202)) as (script, url),
        ReasoningClient(broker_url=url, retry=SOON) as client,
        pytest.raises(PublishFailed, match=f"{status}: no such broker") as raised,
    ):
        client.publish("?", STEPS, event_id="e1")

    assert (raised.value.status, raised.value.event_id, len(script.requests)) == (status, "e1", 1)


def test_a_broker_that_is_not_there_is_told_with_the_events_id():
    with (
        ReasoningClient(broker_url=f"http://{LOOPBACK}:{free_port()}", retry=SOON) as client,
        pytest.raises(PublishFailed, match="cannot be reached") as raised,
    ):
        client.publish("?", STEPS, event_id="e1")

    assert (raised.value.status, raised.value.event_id) == (None, "e1")


def test_a_broker_that_does_not_answer_is_given_up_in_time():
    with (
        scripted(Silent()) as (_, url),
        ReasoningClient(broker_url=url, timeout=0.3) as client,
        pytest.raises(CallTimedOut, match="did not take event e1"),
    ):
        client.publish("?", STEPS, event_id="e1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"extensions": {"myExt": "1"}}, "lowercase"),
        ({"extensions": {"my_ext": "1"}}, "lowercase"),
        ({"extensions": {"id": "1"}}, "'id'"),
        ({"extensions": {"ok": ""}}, "not empty"),
        ({"extensions": {"ok": 1}}, "string"),
        ({"samples": 0}, "samples"),
    ],
)
def test_what_no_broker_would_take_is_refused_before_it_is_sent(arguments, words):
    with (
        scripted(Reply(202)) as (script, url),
        ReasoningClient(broker_url=url) as client,
        pytest.raises(InvalidRequest, match=words),
    ):
        client.publish("?", STEPS, **arguments)

    assert script.requests == []


def test_without_a_broker_publishing_says_what_to_set():
    with ReasoningClient() as client, pytest.raises(ClientMisconfigured, match="KNATIVE_BROKER_URL"):
        client.publish("?", STEPS)


# Answers


def test_the_answer_arrives_at_the_receiver(live):
    port = free_port()
    with (
        standing_in(live, f"http://{LOOPBACK}:{port}/events") as broker,
        ReasoningClient(live, broker_url=broker.url) as client,
        client.receiver(port, LOOPBACK),
    ):
        answer = client.publish_and_wait("In which order?", STEPS, seed=5)

    assert answer.verified
    assert answer.seed == 5
    assert answer.solution["waves"] == [["a"], ["b"]]


def test_many_answers_find_those_who_wait_for_them_though_each_comes_twice(live):
    async def ask(broker, port):
        async with AsyncReasoningClient(live, broker_url=broker.url) as client, client.receiver(port, LOOPBACK):
            answers = await asyncio.gather(*(client.publish_and_wait("?", STEPS, seed=seed) for seed in range(12)))
            while len(broker.answers) < 24:
                await asyncio.sleep(0.01)  # polls a condition
            return [answer.seed for answer in answers], broker.answers

    port = free_port()
    with standing_in(live, f"http://{LOOPBACK}:{port}", copies=2) as broker:
        seeds, answers = asyncio.run(ask(broker, port))

    assert seeds == list(range(12))
    assert answers == [(204, b"")] * 24


def test_a_failed_event_is_raised_as_what_it_stands_for(live):
    port = free_port()
    with (
        standing_in(live, f"http://{LOOPBACK}:{port}") as broker,
        ReasoningClient(live, broker_url=broker.url) as client,
        client.receiver(port, LOOPBACK),
        pytest.raises(InvalidContext, match="circle") as raised,
    ):
        client.publish_and_wait("?", {"steps": {"a": ["a"]}})

    assert raised.value.status == 422
    assert raised.value.fields["steps"] == ["a"]


def test_an_answer_that_does_not_come_is_told_in_time_with_where_to_look(live):
    with (
        scripted(Reply(202)) as (_, url),
        ReasoningClient(live, broker_url=url, timeout=0.3) as client,
        client.receiver(0, LOOPBACK),
        pytest.raises(CallTimedOut, match="Trigger"),
    ):
        client.publish_and_wait("?", STEPS)


def test_closing_the_receiver_ends_the_wait():
    async def leave():
        async with AsyncReasoningClient(broker_url=url) as client:
            async with client.receiver(0, LOOPBACK):
                waiting = asyncio.create_task(client.publish_and_wait("?", STEPS))
                while not script.requests:
                    await asyncio.sleep(0.01)  # polls a condition
            await waiting

    with scripted(Reply(202)) as (script, url), pytest.raises(ReceiverClosed):
        asyncio.run(leave())


# The client that this one replaces: with events it raised TypeError, or published and then called HTTP as well, and it
# never waited for the answer; its address had a port on which nothing listens.


def test_with_events_reason_publishes_once_and_calls_no_http(live, monkeypatch):
    port = free_port()
    monkeypatch.setenv("REASONING_USE_EVENTS", "true")
    with (
        scripted(Reply(500)) as (http, url),
        standing_in(live, f"http://{LOOPBACK}:{port}") as broker,
        ReasoningClient(url, broker_url=broker.url) as client,
        client.receiver(port, LOOPBACK),
    ):
        answer = client.reason("In which order?", STEPS)

    assert answer.verified
    assert len(broker.published) == 1
    assert http.requests == []


def test_without_events_reason_calls_http_once_and_publishes_nothing(live, monkeypatch):
    with scripted(Reply(202)) as (broker, url):
        monkeypatch.setenv("KNATIVE_BROKER_URL", url)
        with ReasoningClient(live) as client, client.receiver(0, LOOPBACK):
            assert client.reason("In which order?", STEPS).verified

    assert broker.requests == []


def test_with_events_and_no_receiver_nothing_is_sent_and_the_error_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("REASONING_USE_EVENTS", "true")
    with (
        scripted(Reply(202)) as (script, url),
        ReasoningClient(url, broker_url=url) as client,
        pytest.raises(ClientMisconfigured, match=r"client\.receiver\(port"),
    ):
        client.reason("?", STEPS)

    assert script.requests == []


def test_with_events_and_no_broker_the_error_says_what_is_missing():
    with (
        ReasoningClient(use_events=True) as client,
        client.receiver(0, LOOPBACK),
        pytest.raises(ClientMisconfigured, match="KNATIVE_BROKER_URL"),
    ):
        client.reason("?", STEPS)


def test_the_default_address_has_the_port_that_a_knative_service_listens_on():
    with ReasoningClient() as client:
        assert client.base_url == DEFAULT_URL == "http://agent-reasoning.ai-agents.svc.cluster.local"


# The environment


def test_the_environment_is_read_and_arguments_win(monkeypatch):
    monkeypatch.setenv("REASONING_SERVICE_URL", "http://reasoning.example/")
    monkeypatch.setenv("K_SINK", "http://sink")

    settings = read_settings()
    assert ReasoningClient().base_url == "http://reasoning.example"
    assert ReasoningClient("http://other/prefix/").base_url == "http://other/prefix"
    assert Publisher(settings, None, SOON).check() == "http://sink"
    monkeypatch.setenv("KNATIVE_BROKER_URL", "http://broker")
    settings = read_settings()
    assert Publisher(settings, None, SOON).check() == "http://broker"
    assert Publisher(settings, "http://argument", SOON).check() == "http://argument"


def test_a_sink_bindings_overrides_are_on_what_is_published(monkeypatch):
    monkeypatch.setenv("K_CE_OVERRIDES", '{"extensions": {"cluster": "studio"}}')
    with scripted(Reply(202)) as (script, url), ReasoningClient(broker_url=url) as client:
        client.publish("?", STEPS, extensions={"cluster": "pro", "team": "sre"})

    headers = {name.lower(): value for name, value in script.requests[0][2].items()}
    assert (headers["ce-cluster"], headers["ce-team"]) == ("studio", "sre")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REASONING_USE_EVENTS", "maybe"),
        ("REASONING_SERVICE_URL", "agent-reasoning:8080"),
        ("KNATIVE_BROKER_URL", "broker"),
        ("K_CE_OVERRIDES", "{"),
        ("K_CE_OVERRIDES", '{"extensions": {"a": 1}}'),
        ("K_CA_CERTS", "no certificate"),
    ],
)
def test_a_variable_that_cannot_work_is_named_when_the_client_is_made(monkeypatch, name, value):
    monkeypatch.setenv(name, value)

    with pytest.raises(ClientMisconfigured) as raised:
        ReasoningClient()

    words = str(raised.value)
    assert name in words.upper() or value in words


@pytest.mark.parametrize("value", ["", "null", "{}"])
def test_no_overrides_is_how_a_sink_binding_says_none(monkeypatch, value):
    monkeypatch.setenv("K_CE_OVERRIDES", value)

    assert read_settings().k_ce_overrides.extensions == {}


def test_a_sink_with_a_certificate_of_the_clusters_own_is_trusted_where_k_ca_certs_says_so(monkeypatch):
    with scripted(Reply(202), certificate=CERTIFICATE) as (script, url):
        with (
            ReasoningClient(broker_url=url, retry=SOON) as client,
            pytest.raises(PublishFailed, match="(?i)certificate"),
        ):
            client.publish("?", STEPS)
        monkeypatch.setenv("K_CA_CERTS", CERTIFICATE.read_text().partition("-----BEGIN PRIVATE KEY")[0])
        with ReasoningClient(broker_url=url, retry=SOON) as client:
            client.publish("?", STEPS)

    assert len(script.requests) == 1
