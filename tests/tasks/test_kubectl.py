"""What the CLI and the client send in place of what kubectl prints."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.kubectl import reduce_kubectl
from agent_reasoning.foreign.shapes import looks_like_placement
from agent_reasoning.tasks.placement_input import read_cluster
from tests.tasks.cluster_objects import ORDERED, PRINTED, controller


def outcome(context):
    try:
        return read_cluster(context)
    except InvalidContext as refused:
        return str(refused)


def test_what_is_reduced_is_read_alike_and_holds_no_secrets():
    reduced = reduce_kubectl(PRINTED)

    assert read_cluster(reduced) == read_cluster(PRINTED)
    assert len(json.dumps(reduced)) < len(json.dumps(PRINTED)) / 2
    assert reduce_kubectl(reduced) == reduced
    assert "hunter2" in json.dumps(PRINTED)
    assert "hunter2" not in json.dumps(reduced)


@pytest.mark.parametrize("context", [{"steps": {"a": []}}, {"documents": [ORDERED]}, {"nodes": 10, "workloads": []}])
def test_what_is_no_kubectl_output_for_placement_is_sent_as_it_is(context):
    assert reduce_kubectl(context) == context


def places(value, path=()):
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(value[key], (*path, key))


WHOLE = copy.deepcopy(PRINTED) | {
    "objective": "spread",
    "workloads": [{"name": "new", "node_selector": {"beta.kubernetes.io/arch": "amd64"}}],
}
WHOLE["items"] += [
    controller("Deployment", "web"),  # its pods are there
    controller("Deployment", "new-web", 2, {"app": "new-web"}),
    controller("DaemonSet", "new-daemons"),
]
PLACES = list(places(WHOLE))
STRANGE = [
    None, True, 0, -1, 2, 10**30, 1.5, "", "a", "1Gi", "x" * 300, "worker-1", "Exists", "Gt", "Node", "DaemonSet", [], {}, [{}],
    [None], {"a": 1}, {"a": "b"}, {"items": [{"metadata": {}}]}, [{"key": "disk", "operator": "Lt", "values": ["3"]}],
]  # fmt: skip


def test_manifests_beside_pods_and_own_workloads_are_reduced_to_the_same():
    expected = read_cluster(WHOLE)

    assert expected.cluster.workloads[-3:] == ("new-web-1", "new-web-2", "new")
    assert read_cluster(reduce_kubectl(WHOLE)) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(STRANGE)), min_size=1, max_size=3), st.booleans())
def test_whatever_stands_somewhere_it_is_read_or_refused_and_reduced_likewise(changes, remove):
    context = copy.deepcopy(WHOLE)
    for path, strange in changes:
        inside = context
        try:
            for key in path[:-1]:
                inside = inside[key]
            inside[path[-1]] = copy.deepcopy(strange)
            if remove and isinstance(inside, dict):
                del inside[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away

    expected = outcome(context)

    if looks_like_placement(context):
        assert outcome(reduce_kubectl(context)) == expected
