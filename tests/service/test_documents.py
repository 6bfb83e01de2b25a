import pytest

from agent_reasoning.errors import InvalidRequest
from agent_reasoning.service.documents import MAX_DEPTH, read_yaml

DOUBLING = "a: &a [x, x]\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(22)
)
MERGING = "a: &a {x: 1}\n" + "\n".join(
    f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [*{chr(97 + n)}, *{chr(97 + n)}]}}" for n in range(24)
)


def test_one_document_is_itself_and_several_are_listed():
    assert read_yaml("a: 1") == {"a": 1}
    assert read_yaml("a: 1\n---\nb: 2\n---\n") == {"documents": [{"a": 1}, {"b": 2}]}
    assert read_yaml("# nothing\n") is None


def test_anchors_and_merges_are_read_as_compose_files_use_them():
    text = "x: &x {restart: always}\nservices:\n  a: {<<: *x, image: i}\n"

    assert read_yaml(text)["services"]["a"] == {"restart": "always", "image": "i"}


def test_times_stay_text_as_kubernetes_has_them():
    assert read_yaml("at: 2026-01-01T00:00:00Z") == {"at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DOUBLING, "aliases among them"),
        (MERGING, "aliases among them"),
        ("a: &a [*a]", "recursive"),
        ("[" * 100_000, f"more than {MAX_DEPTH} deep"),
        ("- " * 50_000, f"more than {MAX_DEPTH} deep"),
        ("a: 1\na: 2", "twice: a"),
        ("a: [", "not YAML"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
    ],
    ids=["doubling", "merging", "itself", "flow", "block", "twice", "cut off", "objects"],
)
def test_what_is_hostile_or_broken_is_refused(text, words):
    with pytest.raises(InvalidRequest, match=words):
        read_yaml(text)
