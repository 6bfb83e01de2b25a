"""The sink of what could not be delivered."""

import subprocess
import sys

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from agent_reasoning.api.dead_letters import create_app

EVENT = {"ce-id": "1", "ce-type": "io.homelab.reasoning.requested", "ce-source": "/a%20b", "ce-specversion": "1.0"}


@pytest.fixture
def client():
    with TestClient(create_app(max_body_bytes=100)) as client:
        yield client


def counts(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        sample.labels["code"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "agent_reasoning_dead_letters_total"
    }


def test_an_event_becomes_a_line_of_the_log_that_it_can_be_sent_again_from(client):
    with structlog.testing.capture_logs() as lines:
        response = client.post("/", content=b'{"question": "?"}', headers={**EVENT, "ce-knativeerrorcode": "503"})

    assert response.status_code == 202
    assert not response.content
    [line] = lines
    assert line["event"] == "dead_letter"
    assert line["attributes"]["source"] == "/a b"
    assert line["data"] == '{"question": "?"}'
    assert line["whole"] is True


def test_it_counts_by_the_class_of_the_last_status_and_starts_at_zero(client):
    before = counts(client)
    for status in ("503", "500", "422"):
        client.post("/", headers={**EVENT, "ce-knativeerrorcode": status})

    assert before == {"3xx": 0, "4xx": 0, "5xx": 0, "none": 0}
    assert counts(client) == {"3xx": 0, "4xx": 1, "5xx": 2, "none": 0}


@pytest.mark.parametrize("status", ["", "-1", "5", "5000", "9xx", "x" * 10_000, "€xx"])
def test_no_sender_makes_a_new_series(client, status):
    client.post("/", headers={**EVENT, "ce-knativeerrorcode": status.encode()})

    assert counts(client) == {"3xx": 0, "4xx": 0, "5xx": 0, "none": 1}


def test_data_beyond_the_limit_is_cut_and_the_event_is_taken_all_the_same(client):
    with structlog.testing.capture_logs() as lines:
        response = client.post("/", content=b"x" * 101, headers=EVENT)

    assert response.status_code == 202
    assert lines[0]["data"] == "x" * 100
    assert lines[0]["whole"] is False


def test_it_loads_no_torch():
    probe = "import sys, agent_reasoning.commands.dead_letters; sys.exit('torch' in sys.modules)"

    subprocess.run([sys.executable, "-c", probe], check=True, timeout=60)
