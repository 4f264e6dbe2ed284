"""API keys: how one is made, what is remembered of it, what its holder may use.

A key is "fs-" and 256 random bits in base64url. Only its SHA-256 is kept: with so much chance in the
key, a slow or salted hash would protect nothing more.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, date, datetime

from flashstep.errors import ConfigError

PREFIX = "fs-"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """What one key may use; None = as much as it likes. Raises ConfigError below 1.

    requests_per_minute: calls that ask for something (POST). tokens_per_minute: prompt and answer
    together. concurrency: such calls at the same time.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "concurrency"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}: {value} must be at least 1; leave it out for no limit")


UNLIMITED = KeyLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key; never the key itself. Raises ConfigError for a name or hash of another form.

    name: of whoever holds it, for traces, logs and metrics. sha256: 64 hex digits. expires: the last
    day (UTC) on which it is accepted, None = for good. created: the day it was made.
    """

    name: str
    sha256: str
    limits: KeyLimits = UNLIMITED
    expires: date | None = None
    created: date | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if not _HASH.fullmatch(self.sha256):
            raise ConfigError(f"sha256: of key {self.name!r} must be 64 lower-case hex digits")

    @property
    def digest(self) -> bytes:
        """The hash as bytes."""
        return bytes.fromhex(self.sha256)

    def is_expired(self, now: datetime) -> bool:
        """True behind the last day; `now` has a time zone."""
        return self.expires is not None and now.astimezone(UTC).date() > self.expires


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` can be a key's name: it stands in logs, metrics and headers."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"name: {name!r} cannot name a key; use 1 to 64 letters, digits, '.', '_' and '-', the first "
            "one a letter or digit"
        )


def new_secret() -> str:
    """A new random key."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()
