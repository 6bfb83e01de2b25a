"""What goes wrong is said so that a person can mend it."""

import json
from hashlib import sha256

import pytest
from playwright.sync_api import expect

from tests.browser.acts import as_editor, as_text, choose, run, verdict
from tests.live import serving


def test_a_field_that_the_service_refuses_is_named_with_what_it_takes(page):
    as_text(page, json.dumps({"puzzle": "123", "colour": "red"}))
    run(page)

    alert = page.get_by_role("alert")
    expect(alert.get_by_role("heading")).to_have_text("The context breaks the task's rules")
    expect(alert.locator("li", has=page.locator("code", has_text="puzzle"))).to_contain_text(
        "It takes 81 characters row by row, . or 0 for blank"
    )
    expect(alert.locator("li", has=page.locator("code", has_text="colour"))).to_contain_text("not permitted")


def test_steps_that_need_each_other_in_a_circle_are_marked_in_the_graph(page):
    choose(page, "rollout")
    as_text(page, "steps: {a: [b], b: [c], c: [a], d: []}")
    as_editor(page)
    run(page)

    expect(page.get_by_role("alert")).to_contain_text("in a circle")
    expect(page.locator("[data-node].wrong")).to_have_count(3)
    expect(page.locator("[data-node]", has_text="d").last).not_to_have_class("node wrong")


def test_a_cell_of_a_table_that_the_service_refuses_is_marked(page):
    choose(page, "placement")
    page.get_by_label("CPU of web").fill("plenty")
    run(page)

    expect(page.get_by_role("alert").locator(".places code")).to_have_text("workloads.1.cpu")
    expect(page.get_by_label("CPU of web")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("[aria-invalid=true]")).to_have_count(1)


def test_what_fits_nowhere_is_refused_with_the_reason_and_marked(page):
    choose(page, "placement")
    page.get_by_label("CPU of db").fill("40")
    run(page)

    expect(page.get_by_role("alert")).to_contain_text("db")
    expect(page.locator("tr.wrong")).to_have_count(1)


def test_an_outage_without_alerts_is_refused(page):
    choose(page, "root-cause")
    for name in ("web", "api", "worker"):
        page.get_by_role("button", name=f"{name}, alerts").click()
        page.locator(".states label", has_text="says nothing").click()
    run(page)

    expect(page.get_by_role("alert")).to_contain_text("alert")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"puzzle": ]', "neither JSON nor YAML"),
        ("a: [1\nb: 2", "line 2"),
        ("[1, 2]", "a list"),
        ("7", "only 7"),
        ("   ", "nothing here yet"),
    ],
)
def test_text_that_is_no_problem_is_said_to_be_none_before_it_is_sent(page, text, said):
    as_text(page, text)
    page.get_by_role("button", name="Run", exact=True).click()

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(said)
    expect(alert).to_be_focused()


def test_two_things_of_one_name_are_told_apart_before_they_are_sent(page):
    choose(page, "rollout")
    page.get_by_role("button", name="cache, needs nothing").click()
    page.get_by_label("Name", exact=True).fill("web")
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.get_by_role("alert")).to_have_text("Two steps are named web: rename one.")


def test_who_sends_too_much_is_told_when_to_come_back(open_page):
    with serving(LOG_LEVEL="warning", RATE_LIMIT="1/minute") as (_, url), open_page(url=url) as page:
        run(page)
        verdict(page)
        run(page)

        alert = page.get_by_role("alert")
        expect(alert.get_by_role("heading")).to_have_text("This client sends too much")
        expect(alert).to_contain_text("in ")
        expect(alert.get_by_role("button", name="Try again")).to_be_disabled()


