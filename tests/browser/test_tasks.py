"""Each task from the problem to the verified answer."""

import pytest
from playwright.sync_api import expect

from tests.browser.acts import TITLES, as_text, choose, digits, option, run, verdict

PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
SOLVED = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"
UNSOLVABLE = "12345678." + "." * 8 + "9" + "." * 63  # only a 9 fits into the corner, and its column has one
SIZES = {"sudoku": "30", "rollout": "14", "root-cause": "14", "placement": "6"}


def test_the_example_sudoku_is_solved(page):
    sent = run(page)

    expect(verdict(page)).to_contain_text("Verified")
    assert (sent["task"], sent["context"]) == ("sudoku", {"puzzle": PUZZLE})
    assert digits(page) == SOLVED
    assert page.locator(".sudoku.solved > .given").count() == 81 - PUZZLE.count(".")


@pytest.mark.parametrize("task", TITLES)
def test_a_random_instance_is_solved_and_all_is_told(page, task):
    choose(page, task)
    before = page.url
    page.get_by_label("Random instance").select_option(SIZES[task])

    sent = run(page)

    told = verdict(page)
    expect(told).to_contain_text("Verified")
    expect(told).to_contain_text("It stopped")
    expect(told.get_by_text("Found by").locator("xpath=following-sibling::dd")).to_have_text("model")
    expect(page.get_by_role("img", name="Confidence by step")).to_be_visible()
    assert sent["task"] == task
    page.wait_for_function("before => location.href !== before", arg=before)


@pytest.mark.parametrize("task", TITLES)
def test_a_second_random_instance_is_another(page, task):
    choose(page, task)
    requests = []
    for _ in range(2):
        page.get_by_label("Random instance").select_option(SIZES[task])
        requests.append(run(page))
        verdict(page)

    assert requests[0]["context"] != requests[1]["context"]


def test_a_sudoku_is_typed_into_the_grid(page):
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Row 1, column 1", exact=True).click()
    for number, character in enumerate(PUZZLE):
        if character != ".":
            page.keyboard.press(character)
        page.keyboard.press("ArrowRight" if number % 9 < 8 else "ArrowDown")
        if number % 9 == 8:
            page.keyboard.press("ArrowRight")

    sent = run(page)

    assert sent["context"] == {"puzzle": PUZZLE}
    expect(verdict(page)).to_contain_text("Verified")


def test_givens_that_contradict_each_other_are_marked_before_anything_is_asked(page):
    page.get_by_label("Row 1, column 3", exact=True).click()
    page.keyboard.press("5")

    marked = page.locator(".sudoku > input[aria-invalid=true]")
    assert {cell.get_attribute("aria-label") for cell in marked.all()} == {"Row 1, column 1", "Row 1, column 3"}
    run(page)
    expect(page.get_by_role("alert")).to_contain_text("Row 1 holds 5 more than once.")


def test_what_breaks_a_rule_in_an_unsolvable_sudoku_is_marked_in_place(page):
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("Row 1, column 1", exact=True).click()
    page.evaluate("text => navigator.clipboard.writeText(text)", UNSOLVABLE)
    page.keyboard.press("Control+v")
    option(page, "Samples", 1)

    sent = run(page)

    expect(verdict(page)).to_contain_text("Not verified")
    assert sent["context"] == {"puzzle": UNSOLVABLE}
    listed = page.get_by_text("What the verifier found wrong").locator("xpath=following-sibling::ul")
    expect(listed.locator("li").first).to_contain_text("more than once")
    grid = digits(page)
    classes = [cell.get_attribute("class") for cell in page.locator(".sudoku.solved > span").all()]
    assert {cell for cell, names in enumerate(classes) if "wrong" in names.split()} == clashing(grid)


