"""Which task a context is for."""

import pytest

from agent_reasoning.errors import AmbiguousContext, UnmappableContext
from agent_reasoning.tasks import builtin_tasks

REGISTRY = builtin_tasks()
GRAPH = {"services": {"web": ["api"], "api": []}}


def found(context, question="", task_type="general"):
    return REGISTRY.find(context, question, task_type)


@pytest.mark.parametrize("task", REGISTRY.all(), ids=lambda task: task.info.name)
def test_each_example_is_found_by_its_shape(task):
    chosen = found(task.info.example_context)

    assert (chosen.task.info.name, chosen.reason) == (task.info.name, "by the shape of the context")


def test_alerts_make_a_graph_an_outage():
    assert found(GRAPH | {"alerts": ["web"]}, "In which order?").task.info.name == "root-cause"
    assert found({"steps": {"a": []}, "alerts": ["a"]}).task.info.name == "root-cause"


def test_a_compose_document_is_a_rollout():
    assert found({"services": {"web": {"depends_on": ["api"]}, "api": {}}}).task.info.name == "rollout"


@pytest.mark.parametrize(
    ("question", "task_type", "name", "reason"),
    [
        ("What broke?", "general", "root-cause", "'broke' in the question"),
        ("In which order are these rolled out?", "general", "rollout", "'order', 'rolled' in the question"),
        ("What now?", "planning", "rollout", "as planning"),
        ("In which order?", "troubleshooting", "root-cause", "as troubleshooting"),
    ],
)
def test_where_the_shape_is_anybodys_the_type_decides_or_the_words(question, task_type, name, reason):
    chosen = found(GRAPH, question, task_type)

    assert chosen.task.info.name == name
    assert reason in chosen.reason


@pytest.mark.parametrize("question", ["What now?", "Why this order?", "Why does the deployment fail?"])
def test_where_nothing_says_which_is_meant_the_candidates_are_named(question):
    with pytest.raises(AmbiguousContext, match="rollout and root-cause") as refused:
        found(GRAPH, question)

    assert refused.value.fields["candidates"] == ["rollout", "root-cause"]


def test_a_context_for_nobody_shows_what_can_be_asked():
    with pytest.raises(UnmappableContext) as refused:
        found({"nodes": 3})

    assert len(refused.value.fields["tasks"]) == len(REGISTRY.all())
