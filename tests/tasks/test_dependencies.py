import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.dependencies import MAX_STEPS, DependencyGraph, find_cycle, read_dependencies


def graph_of(context):
    graph = read_dependencies(context)
    return {name: {graph.names[need] for need in needs} for name, needs in zip(graph.names, graph.needs, strict=True)}


PLAIN = {"db": set(), "api": {"db"}, "web": {"api", "db"}}


@pytest.mark.parametrize(
    "context",
    [
        {"steps": {"db": [], "api": ["db"], "web": ["api", "db"]}},
        {
            "steps": [
                {"name": "db"},
                {"name": "api", "depends_on": ["db"]},
                {"name": "web", "depends_on": ["api", "db"]},
            ]
        },
        {
            "name": "shop",
            "networks": {"default": None},
            "services": {
                "db": {"image": "postgres"},
                "api": {"depends_on": ["db"], "build": "."},
                "web": {
                    "depends_on": {"api": {"condition": "service_healthy"}, "db": {"condition": "service_started"}}
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "List",
            "items": [
                {
                    "kind": "Kustomization",
                    "metadata": {"name": "db", "namespace": "flux-system"},
                    "spec": {"path": "./db"},
                },
                {
                    "kind": "Kustomization",
                    "metadata": {"name": "api", "namespace": "flux-system"},
                    "spec": {"dependsOn": [{"name": "db"}]},
                },
                {
                    "kind": "Kustomization",
                    "metadata": {"name": "web", "namespace": "flux-system"},
                    "spec": {"dependsOn": [{"name": "api", "namespace": "flux-system"}, {"name": "db"}]},
                },
            ],
        },
        {
            "documents": [
                {"kind": "Namespace", "metadata": {"name": "shop"}},
                {"kind": "HelmRelease", "metadata": {"name": "db"}, "spec": {}},
                {"kind": "HelmRelease", "metadata": {"name": "api"}, "spec": {"dependsOn": [{"name": "db"}]}},
                {
                    "kind": "HelmRelease",
                    "metadata": {"name": "web"},
                    "spec": {"dependsOn": [{"name": "api"}, {"name": "db"}]},
                },
            ]
        },
    ],
    ids=["object", "list", "compose", "flux list", "helm releases"],
)
def test_every_form_gives_the_same_graph(context):
    assert graph_of(context) == PLAIN


def test_a_compose_service_may_depend_on_an_optional_one_that_is_absent():
    context = {"services": {"api": {"depends_on": {"cache": {"condition": "service_started", "required": False}}}}}

    assert graph_of(context) == {"api": set()}


def test_equal_names_in_two_namespaces_stay_apart():
    def item(namespace, needs):
        return {
            "kind": "Kustomization",
            "metadata": {"name": "apps", "namespace": namespace},
            "spec": {"dependsOn": needs},
        }

    context = {"items": [item("a", []), item("b", [{"name": "apps", "namespace": "a"}])]}

    assert graph_of(context) == {"a/apps": set(), "b/apps": {"a/apps"}}


@pytest.mark.parametrize(
    ("context", "words", "steps"),
    [
        ({"steps": {}}, "no steps", []),
        ({"steps": []}, "no steps", []),
        ({"steps": {"a": ["a"]}}, "circle: a → a", ["a"]),
        ({"steps": {"a": ["b"], "b": ["c"], "c": ["b"]}}, "circle: b → c → b", ["b", "c"]),
        ({"steps": {"a": ["ghost"]}}, "a needs ghost", ["a needs ghost"]),
        ({"steps": {"b": [], "a": ["b", "b"]}}, "Listed more than once: a needs b", ["a needs b"]),
        ({"steps": [{"name": "a"}, {"name": "a"}]}, "Named more than once: a", ["a"]),
        ({"steps": {"café": [], "cafe\u0301": []}}, "look alike", [r"'caf\xe9' and 'cafe\u0301'"]),
        ({"steps": {"api": [], "api\u200b": []}}, "look alike", [r"'api' and 'api\u200b'"]),
        ({"steps": {"🚀": [], "🚀\ufe0f": []}}, "look alike", [r"'\U0001f680' and '\U0001f680\ufe0f'"]),
        ({"services": {"a": {"depends_on": ["ghost"]}}}, "a needs ghost", ["a needs ghost"]),
        (
            {"items": [{"kind": "Kustomization", "metadata": {"name": "a"}, "spec": {"dependsOn": [{"name": "b"}]}}]},
            "b",
            None,
        ),
    ],
)
def test_what_is_no_acyclic_graph_is_refused_by_name(context, words, steps):
    with pytest.raises(InvalidContext, match=words) as refused:
        read_dependencies(context)

    if steps is not None:
        assert refused.value.fields["steps"] == steps


@pytest.mark.parametrize(
    ("context", "where"),
    [
        ({"steps": {"a": "b"}}, "steps"),
        ({"steps": {"a": [1]}}, "steps"),
        ({"steps": {"": []}}, "steps"),
        ({"steps": {"a": []}, "extra": 1}, "extra"),
        ({"steps": [{"name": "a", "needs": []}]}, "steps"),
        ({"steps": 3}, "steps"),
        ({"services": {"a": {"depends_on": 3}}}, "services.a.depends_on"),
    ],
)
def test_a_broken_form_says_where_it_is_broken(context, where):
    with pytest.raises(InvalidContext, match="breaks its schema") as refused:
        read_dependencies(context)

    assert any(item["where"].startswith(where) for item in refused.value.fields["errors"])


@pytest.mark.parametrize(
    ("context", "where"),
    [
        ({"steps": {"a": "b"}}, ["steps.a"]),
        ({"steps": {"a": ["b", 1]}}, ["steps.a.1"]),
        ({"steps": [{"name": "a", "needs": []}]}, ["steps.0.needs"]),
        ({"steps": 3}, ["steps", "steps"]),
    ],
)
def test_of_several_forms_the_one_that_nearly_fits_is_told_of_and_no_name_of_a_type(context, where):
    with pytest.raises(InvalidContext) as refused:
        read_dependencies(context)

    assert [item["where"] for item in refused.value.fields["errors"]] == where


@pytest.mark.parametrize("field", ["maxParallel", "max-parallel", "max_paralel", "duration"])
@pytest.mark.parametrize(
    "foreign",
    [
        {"services": {"a": {"image": "a"}}, "x-weights": 1, "networks": {}, "version": "3"},
        {
            "apiVersion": "v1",
            "kind": "List",
            "metadata": {},
            "items": [{"kind": "Kustomization", "metadata": {"name": "a"}}],
        },
    ],
)
def test_beside_a_foreign_form_a_slip_of_the_pen_is_no_foreign_field(foreign, field):
    assert graph_of(foreign) == {"a": set()}

    with pytest.raises(InvalidContext, match=f"{field} .is (max_parallel|durations) meant"):
        read_dependencies(foreign | {field: 2})


def test_more_steps_than_are_served_are_refused():
    with pytest.raises(InvalidContext, match=f"at most {MAX_STEPS}"):
        read_dependencies({"steps": {f"s{number}": [] for number in range(MAX_STEPS + 1)}})


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
    )
)
def test_a_cycle_is_found_exactly_when_there_is_one(drawn):
    count, edges = drawn
    needs = tuple(tuple(need for step, need in sorted(edges) if step == number) for number in range(count))
    reference = nx.DiGraph(list(edges))

    cycle = find_cycle(DependencyGraph(tuple(map(str, range(count))), needs))

    assert bool(cycle) == (not nx.is_directed_acyclic_graph(reference))
    assert all(reference.has_edge(a, b) for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True))
