"""What people do in the playground."""

from playwright.sync_api import expect

TITLES = {"sudoku": "Sudoku", "rollout": "Rollout", "root-cause": "Root cause", "placement": "Placement"}
"""Of the tasks whose models ship."""


def choose(page, task):
    # The input itself is hidden behind its label, which is what people click.
    page.locator("fieldset.tasks label", has_text=TITLES.get(task, task)).click()
    expect(page.locator(f"input[name=task][value={task}]")).to_be_checked()


def as_text(page, text):
    page.locator("fieldset.modes label", has_text="JSON or YAML").click()
    page.get_by_label("The problem as JSON or YAML").fill(text)


def as_editor(page):
    page.locator("fieldset.modes label").first.click()


def run(page):
    """Runs; the request that was sent."""
    with page.expect_request("**/reason") as sent:
        page.get_by_role("button", name="Run", exact=True).click()
    return sent.value.post_data_json


def verdict(page):
    """The verdict's element, once it is there."""
    found = page.locator(".verdict.good, .verdict.bad")
    expect(found).to_be_visible()
    return found


def option(page, name, value):
    page.locator("summary", has_text="Options").click()
    page.get_by_label(name).fill(str(value))


def digits(page):
    """The answer's grid, as 81 digits."""
    return "".join(page.locator(".sudoku.solved > span").all_text_contents())
