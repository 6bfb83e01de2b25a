"""What is left of what other tools print: all that is read, and no secret."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import ReasoningError
from agent_reasoning.foreign import reduced
from agent_reasoning.tasks import builtin_tasks
from tests.foreign.prints import COMPOSE, FLUX, HELM, SECRET, WEBHOOK
from tests.tasks.cluster_objects import PRINTED

REGISTRY = builtin_tasks()
GRAPH = {"services": {"frontend": ["checkout"], "checkout": ["payment"], "payment": []}}
CONTEXTS = {
    "compose": COMPOSE,
    "compose with limits": COMPOSE | {"max_parallel": 2},
    "compose in an outage": COMPOSE | {"alerts": ["api", "web"]},
    "helm": HELM,
    "flux": FLUX,
    "flux in an outage": FLUX | {"alerts": ["apps"]},
    "one object of Flux": FLUX["items"][0],
    "alertmanager": GRAPH | {"alerts": WEBHOOK},
    "alertmanager at the top": GRAPH | WEBHOOK,
    "kubectl": PRINTED,
}


def outcome(context):
    """What is read: the task and its instance, or the refusal in words."""
    try:
        task = REGISTRY.find(context).task
        return task.info.name, task.read(context)
    except ReasoningError as refused:
        return str(refused)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_what_is_reduced_is_read_alike_is_smaller_and_holds_no_secret(context):
    whole = copy.deepcopy(context)

    less = reduced(context)

    assert isinstance(outcome(context), tuple)
    assert outcome(less) == outcome(context)
    assert reduced(less) == less
    assert context == whole
    assert len(json.dumps(less)) < len(json.dumps(context))
    assert SECRET in json.dumps(context)
    assert SECRET not in json.dumps(less)


@pytest.mark.parametrize(
    "context",
    [
        {"steps": {"a": []}, "max_parallel": 1},
        {"services": {"a": ["b"], "b": {"depends_on": ["c"], "resilient": ["c"]}}, "alerts": ["a"], "unknown": 1},
        {"services": {"a": {"depend_on": ["b"]}, "b": []}, "alerts": ["a"]},  # misspelt, which is to be said
        {"nodes": 10, "workloads": []},
        {"puzzle": "." * 81},
        {},
    ],
)
def test_own_forms_are_sent_as_they_are(context):
    assert reduced(context) == context


def test_a_slip_of_the_pen_beside_a_foreign_form_is_refused_as_if_it_had_been_sent_whole():
    context = COMPOSE | {"maxParallel": {"a": SECRET}}

    less = reduced(context)

    assert "is max_parallel meant" in outcome(context)
    assert outcome(less) == outcome(context)
    assert SECRET not in json.dumps(less)


@pytest.mark.parametrize(
    "wrap", [lambda item: item, lambda item: {"kind": "List", "items": [item]}], ids=["one", "list"]
)
def test_of_objects_that_no_task_reads_the_names_alone_are_sent(wrap):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "annotations": {"a": SECRET}},
        "data": {"k": SECRET},
    }

    less = reduced(wrap(secret))

    assert SECRET not in json.dumps(less)
    assert less == wrap({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "annotations": {}}})


def places(value, path=()):
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


STRANGE = [
    None,
    True,
    0,
    1.5,
    "",
    "a",
    "api",
    [],
    {},
    [{}],
    ["api", "api"],
    [None],
    {"a": 1},
    {"name": "db"},
    {"depends_on": ["db"]},
]
PLACES = [
    (name, path)
    for name in ("compose", "helm", "flux", "alertmanager", "compose in an outage")
    for path in places(CONTEXTS[name])
]


@settings(max_examples=300)
@given(st.sampled_from(PLACES), st.sampled_from(STRANGE))
def test_whatever_stands_somewhere_it_is_read_or_refused_and_reduced_likewise(place, strange):
    name, path = place
    context = copy.deepcopy(CONTEXTS[name])
    inside = context
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = copy.deepcopy(strange)

    expected, found = outcome(context), outcome(reduced(context))

    # A refusal may name another place: it names it in what was sent.
    assert found == expected or (isinstance(found, str) and isinstance(expected, str))
