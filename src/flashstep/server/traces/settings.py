"""What an operator chooses about traces. One frozen value, checked when it is made.

The default store follows the XDG base directory specification: state that should outlive a restart
is under `$XDG_STATE_HOME`, `~/.local/state` when that is not set.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flashstep.errors import ConfigError
from flashstep.user_folder import user_folder

MIN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """Raises ConfigError naming the setting that cannot work.

    store: the SQLite file of the records; None = none are kept.
    keep_content: False leaves prompts and outputs out of the records, and what quotes them out of
        records, spans and logs: stop strings, schemas, messages about wrong requests.
    max_days, max_bytes: older records are deleted, and the oldest when all take more than this.
    redact: regular expressions; what matches in content, parameters and errors is replaced.
    otlp_endpoint: base URL of an OpenTelemetry collector that gets spans; None = none.
    """

    store: Path | None = None
    keep_content: bool = True
    max_days: float = 30.0
    max_bytes: int = 512 << 20
    redact: tuple[str, ...] = ()
    otlp_endpoint: str | None = None

    def __post_init__(self) -> None:
        if not self.max_days > 0:
            raise ConfigError(f"trace_max_days: {self.max_days} must be positive")
        if self.max_bytes < MIN_BYTES:
            raise ConfigError(
                f"trace_max_mib: {self.max_bytes} bytes are too few for a useful store; "
                f"give at least {MIN_BYTES} (1 MiB), or keep no records with --trace-store off"
            )
        for pattern in self.redact:
            _check_pattern(pattern)
        if self.otlp_endpoint is not None:
            url = urlsplit(self.otlp_endpoint)
            if url.scheme not in ("http", "https") or not url.netloc:
                raise ConfigError(
                    f"otlp_endpoint: {self.otlp_endpoint!r} is not the http or https URL of a collector; "
                    "its OTLP/HTTP port is usually 4318, as in http://localhost:4318"
                )

    @property
    def is_on(self) -> bool:
        """True when somebody wants the records."""
        return self.store is not None or self.otlp_endpoint is not None


def default_store() -> Path:
    """The store that a user's servers share when none is named. Reads the environment. ConfigError for a user
    without a home."""
    return user_folder("XDG_STATE_HOME", ".local/state") / "traces.db"


def _check_pattern(pattern: str) -> None:
    try:
        matches_nothing = re.compile(pattern).search("") is not None
    except re.error as error:
        raise ConfigError(f"trace_redact: {pattern!r} is not a regular expression: {error}") from error
    if matches_nothing:
        raise ConfigError(
            f"trace_redact: {pattern!r} matches the empty text, so it would be found everywhere; narrow it"
        )
