"""Graphs that mean harm, or are merely strange: each is a clear refusal, or an answer that says what it leaves out."""

import json

import httpx2
import pytest

MANY = {
    "a million alerts": ({"services": {"a": []}, "alerts": ["a"] * 1_000_000}, 413, "body-too-large", "larger than"),
    "ten thousand services": ({"services": {f"s{n}": [] for n in range(10_000)}, "alerts": ["s1"]}, 422, "invalid-context",
                              "There are 10000 services; at most 2000"),
    "ten thousand steps": ({"steps": {f"s{n}": [] for n in range(10_000)}}, 422, "invalid-context", "at most 128"),
    "ten thousand services in edges": ({"edges": [{"source": f"s{n}", "target": f"s{n + 1}"} for n in range(9_999)],
                                        "alerts": ["s1"]}, 422, "invalid-context", "There are 10000 services"),
    "a chain of suspects": ({"services": {f"s{n}": [f"s{n + 1}"] for n in range(500)}, "alerts": ["s0"]}, 422,
                            "invalid-context", "501 services could explain these alerts; at most 128"),
}  # fmt: skip
STRANGE = {
    "equal names": ({"steps": [{"name": "a"}, {"name": "a"}]}, 422, "invalid-context", "Named more than once: a"),
    "a name twice in an object": ('{"steps": {"a": [], "a": []}}', 422, "invalid-request", "the same thing twice: a"),
    "two spellings": ({"steps": {"café": [], "cafe\u0301": []}}, 422, "invalid-context", r"'caf\xe9' and 'cafe\u0301'"),
    "an invisible character": ({"services": {"api": [], "api\u200b": []}, "alerts": ["api"]}, 422, "invalid-context",
                               r"'api' and 'api\u200b'"),
    "a control character": ({"steps": {"a\x00": []}}, 422, "invalid-context", "steps.a"),
    "half a character": ('{"steps": {"\\ud800": []}}', 400, "malformed-body", "surrogate"),
    "a step that needs itself": ({"steps": {"a": ["a"]}}, 422, "invalid-context", "circle: a → a"),
    "only unknown alerts": ({"services": {"a": []}, "alerts": ["b"]}, 422, "invalid-context", "No alert is about a service"),
    "no lanes": ({"steps": {"a": []}, "max_parallel": 0}, 422, "invalid-context", "max_parallel"),
    "endless": ('{"steps": {"a": []}, "durations": {"a": 1e999}}', 400, "malformed-body", "too large"),
    "no number": ('{"steps": {"a": []}, "durations": {"a": NaN}}', 400, "malformed-body", "NaN"),
}  # fmt: skip


def ask(url, context):
    written = context if isinstance(context, str) else json.dumps(context)
    body = f'{{"question": "What now?", "context": {written}}}'
    response = httpx2.post(f"{url}/reason", content=body, headers={"content-type": "application/json"}, timeout=60)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("context", "status", "code", "words"), [*MANY.values(), *STRANGE.values()], ids=[*MANY, *STRANGE]
)
def test_a_graph_that_cannot_be_is_refused_in_words(live, context, status, code, words):
    given, problem = ask(live, context)

    assert (given, problem["type"].rpartition(":")[2]) == (status, code), problem
    assert words in problem["detail"]


def test_ten_thousand_alerts_are_those_of_their_services(live):
    _, answer = ask(live, {"services": {"web": ["api"], "api": []}, "alerts": ["web", "api"] * 5_000})

    assert (answer["verified"], answer["solution"]["root_causes"]) == (True, ["api"])


def test_a_service_that_needs_itself_and_alerts_of_others_are_answered_with_what_was_left_aside(live):
    _, answer = ask(live, {"services": {"web": ["web", "äpi"], "äpi": []}, "alerts": ["web", "äpi", "🚀"]})

    assert (answer["verified"], answer["solution"]["root_causes"]) == (True, ["äpi"])
    assert answer["solution"]["unknown_alerts"] == ["🚀"]
    assert "left aside: 🚀" in answer["answer"]
