"""Mazes in the page. The answers are made up, since a service need not have a model for them."""

import json

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.acts import as_editor, as_text, choose, run, verdict

SMALL = {"maze": ["S #", "  #", "# G"]}
PATH = [[0, 0], [1, 0], [1, 1], [2, 1], [2, 2]]


def answers(page, *solutions, verified=True):
    """The service refines through these and ends with the last."""
    steps = [
        {
            "step": number, "sample": 0, "confidence": 0.5, "intermediate_answer": "…", "changed": 2, "verified": False,
            "solution": solution,
        }
        for number, solution in enumerate(solutions, 1)
    ]  # fmt: skip
    result = {
        "answer": "…", "solution": solutions[-1], "steps": len(steps), "confidence": float(verified),
        "reasoning_trace": steps, "duration_ms": 1.0, "verified": verified, "violations": [] if verified else ["It is none."],
        "objective": 4 if verified else None, "bound": 4, "optimal": verified, "task_type": "logic", "task": "maze",
        "source": "model", "model": "maze", "halted_by": "verified" if verified else "max_steps", "seed": 0, "request_id": "0",
    }  # fmt: skip
    events = [("step", step) for step in steps] + [("result", result)]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    page.route("**/reason", lambda route: route.fulfill(content_type="text/event-stream", body=body))


def set_up(page, context):
    choose(page, "maze")
    as_text(page, json.dumps(context))
    as_editor(page)


def path_of(page):
    cells = page.locator(".maze.solved > span").all()
    return [divmod(number, 3) for number, cell in enumerate(cells) if "path" in cell.get_attribute("class").split()]


def test_squares_are_painted_by_mouse_and_by_keyboard(page):
    set_up(page, SMALL)
    answers(page, {"path": PATH})
    page.locator("fieldset.states label", has_text="goal").click()
    page.get_by_label("Row 1, column 2: open").click()
    page.get_by_label("Row 1, column 1: start").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("#")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")

    assert run(page)["context"] == {"maze": [" G#", "#S#", "#  "]}


def test_walls_are_drawn_in_one_stroke(page):
    set_up(page, {"maze": ["S   ", "    ", "   G"]})
    answers(page, {"path": [[0, 0]]})
    first, last = (page.get_by_label(f"Row 2, column {column}: open").bounding_box() for column in (1, 3))
    page.mouse.move(first["x"] + 5, first["y"] + 5)
    page.mouse.down()
    page.mouse.move(last["x"] + 5, last["y"] + 5, steps=30)
    page.mouse.up()

    assert run(page)["context"] == {"maze": ["S   ", "### ", "   G"]}


def test_a_maze_without_a_goal_is_not_sent(page):
    set_up(page, {"maze": ["S  "]})
    page.get_by_role("button", name="Run", exact=True).click()

    expect(page.get_by_role("alert")).to_contain_text("The maze has no goal")


def test_the_path_is_drawn_and_what_changed_is_marked(page):
    set_up(page, SMALL)
    answers(page, {"path": PATH[:2], "stray": [[2, 1]]}, {"path": PATH})
    run(page)

    expect(verdict(page)).to_contain_text("The path takes 4 steps, and nothing better is possible.")
    assert path_of(page) == [tuple(cell) for cell in PATH]
    drawn = page.locator(".maze.solved > .path").evaluate_all(
        "cells => cells.map(cell => [getComputedStyle(cell).backgroundColor, cell.offsetWidth > 20])"
    )
    assert len({tuple(one) for one in drawn}) == 1
    assert drawn[0][1]
    page.get_by_role("slider").fill("2")
    expect(page.locator(".maze.solved > .changed")).to_have_count(2)
    page.get_by_role("slider").fill("1")
    expect(page.locator(".maze.solved > .wrong")).to_have_count(1)


def test_a_random_maze_can_be_solved_and_axe_finds_no_fault(page):
    choose(page, "maze")
    page.get_by_label("Random instance").select_option("20")
    answers(page, {"path": [[0, 0]]}, verified=False)

    rows = run(page)["context"]["maze"]
    expect(verdict(page)).to_contain_text("Not verified")

    assert {len(row) for row in rows} == {len(rows)} == {20}
    assert reaches_the_goal(rows)
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], node["html"][:160]) for fault in found for node in fault["nodes"]] == []


def reaches_the_goal(rows):
    marks = {mark: (row, text.index(mark)) for row, text in enumerate(rows) for mark in "SG" if mark in text}
    reached, waiting = {marks["S"]}, [marks["S"]]
    while waiting:
        row, column = waiting.pop()
        beside = {(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)} - reached
        for cell in beside:
            if 0 <= cell[0] < len(rows) and 0 <= cell[1] < len(rows) and rows[cell[0]][cell[1]] != "#":
                reached.add(cell)
                waiting.append(cell)
    return marks["G"] in reached
