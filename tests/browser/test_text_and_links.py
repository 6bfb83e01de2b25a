"""Problems as text, and in the address."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.acts import TITLES, as_editor, as_text, choose, option, run, verdict

COMPOSE = """# as docker compose has it
services:
  web:
    depends_on: [api]
  api:
    depends_on:
      database: {condition: service_healthy}
  database: {image: postgres}
"""


def test_yaml_is_run_as_it_is(page):
    choose(page, "rollout")
    as_text(page, COMPOSE)

    sent = run(page)

    assert sent["context"]["services"]["web"] == {"depends_on": ["api"]}
    expect(verdict(page)).to_contain_text("Verified")
    assert [wave.text_content() for wave in page.locator(".wave li").all()] == ["database", "api", "web"]


def test_several_documents_are_sent_as_documents(page):
    choose(page, "rollout")
    flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: %s}\nspec: {%s}\n"
    as_text(page, flux % ("base", "") + "---\n" + flux % ("apps", "dependsOn: [{name: base}]"))

    assert len(run(page)["context"]["documents"]) == 2
    expect(verdict(page)).to_contain_text("Verified")


def test_the_text_and_the_editor_show_the_same_problem(page):
    choose(page, "rollout")
    as_text(page, "steps: {a: [], b: [a]}\nmax_parallel: 3\n")
    as_editor(page)

    expect(page.get_by_role("button", name="b, needs a")).to_be_visible()
    expect(page.get_by_label("At most at the same time")).to_have_value("3")
    page.locator("fieldset.modes label", has_text="JSON or YAML").click()
    text = page.get_by_label("The problem as JSON or YAML").input_value()
    assert json.loads(text) == {"steps": {"a": [], "b": ["a"]}, "max_parallel": 3}


def test_text_that_is_plainly_another_tasks_problem_goes_there(page):
    request = {"question": "Who?", "context": {"services": {"a": ["b"]}, "alerts": ["a"]}}
    as_text(page, json.dumps(request))
    as_editor(page)

    expect(page.locator("input[name=task][value=root-cause]")).to_be_checked()
    expect(page.get_by_label("Question", exact=True)).to_have_value("Who?")
    assert run(page)["context"] == {**request["context"], "services": {"a": ["b"], "b": []}}


def test_a_file_can_be_opened(page, tmp_path):
    path = tmp_path / "steps.yaml"
    path.write_text("steps:\n  a: []\n  b: [a]\n")
    choose(page, "rollout")
    page.locator("fieldset.modes label", has_text="JSON or YAML").click()
    page.get_by_label("Open a file").set_input_files(path)

    expect(page.get_by_role("button", name="b, needs a")).to_be_visible()


@pytest.mark.parametrize("task", TITLES)
def test_a_link_brings_the_problem_to_somebody_else(page, open_page, task):
    choose(page, task)
    page.get_by_label("Random instance").select_option(index=1)
    page.get_by_label("Question", exact=True).fill("Whatever – “this” is?")
    option(page, "Seed", 7)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("The link is copied.")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    sent = run(page)

    with open_page(re.search("#.*", link)[0]) as other:
        expect(other.locator(f"input[name=task][value={task}]")).to_be_checked()
        assert run(other) == sent
    assert sent["seed"] == 7


def test_every_change_is_in_the_address(page):
    before = page.url
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("before => location.href !== before", arg=before)
    page.reload()

    expect(page.get_by_text("0 givens.")).to_be_visible()


def test_a_link_to_text_brings_the_text(page, open_page):
    before = page.url
    as_text(page, "puzzle: not yet")
    page.wait_for_function("before => location.href !== before", arg=before)

    with open_page(re.search("#.*", page.url)[0]) as other:
        expect(other.get_by_label("The problem as JSON or YAML")).to_have_value("puzzle: not yet")


def test_a_link_opened_in_the_same_window_replaces_the_problem(page, open_page):
    with open_page() as other:
        choose(other, "placement")
        other.get_by_role("button", name="Copy link").click()
        expect(other.get_by_text("The link is copied.")).to_be_visible()
        fragment = re.search("#.*", other.url)[0]

    page.evaluate("fragment => { location.hash = fragment; }", fragment)

    expect(page.locator("input[name=task][value=placement]")).to_be_checked()


@pytest.mark.parametrize("fragment", ["#v1.AAAA", "#v1.%%%", "#v0.e30", "#v9.x", "#hello", "#v1."])
def test_a_damaged_link_is_said_to_be_one_and_the_example_is_there(open_page, fragment):
    with open_page(fragment) as page:
        expect(page.get_by_role("status").filter(has_text="link")).to_be_visible()
        expect(verdict_of_example(page)).to_contain_text("Verified")


def verdict_of_example(page):
    run(page)
    return verdict(page)


def test_a_link_that_would_fill_the_memory_is_damaged(page, open_page):
    bomb = page.evaluate("""async () => {
      const { encode } = await import("/static/share.js");
      return encode({ task: "sudoku", text: " ".repeat(30_000_000) });
    }""")

    with open_page(f"#{bomb}") as other:
        expect(other.get_by_role("status").filter(has_text="damaged")).to_be_visible()


def test_markup_in_a_link_stays_text(open_page, page):
    name = "<img src=x onerror=alert(1)>"
    fragment = page.evaluate(
        """async (name) => {
      const { encode } = await import("/static/share.js");
      return encode({ task: "rollout", question: name, context: { steps: { [name]: [] } } });
    }""",
        name,
    )

    with open_page(f"#{fragment}") as other:
        run(other)
        verdict(other)
        assert other.locator("img").count() == 1  # the page's own
        expect(other.locator(".wave li")).to_have_text(name)
