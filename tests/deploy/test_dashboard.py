"""The dashboard as Grafana would read it, and by the rules of its linter (grafana/dashboard-linter), which cannot be had here."""

import json
import re

import promql_parser
import pytest
from jsonschema import Draft7Validator

from tools.manifests.objects import walk
from tools.manifests.schemas import SCHEMAS
from tools.observe import dashboard, series

MODEL = dashboard.model()
PANELS = [panel for panel in MODEL["panels"] if panel["type"] != "row"]
TARGETS = [(panel["title"], target) for panel in PANELS for target in panel["targets"]]
# Of others' jobs: bound to ours by other labels.
FOREIGN = {
    series.PODS_DESIRED: r'kn_service_name=~"\$job"',
    series.CONCURRENCY: r'kn_service_name=~"\$job"',
    series.QUEUED: r'k8s_namespace_name="ai-agents", kn_revision_name=~"agent-reasoning-\[0-9\]\+"',
    series.DISPATCH + "_count": r'kn_broker_namespace="ai-agents", kn_broker_name="agent-reasoning"',
    "ALERTS": r'service="agent-reasoning"',
}
ACTIVATOR = r'job!="agent-reasoning", k8s_namespace_name="ai-agents", kn_service_name="agent-reasoning"'


def schema(name):
    return json.loads((SCHEMAS / "grafana" / f"{name}.jsonschema.json").read_text())


def errors(name, definition, thing):
    found = schema(name)
    validator = Draft7Validator({"$ref": f"#/definitions/{definition}", "definitions": found["definitions"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(thing)]


def all_errors(model):
    found = errors("dashboard", "Dashboard", {**model, "panels": []})
    for panel in model["panels"]:
        if panel["type"] == "row":
            found += errors("dashboard", "RowPanel", panel)
            continue
        found += errors("dashboard", "Panel", panel)
        found += errors(panel["type"], "Options", panel["options"])
        for target in panel["targets"]:
            found += errors("prometheus", "Dataquery", target)
        custom = panel["fieldConfig"]["defaults"]["custom"]
        if "FieldConfig" in schema(panel["type"])["definitions"]:
            found += errors(panel["type"], "FieldConfig", custom)
        elif custom:
            found.append(f"{panel['type']} has no custom fields")
    return found


def filled(expr):
    """As Grafana would send it, with everything chosen."""
    for variable, value in (("$__rate_interval", "1m"), ("$job", "agent-reasoning"), ("$instance", ".+")):
        expr = expr.replace(variable, value)
    return expr


def test_it_is_a_dashboard_by_grafanas_own_closed_schema(shared):
    assert all_errors(MODEL) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("panels", 1, "targetz"), []),
        (("panels", 1, "gridPos", "h"), "8"),
        (("panels", 1, "targets", 0, "expression"), "up"),
        (("panels", 1, "options", "graphMod"), "area"),
        (("panels", -1, "fieldConfig", "defaults", "custom", "fill"), 1),
        (("panels", 1, "fieldConfig", "defaults", "custom", "fill"), 1),
        (("panels", 0, "panel"), []),
        (("templating", "list", 0, "type"), "datasources"),
        (("style",), "dark"),
    ],
)
def test_a_slip_is_refused(shared, path, value):
    model = json.loads(json.dumps(MODEL))
    thing = model
    for key in path[:-1]:
        thing = thing[key]
    thing[path[-1]] = value

    assert all_errors(model)


def test_units_are_grafanas(shared):
    legal = {each.get("const") for each in schema("units")["definitions"].values()}

    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS} <= legal


def test_the_datasource_is_a_variable_and_every_panel_and_query_uses_it():
    [variable] = [each for each in MODEL["templating"]["list"] if each["type"] == "datasource"]
    wanted = {"type": "prometheus", "uid": "${datasource}"}

    assert (variable["name"], variable["query"], variable["label"]) == ("datasource", "prometheus", "Data source")
    assert all(panel["datasource"] == wanted for panel in PANELS)
    assert all(target["datasource"] == wanted for _, target in TARGETS)


def test_job_and_instance_can_be_chosen():
    variables = {each["name"]: each for each in MODEL["templating"]["list"]}

    for name in ("job", "instance"):
        assert variables[name]["multi"]
        assert variables[name]["includeAll"]
        assert variables[name]["allValue"] == ".+"


def test_every_panel_has_a_title_of_its_own_a_description_and_a_unit():
    titles = [panel["title"] for panel in PANELS]

    assert len(set(titles)) == len(titles)
    assert all(panel["description"] and panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS)


def test_it_is_not_edited_in_grafana():
    assert MODEL["editable"] is False


def test_panels_lie_in_the_grid_and_not_over_each_other():
    taken = set()
    for panel in MODEL["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_references_of_a_panels_queries_differ_and_ids_too():
    for panel in PANELS:
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
    assert len({panel["id"] for panel in MODEL["panels"]}) == len(MODEL["panels"])


@pytest.mark.parametrize(("title", "target"), TARGETS)
def test_a_query_is_promql(title, target):
    promql_parser.parse(filled(target["expr"]))


@pytest.mark.parametrize(("title", "target"), TARGETS)
def test_a_rate_goes_over_what_grafana_thinks_right(title, target):
    outside_of_strings = re.sub(r'"[^"]*"', "", target["expr"])

    assert set(re.findall(r"\[([^\]]+)\]", outside_of_strings)) <= {"$__rate_interval"}


@pytest.mark.parametrize(("title", "target"), TARGETS)
def test_a_query_is_bound_to_the_chosen_job_and_instance(title, target):
    selectors = re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", target["expr"])

    assert selectors
    for name, matchers in selectors:
        if name in FOREIGN or "job!=" in matchers:
            assert re.search(FOREIGN.get(name, ACTIVATOR), matchers)
            continue
        assert 'job=~"$job' in matchers
        if ":" not in name:  # a recorded series is a sum over instances
            assert "instance=~" in matchers


@pytest.mark.parametrize(("title", "target"), TARGETS)
def test_a_query_names_series_that_are_listed_in_one_place(title, target):
    listed = {value for value in vars(series).values() if isinstance(value, str)} | {"ALERTS"}
    names = {str(value) for value in re.findall(r"([a-zA-Z_:][\w:]*)\{", target["expr"]) if ":" not in value}

    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in names} <= listed


def test_a_counter_is_never_shown_as_it_is():
    for _, target in TARGETS:
        for name in re.findall(r"(\w+_total)\{", target["expr"]):
            assert re.search(rf"(rate|increase)\({name}", target["expr"])


def test_nothing_that_whoever_is_on_call_needs_is_missing():
    text = " ".join(str(value) for _, value in walk(MODEL["panels"]) if isinstance(value, str))

    for name in (
        series.REQUESTS, series.DURATION, series.VERIFIED, series.ANSWERS, series.CONFIDENCE, series.STEPS, series.HALTED,
        series.SLOTS, series.GPU_UTILIZATION, series.EVENTS_RECEIVED, series.EVENTS_PUBLISHED, series.BUILD_INFO,
        "job:agent_reasoning_error_ratio", "job:agent_reasoning_slow_ratio",
    ):  # fmt: skip
        assert name in text
