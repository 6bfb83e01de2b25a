"""For everybody: by keyboard alone, on a phone, in the dark, and by the rules of axe-core."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.acts import TITLES, as_text, choose, option, run, verdict
from tests.browser.conftest import PHONE

AXE = Axe()
DARK = {"color_scheme": "dark"}


def faults(page):
    """What axe-core finds, of any impact: the rule, how bad, and where."""
    found = AXE.run(page).response["violations"]
    return [(fault["id"], fault["impact"], node["html"][:160]) for fault in found for node in fault["nodes"]]


@pytest.mark.parametrize("look", [{}, DARK, PHONE, PHONE | DARK], ids=["light", "dark", "phone", "dark phone"])
@pytest.mark.parametrize("task", TITLES)
def test_axe_finds_no_fault(open_page, task, look):
    with open_page(**look) as page:
        choose(page, task)
        assert faults(page) == []
        page.get_by_label("Random instance").select_option(index=1)
        if task in ("rollout", "root-cause"):
            page.locator("[data-node]").first.click()
        page.locator("summary", has_text="Options").click()
        run(page)
        verdict(page)
        for summary in page.locator(".answer summary").all():
            summary.click()
        assert faults(page) == []


@pytest.mark.parametrize("look", [{}, DARK], ids=["light", "dark"])
def test_axe_finds_no_fault_in_errors(open_page, look):
    with open_page(**look) as page:
        as_text(page, '{"puzzle": "' + "12345678." + "." * 8 + "9" + "." * 63 + '"}')
        option(page, "Samples", 1)
        page.get_by_label("Most steps").fill("4")
        run(page)
        expect(verdict(page)).to_contain_text("Not verified")
        assert faults(page) == []
        page.get_by_label("The problem as JSON or YAML").fill('{"puzzle": 1}')
        run(page)
        expect(page.get_by_role("alert")).to_be_visible()
        assert faults(page) == []


def tab_to(page, matches, most=60):
    """Presses Tab until the focus is on what `matches` (JavaScript, of an element) is true of."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"(({matches}))(document.activeElement)"):
            return
    raise AssertionError(f"the focus never came to {matches}")


def test_a_problem_is_set_run_and_looked_through_by_keyboard_alone(page):
    tab_to(page, "(e) => e.name === 'task'")
    page.keyboard.press("ArrowRight")
    expect(page.locator("input[name=task][value=rollout]")).to_be_checked()
    tab_to(page, "(e) => e.placeholder === 'no limit'")
    page.keyboard.type("1")
    tab_to(page, "(e) => e.dataset.node && e.textContent.includes('cache')")
    page.keyboard.press("Enter")
    tab_to(page, "(e) => e.closest('.item') && e.labels?.[0]?.textContent === 'Name'")
    page.keyboard.press("Control+a")
    page.keyboard.type("store")
    tab_to(page, "(e) => e.closest('.needs') && e.tagName === 'SELECT'")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown") if not page.locator(".chip").count() else None
    with page.expect_request("**/reason") as sent:
        page.keyboard.press("Control+Enter")

    context = sent.value.post_data_json["context"]
    assert context["max_parallel"] == 1
    assert context["steps"]["store"] == ["database"]
    expect(verdict(page)).to_contain_text("Verified")
    tab_to(page, "(e) => e.type === 'range'")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".scrub")).to_contain_text("Step 1 of 1")


def test_the_grid_is_one_stop_and_arrows_move_in_it(page):
    tab_to(page, "(e) => e.closest('.sudoku')")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.ariaLabel") == "Row 2, column 9"
    page.keyboard.press("Tab")

    assert not page.evaluate("document.activeElement.closest('.sudoku')")


def test_the_first_stop_skips_to_the_problem(page):
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "problem"


@pytest.mark.parametrize("task", TITLES)
def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_answer_comes_into_view(open_page, task):
    with open_page(**PHONE) as page:
        choose(page, task)
        page.get_by_label("Random instance").select_option(index=2)
        run(page)
        verdict(page)

        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"]
        expect(page.get_by_role("heading", name="Answer")).to_be_in_viewport()


def test_the_theme_is_the_systems_until_another_is_chosen_and_that_is_kept(open_page):
    with open_page(**DARK) as page:
        assert is_dark(page)
        page.get_by_role("button", name="Switch to the light theme").click()
        assert not is_dark(page)
        page.reload()
        expect(page.get_by_role("button", name="Switch to the dark theme")).to_be_visible()
        assert not is_dark(page)


def is_dark(page):
    red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    return red < 64


def test_the_verdict_is_announced_and_the_steps_are_not(page):
    run(page)
    verdict(page)

    regions = page.locator("[role=status], [aria-live]")
    assert regions.filter(has_text="Verified").count() == 1
    assert page.locator("[role=status] .refinement, [aria-live] .refinement").count() == 0
