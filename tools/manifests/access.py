"""Who may ask: is the file of API keys there, does it hold any, and does everything that asks know one?"""

import base64
import binascii
from collections.abc import Iterator
from pathlib import PurePosixPath

from pydantic import ValidationError

from agent_reasoning.errors import ConfigurationError
from agent_reasoning.service.keys import Keys
from agent_reasoning.service.settings import Settings
from tools.contract import SERVICE
from tools.manifests.numbers import number
from tools.manifests.objects import Object, containers, environment, of, pod, services, title


def findings(objects: list[Object]) -> Iterator[str]:
    for service in services(objects):
        if service["metadata"]["name"] == SERVICE:
            for problem in [*file_of_keys(service, objects), *without_a_key(service, objects)]:
                yield f"{title(service)}: {problem}"


def file_of_keys(service: Object, objects: list[Object]) -> Iterator[str]:
    path = environment(service, objects).get("API_KEYS_FILE")
    if not path:
        return
    stored = mounted(service, objects, PurePosixPath(path))
    if stored is None:
        yield f"API_KEYS_FILE={path} is in no Secret that is mounted: the service would not start"
        return
    try:
        keys = Keys(base64.b64decode(stored).decode().splitlines(), "the file")
    except (ConfigurationError, UnicodeDecodeError, binascii.Error) as error:
        yield f"API_KEYS_FILE={path} cannot be used: {error}"
        return
    if not len(keys):
        yield f"API_KEYS_FILE={path} holds no key: the service would not start"


def mounted(service: Object, objects: list[Object], path: PurePosixPath) -> str | None:
    """What the Secret holds that is mounted there; None where nothing is."""
    secrets = {each["metadata"]["name"]: each.get("data", {}) for each in of(objects, "Secret")}
    volumes = {each["name"]: each.get("secret", {}).get("secretName") for each in pod(service).get("volumes", [])}
    for container in containers(service)[:1]:
        for mount in container.get("volumeMounts", []):
            if PurePosixPath(mount["mountPath"]) == path.parent:
                held: str | None = secrets.get(volumes.get(mount["name"]), {}).get(path.name)
                return held
    return None


def without_a_key(service: Object, objects: list[Object]) -> Iterator[str]:
    settings = environment(service, objects)
    known = {name: settings[name.upper()] for name in Settings.model_fields if name.upper() in settings}
    keys = known.pop("api_keys_file", None) or known.pop("api_keys", None)
    try:
        stated = Settings.model_validate(known)
        if not keys:
            stated.keys()
    except ValidationError:
        return  # said where numbers are checked
    except ConfigurationError as error:
        yield str(error)
        return
    if stated.events_need_key and of(objects, "Trigger"):
        yield "EVENTS_NEED_KEY=true, and the Trigger's broker sends no key: no event would be taken"
    if stated.functions_enabled and (most := number(service, "max-scale")) != 1:
        yield (
            f"FUNCTIONS_ENABLED=true with a max-scale of {most}: what is registered at one replica, the others do not know"
        )
