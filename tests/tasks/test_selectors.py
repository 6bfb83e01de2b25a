"""Selectors, taints and anti-affinity, against plain readings of Kubernetes' rules."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_reasoning.errors import InvalidContext
from agent_reasoning.tasks.eligibility import Eligibility, Node, Rules, Taint, Toleration
from agent_reasoning.tasks.inventory import Inventory
from agent_reasoning.tasks.selectors import Expression, LabelIndex, members
from agent_reasoning.tasks.separation import Resident, Term, keep_apart

KEYS, VALUES = "ab", ["", "1", "2", "10", "x", "-3"]
labels = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))
expressions = st.builds(
    Expression, st.sampled_from(KEYS), st.sampled_from(["In", "NotIn"]), st.lists(st.sampled_from(VALUES), max_size=3).map(tuple)
) | st.builds(Expression, st.sampled_from(KEYS), st.sampled_from(["Exists", "DoesNotExist"])) | st.builds(
    Expression, st.sampled_from(KEYS), st.sampled_from(["Gt", "Lt"]), st.integers(-5, 12).map(lambda edge: (str(edge),))
)  # fmt: skip


def plainly(expression, of):
    has, values = of.get(expression.key), expression.values
    if expression.operator in ("Gt", "Lt"):
        if has is None or not re.fullmatch("-?[0-9]+", has):
            return False
        return int(has) > int(values[0]) if expression.operator == "Gt" else int(has) < int(values[0])
    return {
        "In": has in values,
        "NotIn": has not in values,
        "Exists": has is not None,
        "DoesNotExist": has is None,
    }[expression.operator]


@given(st.lists(labels, max_size=20), st.lists(expressions, max_size=3))
def test_the_things_found_are_those_that_match_every_expression(things, selector):
    expected = tuple(
        number for number, thing in enumerate(things) if all(plainly(expression, thing) for expression in selector)
    )

    found = LabelIndex(things).matching(selector)

    assert members(found, range(len(things))) == expected


@pytest.mark.parametrize(
    "expression", [Expression("a", "Like", ("x",)), Expression("a", "Gt", ("x",)), Expression("a", "Lt")]
)
def test_what_kubernetes_cannot_evaluate_is_refused(expression):
    with pytest.raises(InvalidContext, match=expression.operator):
        LabelIndex([{"a": "1"}]).matching([expression])


taints = st.builds(
    Taint,
    st.sampled_from("kl"),
    st.sampled_from(["", "v"]),
    st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
)
tolerations = st.builds(
    Toleration, st.sampled_from(["", "k", "l"]), st.sampled_from(["Equal", "Exists"]), st.sampled_from(["", "v"]),
    st.sampled_from(["", "NoExecute"]), st.booleans(),
)  # fmt: skip


def tolerates(toleration, taint):
    effect = not toleration.effect or toleration.effect == taint.effect
    if toleration.operator == "Exists":
        return effect and (not toleration.key or toleration.key == taint.key)
    return effect and toleration.key == taint.key and toleration.value == taint.value


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.lists(taints, max_size=3), st.booleans(), st.booleans()), min_size=1, max_size=5),
    st.lists(tolerations, max_size=3),
)
def test_taints_keep_out_and_drive_out_who_does_not_tolerate_them(nodes, of):
    eligible = Eligibility(
        [Node(f"n{n}", (), {}, tuple(taints), cordoned) for n, (taints, cordoned, _) in enumerate(nodes)],
        {f"n{n}" for n, (_, _, drained) in enumerate(nodes) if drained},
    )

    enter, stay = eligible.may_enter(Rules(tolerations=tuple(of))), eligible.may_stay(Rules(tolerations=tuple(of)))

    for number, (on_it, cordoned, drained) in enumerate(nodes):
        hard = [taint for taint in on_it if taint.effect != "PreferNoSchedule"]
        comes = all(any(tolerates(one, taint) for one in of) for taint in hard)
        stays = all(
            any(tolerates(one, taint) for one in of)
            # Kubernetes waits for the shortest time of those that match.
            and not any(tolerates(one, taint) and one.for_a_while for one in of)
            for taint in hard
            if taint.effect == "NoExecute"
        )
        assert bool(enter >> number & 1) == (comes and not cordoned and not drained)
        assert bool(stay >> number & 1) == (stays and not drained)


residents = st.lists(
    st.tuples(
        labels,
        st.sampled_from(["shop", "ops"]),
        st.lists(st.tuples(expressions, st.sampled_from([None, ("shop",), ("shop", "ops")])), max_size=2),
        st.booleans(),
    ),
    max_size=7,
)


@settings(max_examples=150, deadline=None)
@given(residents)
def test_groups_and_barred_nodes_are_exactly_the_pairs_that_must_not_meet(drawn):
    pods, moving = [], 0
    for number, (of, namespace, terms, stays) in enumerate(drawn):
        terms = tuple(Term((expression,), namespaces) for expression, namespaces in terms)
        pods.append(
            Resident(f"p{number}", namespace, of, terms, None if stays else moving, f"n{number}" if stays else None)
        )
        moving += not stays

    def bothers(one, other):
        return any(
            (term.namespaces is None or other.namespace in term.namespaces)
            and plainly(term.expressions[0], other.labels)
            for term in one.terms
        )

    met = [(a, b) for i, a in enumerate(pods) for b in pods[i + 1 :] if bothers(a, b) or bothers(b, a)]
    expected = {frozenset((a.workload, b.workload)) for a, b in met if None not in (a.workload, b.workload)}
    barred = {(a.workload, b.node) for a, b in met if a.workload is not None and b.workload is None}
    barred |= {(b.workload, a.node) for a, b in met if b.workload is not None and a.workload is None}
    inventory = Inventory()

    keep_apart(pods, inventory)

    assert {frozenset((a, b)) for group in inventory.apart for a in group for b in group if a != b} == expected
    assert {
        (workload, node) for workloads, nodes, _ in inventory.barred for workload in workloads for node in nodes
    } == barred
    assert inventory.not_understood == []


def test_anti_affinity_of_too_many_pairs_is_said_not_to_be_understood():
    one = Term((Expression("a", "In", ("x",)),), None)
    pods = [Resident(f"web-{n}", "shop", {"a": "y"}, (one,), n, None) for n in range(20)]
    pods += [Resident(f"db-{n}", "shop", {"a": "x"}, (), 20 + n, None) for n in range(20)]
    inventory = Inventory()

    keep_apart(pods, inventory)

    assert inventory.apart == []
    assert inventory.not_understood == ["anti-affinity between pods (too many pairs), of web-0"]
