"""Docker Compose documents, of which only who needs whom is read: `docker compose config` prints every secret of the
environment in clear."""

from collections.abc import Mapping
from typing import Any

OWN = frozenset(("depends_on", "resilient"))
"""The fields of a service in root-cause's own form, which a Compose document may happen to be like."""


def is_compose(services: Any) -> bool:
    """Not `{name: [names]}`, nor root-cause's own form. One that holds lists is none either, but an own form with a mistake in
    it: without the mistake it would be read as something else."""
    return (
        isinstance(services, Mapping)
        and any(isinstance(service, Mapping) for service in services.values())
        and not any(isinstance(service, list) for service in services.values())
        and not has_own_form(services)
    )


def has_own_form(services: Mapping[str, Any]) -> bool:
    return all(
        isinstance(needs, list)
        or (isinstance(needs, Mapping) and needs.keys() <= OWN and isinstance(needs.get("depends_on", []), list))
        for needs in services.values()
    )


def needs_alone(services: Mapping[str, Any]) -> dict[str, Any]:
    """The services with what they depend on, and nothing else. The short form becomes the long one, so that what is left
    is still no own form. What has another shape stays: reading will name it."""
    return {name: _needs(service) for name, service in services.items()}


def _needs(service: Any) -> Any:
    if not isinstance(service, Mapping):
        return service
    needs = service.get("depends_on")
    if isinstance(needs, list) and all(isinstance(name, str) for name in needs):
        needs = dict.fromkeys(needs)
    elif isinstance(needs, Mapping):
        needs = {
            name: {"required": how["required"]} if isinstance(how, Mapping) and "required" in how else _shape(how)
            for name, how in needs.items()
        }
    return {"depends_on": needs} if needs is not None else {}


def _shape(how: Any) -> Any:
    return {} if isinstance(how, Mapping) else how
