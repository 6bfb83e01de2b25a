"""From where /mcp may be called: the names that the service goes by, and the web pages that may ask.

A page of a stranger can have its own name resolve to an address of ours (DNS rebinding); its browser then sends the
stranger's name as Host and, with each POST, as Origin. The SDK's own check knows neither `name.*` nor a name with and
without its port as one, and answers in plain text, which MCP clients do not show.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class McpOptions:
    """hosts: names without ports, `*` for any characters. origins: as browsers send them (`https://chat.example.com`), or
    `*`; pages of this machine, on any port, where it is None."""

    hosts: tuple[str, ...] = LOOPBACK
    origins: tuple[str, ...] | None = None

    def refusal(self, host: str | None, origin: str | None) -> tuple[int, str] | None:
        """The status and the reason for which a request is refused; None where it is not. (421: RFC 9110, section
        15.5.20; 403: MCP 2025-11-25, "Transports", "Security Warning".)"""
        name = hostname(f"//{host or ''}")
        if name is None or not any(fnmatchcase(name, pattern) for pattern in self.hosts):
            return (
                421,
                f"The service does not go by the name {(host or '')[:256]!r} for MCP; MCP_ALLOWED_HOSTS sets its names.",
            )
        if origin is not None and not self._may_ask(origin):
            return 403, f"Pages of {origin[:256]!r} may not call MCP; MCP_ALLOWED_ORIGINS sets which may."
        return None

    def _may_ask(self, origin: str) -> bool:
        if self.origins is None:
            return hostname(origin) in LOOPBACK
        return "*" in self.origins or origin.lower() in self.origins


def allowed_hosts(configured: str | None, service: str | None) -> tuple[str, ...]:
    """configured: MCP_ALLOWED_HOSTS. service: K_SERVICE, which Knative sets: by default it puts a Service's name first in
    all of its addresses, in the cluster and outside."""
    if configured is not None:
        return listed(configured)
    return LOOPBACK if service is None else (*LOOPBACK, service, f"{service}.*")


def allowed_origins(configured: str | None) -> tuple[str, ...] | None:
    """configured: MCP_ALLOWED_ORIGINS."""
    return None if configured is None else listed(configured)


def listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def hostname(url: str) -> str | None:
    try:
        name = urlsplit(url).hostname
    except ValueError:
        return None
    return name.removesuffix(".") if name else None
