"""The alerts: legal, documented, on series that exist, and firing when they should."""

import re
import subprocess

import promql_parser
import pytest
import yaml

from agent_reasoning.api.dead_letters import create_app
from tests.conftest import ROOT
from tests.deploy.rule_cases import CASES, SLOW_CASES, THERE
from tools.manifests.build import OVERLAYS_AT
from tools.observe import rules, series
from tools.observe.__main__ import files

BURNING = {"AgentReasoningErrors", "AgentReasoningSlow"}
ALERTS = sorted({alert["alert"] for alert in rules.alerts()})


def exprs():
    return [rule["expr"] for group in rules.groups() for rule in group["rules"]]


def test_what_is_in_the_base_is_what_the_program_writes():
    assert {name: (OVERLAYS_AT / "base" / name).read_text() for name in files()} == files()


@pytest.mark.parametrize("expr", exprs())
def test_each_expression_is_promql(expr):
    promql_parser.parse(expr)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_its_section_in_the_runbook(alert):
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)
    [link] = {each["annotations"]["runbook_url"] for each in rules.alerts() if each["alert"] == alert}

    assert alert in headings
    assert link == f"docs/runbook.md#{alert.lower()}"


def test_the_runbook_speaks_of_no_alert_that_is_gone():
    headings = set(re.findall(r"^## (AgentReasoning\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))

    assert headings == set(ALERTS)


def test_each_section_says_what_it_means_how_to_look_and_what_to_do():
    sections = re.split(r"^## ", (ROOT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)[1:]
    for section in sections:
        if section.startswith("AgentReasoning"):
            assert all(part in section for part in ("**Means**", "**Look**", "**Do**")), section.splitlines()[0]


def test_burn_rates_are_those_of_the_workbook():
    found = {
        (rule["labels"]["window"], rule["labels"]["severity"]): float(re.search(r"> ([\d.]+)", rule["expr"])[1])
        for rule in rules.alerts()
        if rule["alert"] == "AgentReasoningErrors"
    }

    assert found == {
        ("1h", "critical"): pytest.approx(14.4 * 0.005),
        ("6h", "critical"): pytest.approx(6 * 0.005),
        ("1d", "warning"): pytest.approx(3 * 0.005),
        ("3d", "warning"): pytest.approx(0.005),
    }


def own_names(client):
    sink = {"agent_reasoning_dead_letters_total"}
    page = client.get("/metrics").text
    names = {line.split(" ")[2] for line in page.splitlines() if line.startswith("# TYPE ")}
    return names | sink


def test_every_series_of_ours_exists(client):
    """A renamed metric leaves an alert that never fires: names are compared with the service's own page."""
    assert create_app(1)
    known = own_names(client)
    ours = {
        value
        for value in vars(series).values()
        if isinstance(value, str) and re.fullmatch(r"agent_reasoning_\w+|process_\w+", value)
    }

    assert {name for name in ours - known if name.removesuffix("_bucket") not in known} == set()


def promtool_file(case, minutes):
    name, given, step, firing = case
    expected = [
        {"labels": f'{{alertname="{alert}", severity="{severity}"}}', "value": 1} for alert, severity in sorted(firing)
    ]
    return {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{minutes}m",
        "tests": [
            {
                "name": name,
                "interval": f"{minutes}m",
                "input_series": [{"series": series, "values": values} for series, values in {**THERE, **given}.items()],
                "promql_expr_test": [
                    {
                        "expr": 'group by (alertname, severity) (ALERTS{alertstate="firing"})',
                        "eval_time": f"{step * minutes}m",
                        "exp_samples": expected,
                    }
                ],
            }
        ],
    }


@pytest.mark.external
def test_promtool_takes_the_rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": rules.groups()}))

    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def words_of_promtool(tmp_path, case, minutes):
    """promtool's words, or nothing. minutes: of a step of the case's series, and between evaluations."""
    groups = [{**group, "interval": f"{minutes}m"} for group in rules.groups()]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(promtool_file(case, minutes)))
    command = ["promtool", "test", "rules", tmp_path / "case.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.external
@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_what_fires(tmp_path, case):
    assert not words_of_promtool(tmp_path, case, minutes=1)


@pytest.mark.external
@pytest.mark.parametrize("case", SLOW_CASES, ids=[case[0] for case in SLOW_CASES])
def test_what_fires_after_days(tmp_path, case):
    assert not words_of_promtool(tmp_path, case, minutes=10)


def test_every_alert_is_seen_firing_in_some_case():
    assert {alert for case in CASES for alert, _ in case[3]} == set(ALERTS)
