import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.outage import Outage, Weights
from agent_reasoning.tasks.root_cause import RootCause
from agent_reasoning.tasks.root_cause_solver import least_cost
from tests.conftest import ROOT
from tests.tasks import outages as independent

TASK = RootCause()
REAL = ROOT.parent / "shared" / "data" / "real" / "dependencies_otel_demo.json"


def read(**context):
    return TASK.read(context)


def answer(outage, *faults):
    chosen = np.array([int(outage.names[suspect] in faults) for suspect in outage.suspects])
    return TASK.decode(outage, chosen)


@settings(deadline=None, max_examples=300)
@given(independent.outages())
def test_the_least_cost_is_that_of_an_independent_search(outage):
    cost, explanations = least_cost(outage)

    assert cost == independent.least(outage)
    assert explanations
    assert all(independent.cost(outage, faults) == cost for faults in explanations)
    assert outage.bound <= cost + 1e-9


@settings(deadline=None, max_examples=300)
@given(independent.outages(), st.data())
def test_an_answer_is_valid_exactly_where_no_trivial_explanation_costs_less(outage, data):
    choice = data.draw(st.lists(st.integers(0, 1), min_size=len(outage.suspects), max_size=len(outage.suspects)))
    faults = [suspect for suspect, picked in zip(outage.suspects, choice, strict=True) if picked]
    solution = TASK.decode(outage, np.array(choice))

    verdict = TASK.verify(outage, solution)

    cost = independent.cost(outage, faults)
    singles = [independent.cost(outage, [service]) for service in range(len(outage.names))]
    assert verdict.objective == solution["cost"] == cost
    assert verdict.valid == (cost <= min([independent.cost(outage, []), *singles]))
    assert not verdict.optimal or cost == independent.least(outage)
    assert (TASK.choice_of(outage, solution) == choice).all()


@settings(deadline=None, max_examples=200)
@given(independent.outages(), st.data())
def test_whatever_is_changed_in_a_valid_answer_is_noticed(outage, data):
    _, explanations = least_cost(outage)
    faults = {outage.names[fault] for fault in explanations[0]}
    solution = answer(outage, *faults)
    assert TASK.verify(outage, solution).valid
    changed = copy.deepcopy(solution)
    field = data.draw(st.sampled_from(["explained", "false_alerts", "missing_alerts", "cost", "root_causes"]))
    if field == "cost":
        changed["cost"] -= 1
    elif field == "explained":
        if not changed["explained"]:
            return
        alert = data.draw(st.sampled_from(sorted(changed["explained"])))
        if data.draw(st.booleans()):
            del changed["explained"][alert]
        else:
            changed["explained"][alert] = [*changed["explained"][alert][:-1], "nobody", alert]
    elif data.draw(st.booleans()) and changed[field]:
        changed[field].pop()
    else:
        changed[field].append("nobody")

    assert not TASK.verify(outage, changed).valid


@pytest.mark.parametrize("solution", [{}, {"root_causes": 3}, {"root_causes": [], "explained": [], "false_alerts": []}])
def test_a_solution_of_another_form_is_refused(solution):
    assert not TASK.verify(read(services={"a": []}, alerts=["a"]), solution).valid


def test_the_example_names_the_database():
    outage = TASK.read(TASK.info.example_context)
    solution = answer(outage, "database")

    assert TASK.verify(outage, solution).optimal
    assert solution["explained"]["web"] == ["database", "api", "web"]
    words = TASK.describe(outage, solution)
    assert "Best explained by a fault in database" in words
    assert "web alerts: database → api → web" in words
    assert "Next best: " in words


def test_a_resilient_edge_carries_no_fault():
    services = {"web": {"depends_on": ["api", "ads"], "resilient": ["ads"]}, "api": [], "ads": []}
    outage = read(services=services, alerts=["ads", "api", "web"])

    _, explanations = least_cost(outage)

    assert [{outage.names[fault] for fault in faults} for faults in explanations] == [{"api"}]
    assert answer(outage, "api")["false_alerts"] == ["ads"]


def test_weights_change_what_is_best():
    context = {"services": {"web": ["db"], "db": [], "mail": []}, "alerts": ["web", "db", "mail"]}

    assert least_cost(read(**context))[1] == [(1,)]
    assert least_cost(read(**context, weights={"extra_fault": 1.0}))[1] == [(1, 2)]


