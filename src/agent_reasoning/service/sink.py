"""Where results are published: what SinkBinding and operators set in the environment."""

import json
import re
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from agent_reasoning.errors import ConfigurationError

# Attributes that every event has; an override of one would make it another event.
FIXED = {
    "id", "source", "type", "specversion", "time", "subject", "datacontenttype", "dataschema", "data",
    "traceparent", "tracestate", "correlationid", "replyid", "causationid", "tasktype", "verified", "conversationid",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sink:
    """An address that takes events. `extensions` are set on each; `ca_certs`: PEM, trusted beside the usual ones."""

    url: str
    extensions: dict[str, str] = field(default_factory=dict)
    ca_certs: str | None = None

    @property
    def shown(self) -> str:
        """The address as logs may have it: without credentials."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def read_sink(
    broker_url: str | None, k_sink: str | None, k_ce_overrides: str | None, k_ca_certs: str | None
) -> Sink | None:
    """The sink that is set, KNATIVE_BROKER_URL before K_SINK; None where there is none. Raises ConfigurationError."""
    name, url = ("KNATIVE_BROKER_URL", broker_url) if broker_url else ("K_SINK", k_sink)
    if not url:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ConfigurationError(f"{name} is no http or https address: {re.sub('//[^/]*@', '//…@', url)!r}.")
    return Sink(url, _extensions(k_ce_overrides), _certificates(k_ca_certs))


def _extensions(text: str | None) -> dict[str, str]:
    """K_CE_OVERRIDES is always set by a SinkBinding, empty where there is nothing to override."""
    if not text:
        return {}
    try:
        extensions = json.loads(text).get("extensions")
        extensions = {} if extensions is None else extensions
        pairs = list(extensions.items())
    except (ValueError, AttributeError):
        raise ConfigurationError('K_CE_OVERRIDES must be JSON like {"extensions": {"name": "value"}}.') from None
    for name, value in pairs:
        if not re.fullmatch(r"[a-z0-9]+", name) or name in FIXED or not isinstance(value, str) or not _is_text(value):
            raise ConfigurationError(
                f"K_CE_OVERRIDES: {name!r} cannot be set to {value!r}; extensions have names of lower-case letters and"
                " digits, none of an event's own attributes, and values of text."
            )
    return extensions


def _is_text(value: str) -> bool:
    """Some, and none of it half of a surrogate pair, which no header could hold."""
    return bool(value) and not re.search("[\ud800-\udfff]", value)


def _certificates(pem: str | None) -> str | None:
    if not pem:
        return None
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ConfigurationError("K_CA_CERTS holds no certificates in PEM form.") from None
    return pem
