"""What a pod's spec says about nodes and neighbours, as far as it is modelled; and what is not, in words."""

from collections.abc import Iterable, Iterator

from agent_reasoning.errors import InvalidContext
from agent_reasoning.foreign.kubernetes_objects import LabelSelector, NodeTerm, PodSpec, PodTerm, Requirement
from agent_reasoning.tasks.eligibility import HOSTNAME, NAME_FIELD, OPERATORS, Rules, Toleration
from agent_reasoning.tasks.selectors import Expression, equals
from agent_reasoning.tasks.separation import Term


def rules(spec: PodSpec, name: str) -> Rules:
    """Raises InvalidContext for a field that Kubernetes cannot select by."""
    affinity = spec.affinity.nodeAffinity if spec.affinity else None
    required = affinity.required if affinity else None
    terms = None if required is None else tuple(_node_term(term, name) for term in required.nodeSelectorTerms or ())
    return Rules(equals(spec.nodeSelector or {}), terms, _tolerations(spec))


def _tolerations(spec: PodSpec) -> tuple[Toleration, ...]:
    return tuple(
        Toleration(
            one.key or "", one.operator or "Equal", one.value or "", one.effect or "", one.tolerationSeconds is not None
        )
        for one in spec.tolerations or ()
    )


def _node_term(term: NodeTerm, name: str) -> tuple[Expression, ...]:
    fields = []
    for field in _expressions(term.matchFields):
        if field.key != "metadata.name":
            raise InvalidContext(f"{name}: matchFields can name metadata.name, not {field.key[:40]!r}.")
        fields.append(Expression(NAME_FIELD, field.operator, field.values))
    return (*_expressions(term.matchExpressions), *fields)


def _expressions(requirements: Iterable[Requirement] | None) -> tuple[Expression, ...]:
    return tuple(Expression(one.key, one.operator, tuple(one.values or ())) for one in requirements or ())


def _labels(selector: LabelSelector) -> tuple[Expression, ...]:
    return (*equals(selector.matchLabels or {}), *_expressions(selector.matchExpressions))


def anti_affinity(spec: PodSpec, namespace: str) -> tuple[Term, ...]:
    affinity = spec.affinity.podAntiAffinity if spec.affinity else None
    return tuple(
        Term(_labels(term.labelSelector), _namespaces(term, namespace))
        for term in (affinity.required if affinity else None) or ()
        if term.labelSelector is not None and _is_modelled(term)  # a selector that is not there matches nothing
    )


def _namespaces(term: PodTerm, own: str) -> tuple[str, ...] | None:
    if term.namespaceSelector is not None:
        return None
    return tuple(sorted(set(term.namespaces or [own])))


def _is_modelled(term: PodTerm) -> bool:
    """Namespaces are chosen by labels that nobody sends, unless all are; the API server turns matchLabelKeys into labels."""
    selector = term.namespaceSelector
    everywhere = selector is None or not (selector.matchLabels or selector.matchExpressions)
    return term.topologyKey == HOSTNAME and everywhere


def not_modelled(spec: PodSpec) -> Iterator[str]:
    """Each kind of thing once."""
    affinity = spec.affinity
    terms = (affinity.podAntiAffinity.required if affinity and affinity.podAntiAffinity else None) or ()
    containers = [*(spec.containers or ()), *(spec.initContainers or ())]
    for field in ("persistentVolumeClaim", "ephemeral", "hostPath"):
        if any(getattr(volume, field) is not None for volume in spec.volumes or ()):
            yield f"volumes ({field})"
    for topology in sorted({term.topologyKey for term in terms if term.topologyKey != HOSTNAME}):
        yield f"anti-affinity between pods by {topology[:80]}"
    if any(term.topologyKey == HOSTNAME and not _is_modelled(term) for term in terms):
        yield "anti-affinity between pods of selected namespaces"
    if affinity and affinity.podAffinity and affinity.podAffinity.required:
        yield "required affinity between pods"
    if affinity and any(
        kind and kind.preferred for kind in (affinity.nodeAffinity, affinity.podAffinity, affinity.podAntiAffinity)
    ):
        yield "preferred affinity"
    for there, what in (
        (spec.topologySpreadConstraints, "topologySpreadConstraints"),
        (any(port.hostPort for container in containers for port in container.ports or ()), "host ports"),
        (spec.resourceClaims, "resourceClaims"),
        (spec.runtimeClassName, "runtimeClassName"),
        (spec.schedulerName not in (None, "", "default-scheduler"), "another scheduler"),
        (any(one.operator not in (None, "", *OPERATORS) for one in spec.tolerations or ()), "other operators of tolerations"),
    ):  # fmt: skip
        if there:
            yield what