def test_what_is_known_to_be_healthy_speaks_against_a_fault():
    services = {"a": ["x"], "b": ["x", "y"], "c": ["y"], "x": [], "y": []}
    context = {"services": services, "alerts": ["b"]}

    assert len(least_cost(read(**context))[1]) >= 1
    healthy = read(**context, healthy=["a", "x", "c"])
    assert least_cost(healthy)[1] == [(1,)]


WEBHOOK = {
    "version": "4", "groupKey": "{}", "status": "firing", "receiver": "agents", "truncatedAlerts": 0,
    "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager.test",
    "alerts": [
        {"status": "firing", "labels": {"alertname": "HighLatency", "service": "frontend", "severity": "page"},
         "annotations": {}, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z"},
        {"status": "firing", "labels": {"alertname": "Down", "job": "shop/checkout"}},
        {"status": "firing", "labels": {"alertname": "Errors", "destination_service": "payment.shop.svc.cluster.local"}},
        {"status": "resolved", "labels": {"alertname": "Down", "service": "currency"}},
        {"status": "firing", "labels": {"alertname": "Watchdog", "severity": "none"}},
        {"status": "firing", "labels": {"alertname": "NodeDisk", "instance": "10.0.0.1:9100"}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("given", [WEBHOOK, WEBHOOK["alerts"]])
def test_alertmanagers_alerts_are_read_as_they_are(given):
    services = {"frontend": ["checkout"], "checkout": ["payment", "currency"], "payment": [], "currency": []}

    outage = read(services=services, alerts=given)

    assert [outage.names[alert] for alert in outage.alerting] == ["frontend", "checkout", "payment"]
    assert outage.unknown_alerts == ("NodeDisk",)
    assert "NodeDisk" in TASK.describe(outage, answer(outage, "payment"))


def test_the_label_of_the_service_can_be_named():
    alert = {"labels": {"alertname": "Slow", "service": "web", "component": "db"}}

    outage = read(services={"web": ["db"], "db": []}, alerts=[alert], service_label="component")

    assert [outage.names[alert] for alert in outage.alerting] == ["db"]


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service": "web", "namespace": "shop"}, "shop/web"),
        ({"deployment": "web", "exported_namespace": "blog", "namespace": "monitoring"}, "blog/web"),
        ({"job": "shop/web"}, "shop/web"),
        ({"destination_service": "web.blog.svc.cluster.local"}, "blog/web"),
        ({"service": "db", "namespace": "data"}, "db.data"),
        ({"service": "api", "namespace": "shop"}, "api"),
    ],
)
def test_a_name_that_several_namespaces_have_is_found_by_the_label_of_the_namespace(labels, service):
    services = {"shop/web": ["api"], "blog/web": ["api"], "api": ["db.data"], "db.data": []}

    outage = read(services=services, alerts=[{"labels": {"alertname": "Down", **labels}}])

    assert [outage.names[alert] for alert in outage.alerting] == [service]


def test_an_alert_about_replicas_is_not_about_who_counts_them():
    labels = {"alertname": "KubeDeploymentReplicasMismatch", "job": "kube-state-metrics", "service": "kube-state-metrics",
              "container": "kube-state-metrics", "namespace": "shop", "deployment": "web"}  # fmt: skip
    services = {"web": [], "kube-state-metrics": []}

    outage = read(services=services, alerts=[{"labels": labels}])

    assert [outage.names[alert] for alert in outage.alerting] == ["web"]


def test_what_compose_calls_optional_is_survived():
    services = {"web": {"depends_on": {"cache": {"condition": "service_started", "required": False},
                                       "api": {"condition": "service_started"}}},
                "api": {"image": "a"}, "cache": {"image": "c"}}  # fmt: skip

    outage = read(services=services, alerts=["cache"])

    assert outage.failing([outage.names.index("cache")]) == 1 << outage.names.index("cache")
    assert outage.needs[outage.names.index("web")] == (outage.names.index("api"),)


@pytest.mark.parametrize(
    "graph",
    [
        {"services": {"web": ["api"], "api": ["db"], "db": []}},
        {"edges": [{"source": "web", "target": "api", "rps": 3.5}, {"source": "api", "target": "db"}]},
        {"edges": [{"parent": "web", "child": "api", "callCount": 3}, {"parent": "api", "child": "db"}]},
        {"steps": {"web": ["api"], "api": ["db"], "db": []}},
        {"services": {"web": {"image": "w", "depends_on": {"api": {"condition": "service_started"}}},
                      "api": {"depends_on": ["db"]}, "db": None}},
        {"items": [{"kind": "Kustomization", "metadata": {"name": "web"}, "spec": {"dependsOn": [{"name": "api"}]}},
                   {"kind": "Kustomization", "metadata": {"name": "api"}, "spec": {"dependsOn": [{"name": "db"}]}},
                   {"kind": "Kustomization", "metadata": {"name": "db"}}]},
    ],
)  # fmt: skip
def test_the_graph_may_have_any_form_that_rollout_takes(graph):
    outage = read(**graph, alerts=["web", "api", "db"])

    assert least_cost(outage)[0] == 0
    assert TASK.verify(outage, answer(outage, "db")).optimal


def test_services_may_need_each_other_in_a_circle_and_themselves():
    outage = read(services={"a": ["b", "a"], "b": ["a"]}, alerts=["a", "b"])

    assert TASK.verify(outage, answer(outage, "a")).optimal


@pytest.mark.skipif(not REAL.exists(), reason="needs the shared data")
def test_an_outage_of_the_opentelemetry_demo():
    services = json.loads(REAL.read_text())

    outage = read(services=services, alerts=["valkey-cart", "cart", "checkout", "frontend", "frontend-proxy", "ad"])

    cost, explanations = least_cost(outage)
    assert {"valkey-cart"} in [{outage.names[fault] for fault in faults} for faults in explanations]
    assert TASK.verify(outage, answer(outage, "valkey-cart")).objective == cost


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"services": {}, "alerts": ["a"]}, "no services"),
        ({"services": {"a": []}, "alerts": []}, "No alert is firing"),
        ({"services": {"a": []}}, "There are no `alerts`"),
        ({"services": {"a": []}, "alerts": ["b"]}, "No alert is about a service of the graph: b"),
        ({"services": {"a": []}, "alerts": 3}, "alerts"),
        ({"services": {"a": []}, "alerts": ["a"], "healthy": ["b"]}, "healthy names b"),
        ({"services": {"a": []}, "alerts": ["a"], "healthy": ["a"]}, "healthy and alerting: a"),
        ({"services": {"a": []}, "alerts": ["a"], "weights": {"false": -1}}, "weights"),
        ({"services": {"a": []}, "alerts": ["a"], "weights": {"fasle": 1}}, "weights"),
        ({"services": {"café": [], "cafe\u0301": []}, "alerts": ["café"]}, "look alike"),
        ({"services": {"api": [], "a\u00adpi": []}, "alerts": ["api"]}, "look alike"),
        ({"services": {"a": {"image": "a"}}, "alerts": ["a"], "weight": {}}, "is weights meant"),
        ({"services": {"a": {"depends_on": [], "resilient": ["b"]}}, "alerts": ["a"]}, "resilient names b"),
        ({"alerts": ["a"]}, "holds no dependency graph"),
        ({"services": {f"s{n}": [] for n in range(10_000)}, "alerts": ["s1"]}, "at most 2000"),
        ({"services": {"a": []}, "alerts": ["a"] * 1_000_000}, "at most 10000"),
        ({"edges": [{"source": "a", "target": "b"}] * 20_001, "alerts": ["a"]}, "at most 20000"),
        ({"services": {f"s{n}": [f"s{n + 1}"] for n in range(500)}, "alerts": ["s0"]}, "501 services could explain"),
        ({"services": {"a": []}, "alerts": ["a"], "service": "a"}, "service"),
        ({"services": {"a": []}, "edges": [], "alerts": ["a"]}, "given twice, as services and as edges"),
        ({"services": {"a": []}, "alerts": ["a"], "weights": {"false": 1e-12}}, "weights"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_words(context, words):
    with pytest.raises(InvalidContext, match=words):
        TASK.read(context)


def test_a_lower_bound_is_quick_where_much_is_silent():
    """It once took ten seconds: each of a hundred chains of silent services was looked at for each suspect and alert."""
    rng = np.random.default_rng(0)
    roots, alerts = [f"r{n}" for n in range(80)], [f"a{n}" for n in range(48)]
    services = {name: [] for name in roots}
    services |= {name: [root for root in roots if rng.random() < 0.8] for name in alerts}
    for chain in range(100):
        services[f"s{chain}.0"] = [root for root in roots if rng.random() < 0.8]
        services |= {f"s{chain}.{n}": [f"s{chain}.{n - 1}"] for n in range(1, 18)}
    outage = read(services=services, alerts=alerts)

    assert len(outage.silent_alike) == 80 + 100
    assert 0 <= outage.bound <= TASK.verify(outage, TASK.baseline(outage)).objective


@pytest.mark.parametrize(
    "change", [{"cost": None}, {"cost": float("nan")}, {"cost": "0"}, {"root_causes": [["c"]]}, {"missing_alerts": [{}]},
               {"false_alerts": [["c"]]}, {"explained": {"a": [["c"], "a"]}}]
)  # fmt: skip
def test_any_solution_gets_a_verdict(change):
    outage = read(services={"a": ["c"], "c": []}, alerts=["a", "c"])

    assert not TASK.verify(outage, answer(outage, "c") | change).valid


@pytest.mark.parametrize(
    "alert",
    [
        {"status": {"state": "active", "silencedBy": []}, "labels": {"service": "a"}},
        {"state": "firing", "labels": {"service": "a", "shard": 3, "zone": None}},
        {"labels": {"service": "a"}, "status": None},
    ],
)
def test_alerts_are_read_as_the_apis_give_them(alert):
    silent = [{"status": {"state": "suppressed"}, "labels": {"service": "b"}}, {"state": "pending", "labels": {"service": "b"}},
              {"status": "Resolved", "labels": {"service": "b"}}]  # fmt: skip
    for body in ([alert, *silent], {"status": "success", "data": {"alerts": [alert, *silent]}}):
        outage = read(services={"a": [], "b": []}, alerts=body)
        assert [outage.names[service] for service in outage.alerting] == ["a"]


def test_a_large_graph_is_read_for_the_part_that_matters():
    services = {f"s{number:04}": [f"s{number // 3:04}"] for number in range(1, 2000)} | {"s0000": []}

    outage = read(services=services, alerts=["s1999", "s1998", "s0666"])
    problem = TASK.encode(outage)

    assert problem.size == (len(outage.suspects), 2)
    assert len(outage.suspects) < 20
    assert TASK.verify(outage, answer(outage, "s0666")).valid


@pytest.mark.parametrize("size", [6, 17, 32])
def test_generated_outages_have_their_least_cost_as_label(size):
    rng = np.random.default_rng(size)
    for _ in range(10):
        item = TASK.generate(rng, size)
        cost = least_cost(item.instance)[0]
        for choice in (item.choice, *item.alternatives):
            assert TASK.verify(item.instance, TASK.decode(item.instance, choice)).objective == cost
        assert len({choice.tobytes() for choice in (item.choice, *item.alternatives)}) == 1 + len(item.alternatives)


def test_half_of_the_generated_outages_mislead_who_looks_for_a_single_fault():
    rng = np.random.default_rng(0)
    items = [TASK.generate(rng, 20).instance for _ in range(100)]

    mislead = sum(least_cost(outage)[0] < min(outage.best_single, outage.nothing_broke) for outage in items)

    assert 35 <= mislead <= 65


def test_the_baseline_is_at_least_as_good_as_single_faults_and_pairs_and_has_no_cheaper_neighbour():
    rng = np.random.default_rng(1)
    for _ in range(20):
        outage = TASK.generate(rng, 12).instance
        solution = TASK.baseline(outage)
        verdict = TASK.verify(outage, solution)
        suspects = outage.suspects
        pairs = [outage.cost_of([one, other]) for one in suspects for other in suspects if one < other]
        assert verdict.valid
        assert verdict.objective <= min([outage.nothing_broke, outage.best_single, *pairs])
        assert solution["runner_up"]["costs_more"] >= 0


def test_weights_that_are_no_whole_numbers_do_not_break_the_verdict():
    outage = Outage(("a", "b", "c"), ((1,), (2,), ()), (0, 1, 2), (), Weights(0.1, 0.2, 0.3, 0.7))

    assert TASK.verify(outage, answer(outage, "c")).optimal