def clashing(grid):
    """The cells that share a digit with another of their row, column or box."""
    cells = [(number // 9, number % 9, digit) for number, digit in enumerate(grid)]
    return {
        9 * row + column for row, column, digit in cells
        for other_row, other_column, other in cells
        if digit == other and (row, column) != (other_row, other_column)
        and (row == other_row or column == other_column or (row // 3, column // 3) == (other_row // 3, other_column // 3))
    }  # fmt: skip


def test_steps_of_a_rollout_are_added_tied_renamed_and_limited(page):
    choose(page, "rollout")
    page.get_by_role("button", name="Add a step").click()
    page.get_by_label("Name", exact=True).fill("smoke test")
    page.get_by_label("Duration").fill("2.5")
    page.get_by_label("Add what smoke test needs").select_option(label="web")
    page.get_by_role("button", name="Done").click()
    page.get_by_role("button", name="cache, needs nothing").click()
    page.get_by_role("button", name="Delete this step").click()
    page.get_by_label("At most at the same time").fill("1")

    sent = run(page)

    assert sent["context"] == {
        "steps": {"database": [], "api": ["database"], "web": ["api"], "smoke test": ["web"]},
        "durations": {"smoke test": 2.5},
        "max_parallel": 1,
    }
    expect(verdict(page)).to_contain_text("All is done after 5.5, and nothing better is possible.")
    expect(page.locator(".axis li").filter(has_text="smoke test")).to_contain_text("starts at 3, is done at 5.5")


def test_dragging_from_one_step_to_another_makes_that_one_need_it(page):
    choose(page, "rollout")
    cache = page.get_by_role("button", name="cache, needs nothing")
    cache.drag_to(page.get_by_role("button", name="database, needs nothing"))

    assert run(page)["context"]["steps"]["database"] == ["cache"]
    verdict(page)


def test_steps_without_limits_come_as_waves(page):
    choose(page, "rollout")
    run(page)

    verdict(page)
    waves = [wave.locator("li").all_text_contents() for wave in page.locator(".wave").all()]
    assert [sorted(wave) for wave in waves] == [["cache", "database"], ["api"], ["web"]]


def test_services_are_made_to_alert_and_to_survive(page):
    choose(page, "root-cause")
    page.get_by_role("button", name="worker, alerts").click()
    page.locator(".states label", has_text="says nothing").click()
    page.get_by_role("button", name="api, alerts").click()
    page.get_by_label("cache", exact=True).check()

    sent = run(page)

    assert sent["context"] == {
        "services": {
            "web": ["api"], "api": {"depends_on": ["database", "cache"], "resilient": ["cache"]},
            "worker": ["database"], "database": [], "cache": [],
        },
        "alerts": ["web", "api"],
        "healthy": ["cache"],
    }  # fmt: skip
    verdict(page)
    expect(page.locator(".answer .total")).to_contain_text("At fault: api")
    expect(page.locator(".answer").get_by_label("api, at fault, its alert is explained")).to_be_visible()
    assert page.locator(".explanation").get_by_text("api → web").count() == 1


def test_nodes_are_drained_and_workloads_added(page):
    choose(page, "placement")
    page.get_by_label("Drain: a").check()
    page.get_by_label("Objective").select_option("fewest_moves")
    names = page.get_by_label("Name of the workload")
    before = names.count()
    page.get_by_role("button", name="Add a workload").click()
    expect(names).to_have_count(before + 1)
    names.last.fill("batch")
    page.get_by_label("CPU of batch").fill("1")

    sent = run(page)

    context = sent["context"]
    assert (context["drain"], context["objective"]) == (["a"], "fewest_moves")
    assert context["workloads"][-1] == {"name": "batch", "cpu": 1, "memory": "512Mi"}
    expect(verdict(page)).to_contain_text("1 of those that run moves")
    drained = page.locator(".machine", has=page.get_by_role("heading", name="a", exact=True))
    expect(drained.locator(".chip")).to_have_count(0)
    expect(page.locator(".moves")).to_contain_text("db a →")


def test_a_context_that_the_editor_cannot_show_is_sent_as_it_is(page):
    choose(page, "rollout")
    as_text(page, "services:\n  web: {depends_on: [api], image: web}\n  api: {image: api}\n")
    page.locator("fieldset.modes label", has_text="Graph").click()

    expect(page.get_by_role("alert")).to_contain_text("The editor cannot show this form")
    assert run(page)["context"]["services"]["web"] == {"depends_on": ["api"], "image": "web"}
    expect(verdict(page)).to_contain_text("Verified")
    assert page.locator(".wave").count() == 2


def test_what_the_baseline_found_is_said_to_be_its_own(page):
    """The response is made up: which problems the model fails at depends on its training."""
    choose(page, "root-cause")
    run(page)
    verdict(page)
    page.locator("summary", has_text="The whole response as JSON").click()
    response = page.locator(".answer pre").last.text_content()
    changed = response.replace('"source": "model"', '"source": "baseline"')
    assert changed != response
    stream = f"event: result\r\ndata: {' '.join(changed.split())}\r\n\r\n"

    page.route("**/reason", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    run(page)

    expect(verdict(page)).to_contain_text("The baseline, a simple heuristic, found it: the model did worse.")
