"""All questions asked of one overlay's objects."""

from collections.abc import Callable, Iterator

from tools.manifests import access, app, names, network, numbers, pods, schemas
from tools.manifests.objects import Object

ASPECTS: dict[str, Callable[[list[Object]], Iterator[str]]] = {
    "schema": schemas.findings,
    "names": names.findings,
    "pod security and images": pods.findings,
    "numbers": numbers.findings,
    "network": network.findings,
    "access": access.findings,
    "agreement with the service": app.findings,
}


def check(objects: list[Object]) -> list[str]:
    """What is wrong, a sentence each; empty where nothing is."""
    found = []
    for aspect, findings in ASPECTS.items():
        try:
            found += [f"{aspect}: {finding}" for finding in findings(objects)]
        except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
            # Objects that are not even of the right shape: the schema's findings say where.
            found.append(f"{aspect}: could not be checked ({type(error).__name__}: {error})")
    return found
