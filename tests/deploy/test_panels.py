"""Every panel's query, asked of a real Prometheus that scrapes the real service under load.

The panels on Knative, a GPU and a broker read the stand-in exporter's invented
series (tools/observe/stand_in.py): for those the names, labels and arithmetic are tested, not the systems.
"""

import math
import subprocess
import time
import urllib.request

import pytest

from tools.observe import dashboard, series
from tools.observe.rehearsal import WINDOW, Load, filled, rehearsal
from tools.observe.stand_in import REVISIONS, text

pytestmark = [pytest.mark.external, pytest.mark.slow]

PANELS = [panel for panel in dashboard.model()["panels"] if panel["type"] != "row"]
PATIENCE_SECONDS = 200
TARGETS = 4  # two replicas, the dead-letter sink, the stand-in
TYPES = {"planning", "logic", "troubleshooting"}
TASKS = {"rollout", "sudoku", "root-cause"}
TINY = 1e-9

# Title of a panel: the label that tells its lines apart, values that must be among them, and the least and most that one may say.
MEANING = {
    "Available": (None, set(), 0.0, 1.0),
    "In time": (None, set(), 0.0, 1.0),
    "Burn rate": (None, set(), 0.0, 200.0),
    "Requests a second": (None, set(), 1.0, 10_000),
    "Alerts that fire": (None, set(), 0, 50),
    "Requests by kind of task": ("task_type", TYPES, 0, 10_000),
    "Requests by outcome": ("status", {"completed", "invalid-context"}, TINY, 10_000),
    "Time to answer": (None, set(), 0.0005, 30),
    "Time in the queue": (None, set(), 0.0, 30),
    "Waiting": (None, set(), 0, 64),
    "Time of a step": ("task", TASKS, 0.0001, 2.5),
    "Verified share by kind of task": ("task_type", TYPES, 0.0, 1.0),
    "Who found the answers": ("source", {"model"}, 0, 10_000),
    "Why the search ended": ("by", {"verified", "max_steps"}, 0, 10_000),
    "Confidence": ("task_type", TYPES, 0.0, 1.0),
    "Confidence, spread": (None, set(), 0.0, 1.0),
    "Refinement steps": ("task_type", TYPES, 0, 64),
    "Slots in use": ("task", TASKS, 0.0, 1.0),
    "Trajectories in a step": ("task", TASKS, 1, 256),
    "Steps a second": ("task", TASKS, 0, 100_000),
    "GPU utilization": (None, set(), 0, 0),  # there is none here, and that is what 0 says
    "GPU memory": ("state", {"used", "free"}, 1e9, 24e9),
    "Processor": (None, set(), 0, 16),
    "Memory": (None, set(), 50 * 2**20, 4 * 2**30),
    "Models": ("task", TASKS, 2, 2),
    "Received": ("outcome", {"completed", "failed"}, 0, 10_000),
    "Published": ("outcome", {series.PUBLISHED_WELL, "given-up", "dropped"}, 0, 10_000),
    "Waiting to be published": (None, set(), 0, 1_000),
    "Dead letters": ("code", {"4xx", "5xx", "none"}, 0, 1_000),
    "Deliveries by the broker": ("http_response_status_code", {"200", "503"}, 0.01, 10),
    "Replicas": ("revision", set(REVISIONS), 1, 1),
    "Wanted by the autoscaler": ("kn_revision_name", set(REVISIONS), 1, 2),
    "Concurrency": ("kn_revision_name", set(REVISIONS), 0, 10),
    "Requests by revision": ("revision", set(REVISIONS), 0.1, 10_000),
    "Seen by callers": ("http_response_status_code", {"200", "503"}, 0.01, 100),
    "Seen by queue-proxy": ("http_response_status_code", {"200", "503"}, 0.1, 100),
    "Uptime": (None, set(), 1, 3_600),
}


