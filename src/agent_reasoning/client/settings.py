"""The client's environment, read when a client is made; arguments win over it."""

import json
import re
import ssl
from typing import Any, Literal

import httpx2
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent_reasoning.client.exceptions import ClientMisconfigured

# A cluster-local Knative Service listens on port 80, whatever port its container has.
DEFAULT_URL = "http://agent-reasoning.ai-agents.svc.cluster.local"


class Overrides(BaseModel):
    """K_CE_OVERRIDES, as a SinkBinding sets it: extensions that every published event carries."""

    extensions: dict[str, str] = Field(default_factory=dict)


class ClientSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    reasoning_service_url: str = Field(DEFAULT_URL, description="an http or https URL")
    reasoning_api_key: SecretStr | None = Field(
        None, description="the service's key for this client, if it asks for one"
    )
    reasoning_use_events: bool = Field(False, description="true or false: reason() by events instead of HTTP")
    knative_broker_url: str | None = Field(None, description="where events are published")
    k_sink: str | None = Field(None, description="the same, set by a SinkBinding")
    k_ce_overrides: Overrides = Field(default_factory=Overrides, description='JSON: {"extensions": {"name": "value"}}')
    k_ca_certs: str | None = Field(None, description="PEM certificates that the sink's is checked against")

    @field_validator("k_ce_overrides", mode="before")
    @classmethod
    def _null_is_none(cls, value: Any) -> Any:
        return {} if value is None else value


def read_settings() -> ClientSettings:
    """Raises ClientMisconfigured, which names each variable and what is allowed."""
    try:
        return ClientSettings()
    except (ValidationError, ValueError) as error:
        raise ClientMisconfigured(f"The environment cannot be used. {_words(error)}") from None


def _words(error: ValueError) -> str:
    if not isinstance(error, ValidationError):  # pydantic-settings, of JSON that is none
        return f"{error}."
    found = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        allowed = ClientSettings.model_fields[name].description
        found.append(f"{name.upper()}={json.dumps(problem['input'], default=str)}: {problem['msg']} ({allowed}).")
    return " ".join(found)


def checked_url(url: str, what: str) -> str:
    """`url` without a slash at its end. Raises ClientMisconfigured where it is none for HTTP."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError):
        raise ClientMisconfigured(f"{what} is {url!r}, which is no URL.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ClientMisconfigured(f"{what} is {shown_url(url)!r}; it has to begin with http:// or https:// and a host.")
    return url.rstrip("/")


def authorization(api_key: str | None) -> dict[str, str]:
    """The header that carries a key. Raises ClientMisconfigured, which does not repeat it, where no header could."""
    if not api_key:
        return {}
    if not re.fullmatch(r"[!-~]+", api_key):
        raise ClientMisconfigured(
            "The API key holds a character that a header cannot carry, such as a space or line end."
        )
    return {"authorization": f"Bearer {api_key}"}


def shown_url(url: httpx2.URL | str) -> str:
    """`url` for an error's text, which ends up in logs: without user, password and query, where secrets are kept."""
    return str(httpx2.URL(url).copy_with(userinfo=b"", query=None, fragment=None))


def trust(ca_certs: str | None) -> ssl.SSLContext | Literal[True]:
    """What `verify=` takes: the system's certificates and, where they are given, these. Raises ClientMisconfigured."""
    if ca_certs is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=ca_certs)
    except (ssl.SSLError, ValueError) as error:
        raise ClientMisconfigured(f"K_CA_CERTS holds no PEM certificates: {error}.") from None
    return context
