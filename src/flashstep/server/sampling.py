"""The fields of a request that say how tokens are chosen and when to stop.

Ranges live in `SamplingParams`. Names are OpenAI's, plus vLLM's `top_k`, `min_p`,
`repetition_penalty`, `stop_token_ids` and `ignore_eos`, and our `repetition_guard`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, field_validator

from flashstep.errors import InvalidRequest
from flashstep.server.fields import shown
from flashstep.server.settings import ServerSettings
from flashstep.server.validation import Integer, ListOf, MapOf, complaint
from flashstep.types import SamplingParams

_SEED_LIMIT = 1 << 63
AS_MUCH_AS_FITS = -1  # how several clients spell a missing token limit


def _check_limit(value: int | None) -> int | None:
    if value is not None and value < 1 and value != AS_MUCH_AS_FITS:
        raise complaint(f"{value} leaves no room for an answer; send at least 1, or leave it out")
    return value


TokenLimit = Annotated[
    Annotated[Integer, Field(le=1 << 31)] | None,
    AfterValidator(_check_limit),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": -1}, {"type": "null"}]}),
]


class CommonSampling(BaseModel):
    """The wishes that raw completions and chats share; null means "not given"."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: Integer | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    repetition_guard: bool | None = None
    logit_bias: MapOf[float] | None = None
    seed: Integer | None = Field(default=None, ge=-_SEED_LIMIT, lt=_SEED_LIMIT)
    stop: ListOf[str] | None = None
    stop_token_ids: ListOf[Integer] | None = None
    ignore_eos: bool | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    def params(self, settings: ServerSettings, vocab_size: int, **more: Any) -> SamplingParams:
        """The wishes and `more` of them, with the server's defaults where the request is silent; None
        is silence. Raises InvalidRequest."""
        given: dict[str, Any] = {
            "temperature": self.temperature if self.temperature is not None else settings.temperature,
            "top_p": self.top_p if self.top_p is not None else settings.top_p,
            "top_k": 0 if self.top_k == -1 else self.top_k,  # -1 is vLLM's spelling of "off"
            "min_p": self.min_p,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "repetition_penalty": self.repetition_penalty,
            "repetition_guard": self.repetition_guard,
            "logit_bias": read_logit_bias(self.logit_bias or {}, vocab_size),
            "seed": self.seed,
            "stop": tuple(self.stop or ()),
            "stop_token_ids": self._stop_token_ids(vocab_size),
            "ignore_eos": self.ignore_eos,
            **more,
        }
        return SamplingParams(**{name: value for name, value in given.items() if value is not None})

    def _stop_token_ids(self, vocab_size: int) -> tuple[int, ...]:
        for token_id in self.stop_token_ids or ():
            if not 0 <= token_id < vocab_size:
                raise InvalidRequest(
                    f"stop_token_ids: {token_id} is outside [0, {vocab_size})", param="stop_token_ids"
                )
        return tuple(self.stop_token_ids or ())


class SamplingFields(CommonSampling):
    """The wishes of a chat."""

    max_completion_tokens: TokenLimit = None
    max_tokens: TokenLimit = None
    max_output_tokens: TokenLimit = None
    logprobs: bool | None = None
    top_logprobs: Integer | None = Field(default=None, ge=0, le=20)

    def sampling(
        self, settings: ServerSettings, vocab_size: int, thinking_token_budget: int | None
    ) -> SamplingParams:
        """The wishes, with the server's defaults where the request is silent. Raises InvalidRequest."""
        return self.params(
            settings,
            vocab_size,
            max_tokens=self.token_limit,
            logprobs=self._num_logprobs(),
            thinking_token_budget=thinking_token_budget,
        )

    @property
    def token_limit(self) -> int | None:
        """Most tokens of an answer, its thinking included; None = as many as fit."""
        given = (self.max_completion_tokens, self.max_tokens, self.max_output_tokens)
        limit = next((limit for limit in given if limit is not None), None)
        return None if limit == AS_MUCH_AS_FITS else limit

    def _num_logprobs(self) -> int | None:
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs:
            raise InvalidRequest(
                f"top_logprobs: {self.top_logprobs} needs logprobs; send logprobs: true with it",
                param="top_logprobs",
            )
        return None


def read_logit_bias(given: Mapping[str, float], vocab_size: int) -> tuple[tuple[int, float], ...]:
    """(token id, bias) of each entry. Raises InvalidRequest for a key that is no id below `vocab_size`."""
    bias: dict[int, float] = {}
    for key, value in given.items():
        # By length first: int() of a million digits takes its time.
        token_id = int(key) if key.isascii() and key.isdigit() and len(key) <= 10 else vocab_size
        if token_id >= vocab_size:
            raise InvalidRequest(
                f"logit_bias: the key {shown(key)} is not a token id; keys are ids in [0, {vocab_size}) as "
                "strings",
                param="logit_bias",
            )
        bias[token_id] = value
    return tuple(bias.items())
