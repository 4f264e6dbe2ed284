"""The body of `POST /v1/completions`, read into our own types.

Field names and forms are OpenAI's legacy ones, plus those of `sampling.py`. null means "not given"
everywhere. The model continues the prompt as it stands, without template and reasoning; text that
spells a control token is that token.

`max_tokens` 0 only scores the prompt: one token is computed, because the engine makes at least one,
and dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from flashstep.errors import InvalidRequest
from flashstep.server.completions.prompt import SCHEMA, Prompt, read_prompts
from flashstep.server.fields import GUIDED, UNKNOWN_TO_THE_ENGINE, Refusal, log_unknown, refuse_unsupported
from flashstep.server.generation import Generation
from flashstep.server.sampling import AS_MUCH_AS_FITS, CommonSampling
from flashstep.server.settings import ServerSettings
from flashstep.server.validation import Integer, invalid_request
from flashstep.types import SamplingParams

DEFAULT_MAX_TOKENS = 16

_CHAT_ONLY = "a raw prompt is continued freely; send messages to /v1/chat/completions"
_FREE = "a raw prompt is continued freely; leave it out and ask for the form in the prompt"
# Ignoring one of these would change the answer behind the caller's back.
REFUSED: Mapping[str, Refusal] = {
    "suffix": Refusal(("",), "text is continued, not filled in; put everything into prompt"),
    "response_format": Refusal(({"type": "text"},), _CHAT_ONLY),
    "messages": Refusal(([],), _CHAT_ONLY),
    "tools": Refusal(([],), _CHAT_ONLY),
    "tool_choice": Refusal(("auto", "none"), _CHAT_ONLY),
    "functions": Refusal(([],), _CHAT_ONLY),
    "function_call": Refusal(("auto", "none"), _CHAT_ONLY),
    **{name: Refusal((), _FREE) for name in GUIDED},
    "continue_final_message": Refusal((False,), "the prompt is continued as it stands; leave it out"),
    "modalities": Refusal((["text"], []), "this model reads and writes text only"),
    "use_beam_search": Refusal((False,), "leave it out"),
    "max_completion_tokens": Refusal((), "here it is called max_tokens"),
    "max_output_tokens": Refusal((), "here it is called max_tokens"),
    **UNKNOWN_TO_THE_ENGINE,
    "min_tokens": Refusal((0,), "leave it out, or send ignore_eos with max_tokens"),
}
_HARMLESS = frozenset({"add_special_tokens"})

Prompts = Annotated[tuple[Prompt, ...], PlainValidator(read_prompts), WithJsonSchema(SCHEMA)]


class CompletionStreamOptions(BaseModel):
    """Options of a streamed answer. `continuous_usage_stats` is vLLM's: running counts on each chunk."""

    model_config = ConfigDict(strict=True, extra="ignore")

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class CompletionRequest(CommonSampling):
    """The honoured fields; `model_extra` holds the others."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    prompt: Prompts
    n: Integer | None = Field(default=None, ge=1)
    best_of: Integer | None = Field(default=None, ge=1)
    echo: bool | None = None
    logprobs: Integer | None = Field(default=None, ge=0, le=20)
    max_tokens: Integer | None = Field(default=None, ge=-1, le=1 << 31)
    stream: bool | None = None
    stream_options: CompletionStreamOptions | None = None

    def sampling(self, settings: ServerSettings, vocab_size: int) -> SamplingParams:
        """The wishes for choosing tokens. Raises InvalidRequest."""
        max_tokens: int | None = DEFAULT_MAX_TOKENS if self.max_tokens is None else max(1, self.max_tokens)
        if self.max_tokens == AS_MUCH_AS_FITS:
            max_tokens = None
        return self.params(
            settings,
            vocab_size,
            max_tokens=max_tokens,
            logprobs=self.logprobs,
            prompt_logprobs=self.logprobs if self.echo else None,
        )


@dataclass(frozen=True, slots=True)
class CompletionWish:
    """A checked request: one generation for each prompt, all with the same wishes.

    echo: the prompt begins each answer. score_only: nothing that was generated goes out.
    """

    generations: tuple[Generation, ...]
    echo: bool
    score_only: bool
    include_usage: bool
    continuous_usage: bool

    @property
    def n(self) -> int:
        """Answers to each prompt."""
        return self.generations[0].n

    @property
    def stream(self) -> bool:
        """Whether the answer goes out in pieces."""
        return self.generations[0].stream


def parse_completion(raw: dict[str, Any], settings: ServerSettings, vocab_size: int) -> CompletionWish:
    """Check a request body; token ids must lie below `vocab_size`. Raises InvalidRequest naming the field."""
    refuse_unsupported(raw, REFUSED, by="/v1/completions")
    try:
        request = CompletionRequest.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error) from error
    log_unknown(set(request.model_extra or ()) - _HARMLESS - REFUSED.keys())
    n = request.n or 1
    if n > settings.max_choices:
        raise InvalidRequest(
            f"n: {n} is more than the {settings.max_choices} answers that one prompt may have here; send "
            "several requests",
            param="n",
        )
    if request.best_of is not None and request.best_of != n:
        raise InvalidRequest(
            f"best_of: {request.best_of} is not n ({n}); all answers are returned, none are held back: "
            "leave it out",
            param="best_of",
        )
    _check_token_ids(request.prompt, vocab_size)
    params = request.sampling(settings, vocab_size)
    options = request.stream_options
    return CompletionWish(
        generations=tuple(
            Generation(
                endpoint="completions",
                model=request.model,
                prompt=prompt,
                params=params,
                n=n,
                stream=bool(request.stream),
                id_prefix="cmpl-",
            )
            for prompt in request.prompt
        ),
        echo=bool(request.echo),
        score_only=request.max_tokens == 0,
        include_usage=bool(options and options.include_usage),
        continuous_usage=bool(options and options.continuous_usage_stats),
    )


def _check_token_ids(prompts: Sequence[Prompt], vocab_size: int) -> None:
    for index, prompt in enumerate(prompts):
        highest = -1 if isinstance(prompt, str) else max(prompt)
        if highest >= vocab_size:
            where = f"prompt[{index}]" if len(prompts) > 1 else "prompt"
            raise InvalidRequest(f"{where}: token id {highest} is outside [0, {vocab_size})", param="prompt")
