"""What an operator chooses for the HTTP service. One frozen value, checked when it is made.

Holds nothing about the model or the listening socket: those are `ServedModel` and `serve.run`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from flashstep.errors import ConfigError, InvalidRequest
from flashstep.server.limits.settings import LimitSettings
from flashstep.server.traces.settings import TraceSettings
from flashstep.types import SamplingParams

ALIAS = "step-3.5-flash"

WireName = Literal["openai", "stepfun"]
ReasoningField = Literal["reasoning", "reasoning_content", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Raises ConfigError naming the setting that cannot work.

    api_keys: accepted keys; without any, and without a file, the server is open to all who can connect.
    api_key_file: further keys, with names and limits; it may change while the server runs.
    protect_metrics: /metrics needs a key too.
    cors_origins: browser origins that may call; empty = none, ("*",) = all.
    aliases: further names under which the one loaded model answers.
    temperature, top_p: used where a request does not say; the defaults are the hosted service's.
    max_body_bytes: a larger request body is answered 413.
    keep_alive_s: seconds of silence on a stream after which a comment line is sent.
    json_mode: honour requests for JSON answers; off, they are answered 400.
    wire: the form of chat completions: OpenAI's, or the hosted service's to the letter.
    reasoning_field: the member that holds an answer's reasoning where a request does not say.
    max_choices: most answers that one request may ask for (`n`).
    hidden_thinking_tokens: reasoning is closed after so many tokens of it for callers who asked for
        no thinking; after half of the tokens that the answer may have where that is less.
    traces: what is recorded of each call, and where; nothing by default.
    limits: how much is taken on at once, and how long clients are waited for.
    """

    api_keys: tuple[str, ...] = ()
    api_key_file: Path | None = None
    protect_metrics: bool = False
    cors_origins: tuple[str, ...] = ()
    aliases: tuple[str, ...] = (ALIAS,)
    temperature: float = 0.5
    top_p: float = 0.9
    max_body_bytes: int = 32 << 20
    keep_alive_s: float = 5.0
    json_mode: bool = False
    wire: WireName = "openai"
    reasoning_field: ReasoningField = "reasoning"
    max_choices: int = 16
    hidden_thinking_tokens: int = 1024
    traces: TraceSettings = TraceSettings()
    limits: LimitSettings = LimitSettings()

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
        if self.wire not in get_args(WireName):
            raise ConfigError(f"wire: {self.wire!r} is not one of {', '.join(get_args(WireName))}")
        if self.reasoning_field not in get_args(ReasoningField):
            fields = ", ".join(get_args(ReasoningField))
            raise ConfigError(f"reasoning_field: {self.reasoning_field!r} is not one of {fields}")
        if self.max_choices < 1:
            raise ConfigError(f"max_choices: {self.max_choices} must be at least 1")
        if self.hidden_thinking_tokens < 0:
            raise ConfigError(f"hidden_thinking_tokens: {self.hidden_thinking_tokens} must not be negative")
        if not self.keep_alive_s > 0:
            raise ConfigError(f"keep_alive_s: {self.keep_alive_s} must be positive")
        try:
            SamplingParams(temperature=self.temperature, top_p=self.top_p)
        except InvalidRequest as error:
            raise ConfigError(f"default {error.message}") from error
