"""What broke? Over HTTP, on what people on call have."""

import json

import httpx2
import pytest

from tests.conftest import ROOT
from tests.tasks.test_root_cause import WEBHOOK

REAL = ROOT.parent / "shared" / "data" / "real"


def ask(url, context, **options):
    response = httpx2.post(f"{url}/reason", json={"question": "What broke?", "context": context} | options, timeout=60)
    return response.status_code, response.json()


def test_an_alertmanager_body_beside_a_graph(live):
    services = {"frontend": ["checkout"], "checkout": ["payment", "currency"], "payment": [], "currency": []}

    status, answer = ask(live, {"services": services, "alerts": WEBHOOK}, samples=8)

    assert (status, answer["verified"], answer["optimal"]) == (200, True, True)
    assert answer["solution"]["root_causes"] == ["payment"]
    assert answer["solution"]["unknown_alerts"] == ["NodeDisk"]
    assert answer["answer"].endswith("Taken as root-cause (troubleshooting), by the shape of the context.")


@pytest.mark.skipif(not REAL.exists(), reason="needs the shared data")
def test_the_cache_of_the_opentelemetry_demos_cart(live):
    services = json.loads((REAL / "dependencies_otel_demo.json").read_text())
    alerts = ["valkey-cart", "cart", "checkout", "frontend", "frontend-proxy", "load-generator", "ad"]

    _, answer = ask(live, {"services": services, "alerts": alerts, "healthy": ["flagd"]}, samples=8)

    assert answer["solution"]["root_causes"] == ["valkey-cart"]
    assert answer["solution"]["false_alerts"] == ["ad"]
    assert answer["solution"]["explained"]["frontend-proxy"] == ["valkey-cart", "cart", "frontend", "frontend-proxy"]


def test_a_graph_that_could_be_anybodys_names_the_candidates(live):
    status, problem = ask(live, {"services": {"web": ["api"], "api": []}}, question="Hello?")

    assert (status, problem["type"].rpartition(":")[2]) == (422, "ambiguous-context")
    assert problem["candidates"] == ["rollout", "root-cause"]
