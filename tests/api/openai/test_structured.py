"""Schemas that callers send: what fits into them, and which are refused before anything is checked against them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent_reasoning.api.openai.structured import Shape

TEXTS = {"type": "array", "items": {"type": "string"}}
KNOWN = {"waves": [["a"], ["b"]], "verified": True, "total": 2.5}


def objects(properties, **more):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    } | more


@pytest.mark.parametrize(
    ("schema", "filled"),
    [
        (objects({"verified": {"type": "boolean"}}), {"verified": True}),
        (objects({"waves": {"type": "array"}, "total": {"type": "number"}}), {"waves": [["a"], ["b"]], "total": 2.5}),
        (
            objects({"verified": {"type": "boolean"}, "note": {"type": ["string", "null"]}}),
            {"verified": True, "note": None},
        ),
        ({"$ref": "#/$defs/Plan", "$defs": {"Plan": objects({"total": {"type": "number"}})}}, {"total": 2.5}),
        (objects({"response": {"type": "string"}}), {"response": "in words"}),
        (objects({"verified": {"type": "string"}}), None),
        (objects({"verified": {"type": "boolean"}, "price": {"type": "number"}}), None),
        (objects({"waves": TEXTS}), None),
        ({"type": "object", "properties": {"price": {"type": "number"}}}, None),
        ({"type": "array"}, None),
        (False, None),
    ],
)
def test_an_object_is_made_of_what_is_known_under_the_names_in_the_schema(schema, filled):
    assert Shape(schema).fill(KNOWN, ["in words"]) == filled


@given(st.sets(st.sampled_from([*KNOWN, "price"])), st.sets(st.sampled_from([*KNOWN, "price"])))
def test_what_is_filled_in_is_valid_by_another_validator(properties, required):
    schema = {"type": "object", "properties": {name: {} for name in properties}, "required": sorted(required)}

    filled = Shape(schema).fill(KNOWN)

    assert filled is None or Draft202012Validator(schema).is_valid(filled)


def doubling(levels):
    defs = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": defs | {f"a{levels}": {"type": "string"}}, "$ref": "#/$defs/a0"}


def nested(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, "nonsense"),
        ({"pattern": "("}, "regex"),
        ({"pattern": "(?=a)b"}, "regex"),
        ({"$ref": "https://example.com/schema.json"}, "leads out of it"),
        ({"$ref": "file:///etc/passwd"}, "leads out of it"),
        ({"$ref": "#/$defs/ghost"}, "leads nowhere"),
        ({"$dynamicRef": "#/$defs/a", "properties": {"b": {"$dynamicRef": "#a"}}}, "dynamicRef"),
        ({"properties": {"a": {"$id": "https://example.com/"}}}, "id"),
        (doubling(40), "4096"),
        ({"properties": {str(n): {"$ref": "#"} for n in range(50)}}, "refers back to itself"),
        (nested(3000), "."),
    ],
    ids=["type", "regex", "lookahead", "web", "file", "nowhere", "dynamic", "id", "doubling", "recursive", "deep"],
)
def test_a_schema_that_cannot_be_checked_in_little_time_is_refused(schema, words):
    with pytest.raises(ValueError, match=words):
        Shape(schema)


def test_a_tree_is_no_schema_to_refuse():
    tree = objects({"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#"}}})

    assert Shape(tree).takes({"value": 1, "children": [{"value": 2, "children": []}]})


def test_a_pattern_that_would_keep_another_engine_busy_is_matched_at_once():
    assert not Shape({"pattern": "^(a+)+$"}).takes("a" * 5000 + "!")