@pytest.fixture(scope="module")
def stage():
    with rehearsal() as stage, Load(stage):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (
            not (filled_windows(stage) and all(lines(stage, panel) for panel in PANELS)) and time.monotonic() < deadline
        ):
            time.sleep(1)  # polls a condition; past the deadline the tests say which panel is silent
        yield stage


def filled_windows(stage):
    """Whether each target has been scraped more often than any panel's rate looks back."""
    scraped = [value for _, value in stage.now("count_over_time(up[5m])")]
    return len(scraped) == TARGETS and min(scraped) > 2 * int(WINDOW.removesuffix("s"))


def lines(stage, panel):
    """Whether every query says something, and the lines are there that must be."""
    label, wanted, *_ = MEANING[panel["title"]]
    seen = {labels.get(label) for target in panel["targets"] for labels, _ in stage.now(target["expr"])}
    return all(values(stage, target) for target in panel["targets"]) and wanted <= seen


def values(stage, target):
    """What is a number: a quantile of nothing is none."""
    return [value for _, value in stage.now(target["expr"]) if not math.isnan(value)]


def test_every_panel_is_expected_to_mean_something():
    assert {panel["title"] for panel in PANELS} == MEANING.keys()


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_a_panel_shows_what_it_says(stage, panel):
    label, wanted, least, most = MEANING[panel["title"]]
    seen = set()
    for target in panel["targets"]:
        found = values(stage, target)
        assert found, f"{target['expr']} has no data"
        assert least <= min(found), target["expr"]
        assert max(found) <= most, target["expr"]
        seen |= {labels.get(label) for labels, _ in stage.now(target["expr"])}
    assert wanted <= seen


def test_a_replica_is_told_by_its_pods_name(stage):
    [panel] = [panel for panel in PANELS if panel["title"] == "Memory"]

    assert {labels["instance"] for labels, _ in stage.now(panel["targets"][0]["expr"])} == {
        f"{revision}-pod" for revision in REVISIONS
    }


def test_parts_add_up_to_the_whole(stage):
    """Of one moment: by kind, by outcome and by revision are three ways to cut the same requests."""
    queries = {panel["title"]: panel["targets"][0]["expr"] for panel in PANELS}
    at = str(time.time() - 2)

    def added(title):
        found = stage.ask("query", query=f"sum({filled(queries[title])})", time=at)["result"]
        return float(found[0]["value"][1])

    whole = added("Requests a second")
    for title in ("Requests by kind of task", "Requests by outcome", "Requests by revision"):
        assert added(title) == pytest.approx(whole)


def test_an_exemplar_of_a_slow_answer_is_stored_with_its_request(stage):
    now = time.time()
    found = stage.ask("query_exemplars", query=f"{series.DURATION}_bucket", start=str(now - 60), end=str(now))

    assert found
    assert all(set(each["labels"]) == {"request_id"} for group in found for each in group["exemplars"])


def test_the_live_page_and_the_sinks_pass_promtool(stage):
    for url in (*stage.services, stage.sink):
        with urllib.request.urlopen(f"{url}/metrics", timeout=10) as page:
            done = subprocess.run(["promtool", "check", "metrics"], input=page.read(), capture_output=True, check=False)
        assert done.returncode == 0, done.stdout
        assert not done.stdout + done.stderr


def test_all_targets_are_scraped_and_all_rules_evaluated(stage):
    targets = stage.ask("targets")["activeTargets"]
    rules = [rule for group in stage.ask("rules")["groups"] for rule in group["rules"]]

    assert {target["health"] for target in targets} == {"up"}
    assert {rule["health"] for rule in rules} == {"ok"}


def test_the_stand_in_says_nothing_that_the_service_says_itself(stage):
    """What the service has, a rehearsal must take from the service."""
    with urllib.request.urlopen(f"{stage.services[0]}/metrics", timeout=10) as page:
        own = {
            line.split("{")[0].split(" ")[0] for line in page.read().decode().splitlines() if not line.startswith("#")
        }
    invented = {line.split("{")[0] for line in text(0).splitlines()}

    assert not own & invented
