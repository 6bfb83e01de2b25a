"""The examples of docs/tasks.md: what is posted there is answered, and real input as the page says."""

import json
import re

import httpx2
import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "tasks.md").read_text()
REAL = ROOT.parent / "shared" / "data" / "real"
EXAMPLES = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
ANSWERS = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)


def ask(url, body):
    response = httpx2.post(f"{url}/reason", content=body, headers={"content-type": "application/json"}, timeout=60)
    return response.status_code, response.json()


@pytest.mark.parametrize("body", EXAMPLES, ids=range(len(EXAMPLES)))
def test_what_the_page_posts_is_answered(live, body):
    status, answer = ask(live, body)

    assert (status, answer["verified"]) == (200, True)


@pytest.mark.skipif(not REAL.exists(), reason="needs the shared data")
def test_the_homelabs_kustomizations_two_at_a_time_as_the_page_has_them(live):
    graph = json.loads((REAL / "dependencies_homelab_studio.json").read_text())
    items = [{"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
              "metadata": {"name": name, "namespace": "flux-system"},
              "spec": {"interval": "10m", "dependsOn": [{"name": need} for need in needs]}}
             for name, needs in graph.items()]  # fmt: skip
    context = {"apiVersion": "v1", "kind": "List", "items": items, "max_parallel": 2}

    status, answer = ask(live, json.dumps({"question": "In which order?", "context": context}))

    assert (status, answer["verified"], answer["optimal"], answer["steps"]) == (200, True, True, 1)
    assert answer["answer"] + "\n" in ANSWERS


@pytest.mark.skipif(not REAL.exists(), reason="needs the shared data")
def test_the_outage_of_the_opentelemetry_demo_as_the_page_has_it(live):
    alerts = ["valkey-cart", "cart", "checkout", "frontend", "frontend-proxy", "load-generator", "ad"]
    services = json.loads((REAL / "dependencies_otel_demo.json").read_text())

    context = {"services": services, "alerts": alerts}
    _, answer = ask(live, json.dumps({"question": "What broke?", "context": context}))

    assert answer["answer"] + "\n" in ANSWERS
