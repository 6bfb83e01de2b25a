"""API keys: who may ask. A key is shown once, when it is made; the service has its SHA-256 only.

A key holds 256 random bits, so that nobody can guess the key of a hash however fast hashing is; a salt and a slow hash, as
for passwords, would bring nothing but time for each request.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from agent_reasoning.errors import ConfigurationError

PREFIX = "ar_"  # so that scanners for secrets find one that was committed
NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
LINE = re.compile(rf"({NAME}):([0-9a-f]{{64}})")
MAX_KEY = 256  # characters; nothing longer is hashed


def new_key(name: str) -> tuple[str, str]:
    """A key, and the line that lets it in. Raises ConfigurationError for a name that no line can have."""
    if not re.fullmatch(NAME, name):
        raise ConfigurationError(
            f"{name!r} is no name for a key: lower-case letters, digits, '.', '_' and '-', at most 64, a letter or digit first."
        )
    key = PREFIX + secrets.token_urlsafe(32)
    return key, f"{name}:{digest(key).hex()}"


def digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


class Keys:
    """The keys that are let in. Several may have one name: they are one client, as while a key is replaced."""

    def __init__(self, lines: Iterable[str] = (), where: str = "API_KEYS") -> None:
        """lines: `name:sha256`; empty ones and those that begin with # say nothing. Raises ConfigurationError, which does
        not repeat a line: somebody may have put the key itself there."""
        self._names: dict[bytes, str] = {}
        for number, line in enumerate(lines, 1):
            if not (text := line.strip()) or text.startswith("#"):
                continue
            match = LINE.fullmatch(text)
            if match is None:
                raise ConfigurationError(
                    f"{where}, line {number}: expected name:sha256 with 64 hexadecimal digits, as `agent-reasoning keys new"
                    " NAME` prints it. (The line is not shown: it may hold a key.)"
                )
            self._names[bytes.fromhex(match[2])] = match[1]

    def __len__(self) -> int:
        return len(self._names)

    def name_of(self, key: str) -> str | None:
        """Whose key it is; None where it is nobody's. Takes as long whichever it is."""
        if len(key) > MAX_KEY:
            return None
        given, found = digest(key), None
        for known, name in self._names.items():
            if hmac.compare_digest(known, given):
                found = name
        return found


def read_keys(text: str | None, path: Path | None) -> Keys:
    """API_KEYS (lines, or separated by commas) and API_KEYS_FILE together. Raises ConfigurationError, also where a file
    that is named holds no key: nobody who names one means to let everybody in."""
    lines = [] if text is None else re.split(r"[,\n]", text)
    Keys(lines)
    if path is not None:
        try:
            stored = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ConfigurationError(f"API_KEYS_FILE={path} cannot be read: {why}.") from None
        if not len(Keys(stored, f"API_KEYS_FILE={path}")):
            raise ConfigurationError(f"API_KEYS_FILE={path} holds no key.")
        lines += stored
    return Keys(lines)
