"""The refinement as it is watched: live, afterwards, and when it is stopped."""

import json

from playwright.sync_api import expect

from tests.browser.acts import as_text, option, run, verdict
from tests.browser.test_tasks import UNSOLVABLE
from tests.live import serving
from tests.test_server import wait_for_metric

HARD = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."


def steps_shown(page):
    """Notes each text that the step's label has from now on."""
    page.evaluate("""() => {
      window.shown = [];
      new MutationObserver(() => {
        const text = document.querySelector(".scrub span")?.textContent;
        if (text && shown.at(-1) !== text) shown.push(text);
      }).observe(document.body, {subtree: true, childList: true, characterData: true});
    }""")


def test_each_step_is_shown_before_the_verdict(open_page):
    with open_page(reduced_motion="no-preference") as page:
        as_text(page, f'{{"puzzle": "{HARD}"}}')
        option(page, "Samples", 1)
        page.get_by_label("Most steps").fill("5")
        steps_shown(page)
        run(page)
        verdict(page)
        shown = page.evaluate("shown")

    numbers = [int(text.split()[1]) for text in shown[:-1]]
    assert shown[-1] == "The answer"
    assert numbers[0] == 1
    assert numbers[-1] == 5
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5]


def test_the_steps_can_be_gone_back_to(page):
    as_text(page, f'{{"puzzle": "{HARD}"}}')
    option(page, "Samples", 1)
    page.get_by_label("Most steps").fill("4")
    run(page)
    expect(verdict(page)).to_contain_text("It stopped at the most steps that it was given.")

    page.locator("summary", has_text="All steps as a table").click()
    rows = page.locator(".refinement tbody tr")
    expect(rows).to_have_count(4)
    slider = page.get_by_role("slider")
    slider.focus()
    for number in (4, 3, 2, 1):
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".scrub")).to_contain_text(f"Step {number} of 4")
        grid = "".join(page.locator(".sudoku.solved > span").all_text_contents())
        assert rows.nth(number - 1).locator("td").last.text_content() == grid
    confidence, changed = (
        rows.nth(2).locator("td").nth(1).text_content(),
        rows.nth(2).locator("td").nth(3).text_content(),  # what was deduced stands between them
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".refinement .step")).to_contain_text(f"Confidence {confidence}")
    expect(page.locator(".sudoku.solved > .changed")).to_have_count(int(changed))


def test_a_step_of_a_model_that_deduces_says_what_it_came_to(page):
    """The stream is the service's own, with what a deducing model adds; the one without it is every other test's."""
    events = [
        {"event": "narrowed", "removed": 31, "undecided": 40, "depth": 0, "tree": 0},
        {"event": "guessed", "removed": 0, "undecided": 39, "depth": 0, "tree": 0},
        {"event": "dead_end", "removed": 1, "undecided": 30, "depth": 1, "tree": 0},
    ]

    def deduced(route):
        sent = route.fetch().text().replace("\r\n", "\n").split("\n\n")
        step = next(json.loads(one.partition("data: ")[2]) for one in sent if "event: step" in one)
        steps = [{**step, "step": number, "narrowing": event} for number, event in enumerate(events, 1)]
        stream = [f"event: step\ndata: {json.dumps(one)}" for one in steps] + [
            one for one in sent if "event: result" in one
        ]
        route.fulfill(content_type="text/event-stream", body="\n\n".join([*stream, ""]) + "\n")

    page.route("**/reason", deduced)
    run(page)
    verdict(page)

    page.locator("summary", has_text="All steps as a table").click()
    told = [row.locator("td").nth(2).text_content() for row in page.locator(".refinement tbody tr").all()]
    assert told == ["31 candidates removed", "guessed", "dead end, went back"]
    page.get_by_role("slider").fill("3")
    expect(page.locator(".refinement .step")).to_contain_text("dead end, went back; 30 undecided, below 1 guess.")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_samples_can_be_looked_at_one_by_one(page):
    as_text(page, f'{{"puzzle": "{HARD}"}}')
    option(page, "Samples", 3)
    page.get_by_label("Most steps").fill("16")
    run(page)
    verdict(page)

    chooser = page.locator(".refinement select")
    assert chooser.locator("option").count() == 3
    assert sum("the answer" in text for text in chooser.locator("option").all_text_contents()) == 1
    chooser.select_option("2")
    expect(page.locator(".scrub")).to_contain_text("Step")


def test_a_running_request_is_cancelled_in_the_service_too(open_page):
    with serving(LOG_LEVEL="warning", REQUEST_TIMEOUT_SECONDS="600") as (_, url), open_page(url=url) as page:
        as_text(page, f'{{"puzzle": "{UNSOLVABLE}"}}')
        option(page, "Samples", 64)
        run(page)
        expect(page.get_by_text("Refining …")).to_be_visible()

        page.keyboard.press("Escape")

        expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
        wait_for_metric(url, b'agent_reasoning_requests_total{status="client-gone",task_type="logic"} 1.0')
        wait_for_metric(url, b'agent_reasoning_slots{state="used",task="sudoku"} 0.0')
