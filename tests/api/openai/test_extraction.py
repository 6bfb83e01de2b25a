"""Problems as people and agents write them into a message."""

import json

import pytest
import yaml

from agent_reasoning.api.openai.extraction import find_problem
from agent_reasoning.errors import InvalidContext
from tests.api.openai.asks import GRID, STEPS

CONTEXT = {"steps": STEPS}
DATA = json.dumps(CONTEXT)
PLAIN = yaml.safe_dump(CONTEXT, sort_keys=False)
COMPOSE = "services:\n  web:\n    depends_on: [api]\n  api:\n    image: api:1\n"
ROWS = [GRID[start : start + 9] for start in range(0, 81, 9)]
DRAWN = "\n".join(
    "------+-------+------" if number in (3, 7) else " | ".join(" ".join(row[i : i + 3]) for i in (0, 3, 6))
    for number, row in enumerate([*ROWS[:3], "", *ROWS[3:6], "", *ROWS[6:]])
)
LISTS = [[0 if square == "." else int(square) for square in row] for row in ROWS]


@pytest.fixture(scope="module")
def find(registry):
    return lambda text: find_problem(text, lambda context: any(task.matches(context) for task in registry.all()))


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (DATA, ""),
        (json.dumps(CONTEXT, indent=2), ""),
        (f"In which order? {DATA}", "In which order?"),
        (f"In which order?\n```json\n{DATA}\n```\nThanks!", "In which order? Thanks!"),
        (f"In which order?\n```\n{DATA}\n```", "In which order?"),
        (f"In which order?\r\n```json\r\n{DATA}\r\n```\r\nThanks!", "In which order? Thanks!"),
        (f"```sh\nls\n```\nIn which order?\n```json\n{DATA}\n```", "```sh ls ``` In which order?"),
        (f"See {{this}} and [1]: {DATA}", "See {this} and [1]:"),
        (PLAIN, ""),
        (f"In which order?\n\n{PLAIN}", "In which order?"),
        (f"In which order?\n\n{PLAIN}\nThanks a lot, you!", "In which order? Thanks a lot, you!"),
        (f"Hello:\n{PLAIN}", ""),
        (f"In which order?\n```yaml\n{PLAIN}```", "In which order?"),
    ],
)
def test_a_context_is_found_with_the_words_beside_it(find, text, question):
    posed = find(text)

    assert (posed.context, posed.question) == (CONTEXT, question)


@pytest.mark.parametrize(
    "text",
    [
        GRID,
        f"Solve {GRID}, please",
        GRID.replace(".", "0"),
        GRID.replace(".", "_"),
        GRID.replace(".", "*"),
        "\n".join(ROWS),
        f"Solve this:\n\n{DRAWN}\n\nThanks",
        f"```\n{DRAWN}\n```",
        json.dumps(LISTS),
        f"Solve {LISTS}",
        json.dumps({"puzzle": GRID}),
        "\n".join(f"| {' | '.join(row)} |" for row in ROWS),
    ],
)
def test_a_sudoku_is_found_however_it_is_drawn(find, registry, text):
    sudoku = registry.get("sudoku")

    assert sudoku.read(find(text).context) == sudoku.read({"puzzle": GRID})


def test_a_whole_request_to_post_reason_keeps_its_options(find):
    request = {"question": "In which order?", "context": CONTEXT, "samples": 4, "max_steps": 2}

    posed = find(f"Please: {json.dumps(request)}")

    assert posed.context == CONTEXT
    assert posed.options == {"question": "In which order?", "samples": 4, "max_steps": 2}


@pytest.mark.parametrize(
    "text", [COMPOSE, f"Order this:\n{COMPOSE}", f"```yml\n{COMPOSE}```", f"{COMPOSE}\nThanks, friend."]
)
def test_a_compose_file_is_found(find, text):
    assert set(find(text).context["services"]) == {"web", "api"}


def test_manifests_in_several_documents_are_found(find):
    flux = "apiVersion: v1\nkind: Kustomization\nmetadata: {name: %s, creationTimestamp: 2026-01-01T00:00:00Z}\n"

    posed = find(f"In which order?\n---\n{flux % 'a'}---\n{flux % 'b'}")

    assert [one["metadata"]["name"] for one in posed.context["documents"]] == ["a", "b"]
    assert json.dumps(posed.context)  # times stay text


@pytest.mark.parametrize(
    "text",
    [
        "", "hello", "What time is it?", "Note: nothing yet.", "steps: first we dance", "alerts: none so far", "{hello}", "[1, 2]",
        "{" * 5000, "[" * 5000, '{"a": ' * 3000, "1234567890" * 9, "." * 81, "a: &a [*a]", "- - - - -", "\x00", "```json", "key: [",
        '{"nodez": 3}', "a: {b: " * 500,
    ],
)  # fmt: skip
def test_what_holds_no_problem_is_none(find, text):
    assert find(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('```json\n{"steps": {"a": [}\n```', "line 1, column 18"),
        ('{"steps": {"a": [], "a": []}}', "twice: a"),
        ('In which order? {"steps": {"a": [], "a": []}}', "twice: a"),
        ('{"steps": {"a": [NaN]}}', "NaN"),
        ('{"steps": {"a": [}}', "broken"),
        ("```yaml\nsteps: [\n```", "not YAML"),
        ("```yaml\nsteps: {a: [], a: []}\n```", "twice: a"),
    ],
)
def test_what_was_meant_as_data_and_is_none_is_told(find, text, words):
    with pytest.raises(InvalidContext, match=words):
        find(text)


@pytest.mark.parametrize(
    "text",
    [
        "```a\n" * 250_000,
        "```" + " " * 1_000_000,
        "```\n```\n" * 125_000,
        "```\na: [1]\n```\n" * 75_000,
        "a: [1]\n\n" * 8 + "k: [1, 2, 3]\n" * 9_000 + "\n\nx: 'open",
    ],
)
@pytest.mark.timeout(120)
def test_beginnings_without_end_is_read_in_no_more_than_linear_time(find, text):
    """Seconds; by an expression that looks for each one's end, or attempt by attempt, it took minutes to hours."""
    assert find(text) is None
