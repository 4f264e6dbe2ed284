"""What an operator chooses for the HTTP service. One frozen value, checked when it is made.

Holds nothing about the model or the listening socket: those are `ServedModel` and `serve.run`.
"""

from dataclasses import dataclass

from flashstep.errors import ConfigError, InvalidRequest
from flashstep.types import SamplingParams

ALIAS = "step-3.5-flash"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Raises ConfigError naming the setting that cannot work.

    api_keys: accepted Bearer keys; empty = open to everyone who can connect.
    cors_origins: browser origins that may call; empty = none, ("*",) = all.
    aliases: further names under which the one loaded model answers.
    temperature, top_p: used where a request does not say; the defaults are the hosted service's.
    max_body_bytes: a larger request body is answered 413.
    keep_alive_s: seconds of silence on a stream after which a comment line is sent.
    """

    api_keys: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    aliases: tuple[str, ...] = (ALIAS,)
    temperature: float = 0.5
    top_p: float = 0.9
    max_body_bytes: int = 32 << 20
    keep_alive_s: float = 5.0

    def __post_init__(self) -> None:
        for key in self.api_keys:
            if not key or not key.isascii() or not key.isprintable() or key != key.strip():
                raise ConfigError(
                    "api_keys: a key must be printable ASCII without spaces around it (an HTTP header "
                    "carries it); one of the given keys is not"
                )
        if any(not alias for alias in self.aliases):
            raise ConfigError("aliases: an empty model name cannot be asked for; remove it")
        if self.max_body_bytes <= 0:
            raise ConfigError(f"max_body_bytes: {self.max_body_bytes} must be positive")
        if not self.keep_alive_s > 0:
            raise ConfigError(f"keep_alive_s: {self.keep_alive_s} must be positive")
        try:
            SamplingParams(temperature=self.temperature, top_p=self.top_p)
        except InvalidRequest as error:
            raise ConfigError(f"default {error.message}") from error