def test_a_full_queue_can_be_tried_again(page):
    """As the service says it; a real queue is full for moments only."""
    problem = {
        "type": "urn:agent-reasoning:problem:overloaded",
        "title": "The queue is full",
        "status": 503,
        "detail": "…",
    }
    page.route("**/reason", lambda route: route.fulfill(
        status=503, content_type="application/problem+json", headers={"retry-after": "1"}, body=json.dumps(problem)
    ), times=1)  # fmt: skip
    run(page)

    again = page.get_by_role("alert").get_by_role("button", name="Try again")
    expect(again).to_be_enabled()
    again.click()
    expect(verdict(page)).to_contain_text("Verified")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda route: route.abort(), "The service cannot be reached"),
        (lambda route: route.fulfill(status=502, content_type="text/html", body="<h1>Bad"), "The answer was 502"),
        (lambda route: route.fulfill(content_type="text/event-stream", body=": ping\r\n\r\n"), "The answer broke off"),
    ],
)
def test_what_others_break_on_the_way_is_not_lost(page, answer, said):
    page.route("**/reason", answer, times=1)
    page.get_by_role("button", name="Run", exact=True).click()

    alert = page.get_by_role("alert")
    expect(alert.get_by_role("heading")).to_contain_text(said)
    alert.get_by_role("button", name="Try again").click()
    expect(verdict(page)).to_contain_text("Verified")


def test_a_service_that_is_away_when_the_page_opens_can_be_tried_again(chromium, live):
    page = chromium.new_page()
    page.route("**/tasks", lambda route: route.abort(), times=1)
    page.goto(live)

    page.get_by_role("button", name="Try again").click()

    expect(page.get_by_role("heading", name="Problem", exact=True)).to_be_visible()
    page.close()


KEY = "ar_" + "k" * 43


def test_a_service_that_wants_a_key_is_given_one_that_stays_out_of_the_address(chromium):
    line = f"tester:{sha256(KEY.encode()).hexdigest()}"
    with serving(LOG_LEVEL="error", API_KEYS=line) as (_, url), chromium.new_context() as context:
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_role("alert")).to_contain_text("An API key is needed")
        page.get_by_label("API key").fill("ar_wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("alert")).to_contain_text("This API key is not known here.")

        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Problem", exact=True)).to_be_visible()
        with page.expect_request("**/reason") as sent:
            page.get_by_role("button", name="Run", exact=True).click()
        expect(verdict(page)).to_contain_text("Verified")

        assert sent.value.header_value("authorization") == f"Bearer {KEY}"
        assert KEY not in page.url
        assert page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])") == json.dumps(
            [{"api-key": KEY}, {}, ""], separators=(",", ":")
        )
        page.get_by_role("button", name="Forget the key").click()
        run(page)
        expect(page.get_by_role("alert").get_by_label("API key")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


def test_a_task_that_no_model_is_loaded_for_says_so_before_it_is_run(page):
    page.route("**/models", lambda route: route.fulfill(json=[{"task": "sudoku"}]))
    page.reload()
    choose(page, "rollout")

    expect(page.locator("fieldset.tasks label", has_text="Rollout")).to_contain_text("no model here")
    expect(page.locator("#problem .note")).to_contain_text("has loaded no model for this task")
    choose(page, "sudoku")
    expect(page.locator("#problem .note")).to_have_count(0)


def test_a_task_without_an_editor_works_as_text(open_page):
    """As one that is added later: the service's rollout under a name that the page has never heard of."""
    asked = []

    def as_rollout(route):
        asked.append(route.request.post_data_json["task"])
        route.continue_(post_data=json.dumps({**route.request.post_data_json, "task": "rollout"}))

    with open_page() as page:
        page.route("**/tasks", lambda route: route.fulfill(json=renamed(route.fetch().json())))
        page.route("**/reason", as_rollout)
        page.reload()
        choose(page, "unheard-of")
        run(page)

        expect(verdict(page)).to_contain_text("Verified")
        expect(page.locator("pre.data")).to_contain_text('"waves"')
        assert asked == ["unheard-of"]
        assert not page.get_by_label("Random instance").count()


def renamed(tasks):
    return [{**task, "name": "unheard-of"} if task["name"] == "rollout" else task for task in tasks]
