"""The body of `POST /v1/responses`, read into our own types.

Every error is an InvalidRequest that names the field, its value and what was expected. Nothing is stored
between requests: what would need an earlier response is refused, `store` is taken and answered false.
null means "not given" everywhere. Field names are OpenAI's; those of `sampling.py`, `include_reasoning` and
`thinking_token_budget` are as in our chat completions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from flashstep.server.chat_completions.thinking import hidden_thinking_budget
from flashstep.server.chat_completions.tool_choice import with_schema
from flashstep.server.fields import GUIDED, Refusal, log_unknown, refuse_unsupported
from flashstep.server.fields import REFUSED as IN_CHATS
from flashstep.server.generation import Generation
from flashstep.server.responses.items import conversation
from flashstep.server.responses.output_wish import ReasoningWish, TextWish
from flashstep.server.responses.tools import ToolSet, read_choice, tool_set
from flashstep.server.sampling import AS_MUCH_AS_FITS, CommonSampling, TokenLimit
from flashstep.server.settings import ServerSettings
from flashstep.server.validation import Integer, ListOf, MapOf, check_finite, invalid_request
from flashstep.types import SamplingParams

_LOGPROBS = "message.output_text.logprobs"
_STATELESS = "nothing is stored here between requests; send the whole conversation as input"

_FORMAT = "here it is called text.format, of type json_schema"
_THINKING = "send reasoning: {'effort': 'none'} for no reasoning, thinking_token_budget for less"

# Ignoring one of these would change the answer behind the caller's back.
REFUSED: Mapping[str, Refusal] = {
    **IN_CHATS,
    "previous_response_id": Refusal((), _STATELESS),
    "conversation": Refusal((), _STATELESS),
    "background": Refusal((False,), "the answer comes in this very response; leave it out"),
    "prompt": Refusal((), "there are no stored prompts here; send instructions and input"),
    "n": Refusal((1,), "a response holds one answer; send the request several times"),
    "best_of": Refusal((1,), "a response holds one answer; send the request several times"),
    "response_format": Refusal((), "here it is called text.format"),
    **{name: Refusal((), _FORMAT) for name in GUIDED},
    "max_tokens": Refusal((-1,), "here it is called max_output_tokens"),
    "max_completion_tokens": Refusal((-1,), "here it is called max_output_tokens"),
    "logprobs": Refusal((False,), "here it is called top_logprobs"),
    "reasoning_effort": Refusal((), "here it is called reasoning.effort"),
    "reasoning_format": Refusal((), "reasoning is an item of the output; leave it out"),
    "thinking": Refusal((), _THINKING),
    "enable_thinking": Refusal((True,), _THINKING),
    "chat_template_kwargs": Refusal(({},), _THINKING),
}
# May hold any JSON, and the response repeats it.
_ECHOED = ("tools", "tool_choice", "text")
# Bookkeeping that cannot change an answer.
_HARMLESS = frozenset(
    {
        "client_metadata",
        "context_management",
        "max_tool_calls",
        "prompt_cache_options",
        "prompt_cache_retention",
        "stream_options",
        "truncation",
    }
)


class ResponsesRequest(CommonSampling):
    """The honoured and the repeated fields; `model_extra` holds the others."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    input: Any = None
    instructions: str | None = None
    tools: ListOf[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    max_output_tokens: TokenLimit = None
    top_logprobs: Integer | None = None
    include: ListOf[str] | None = None
    include_reasoning: bool | None = None
    thinking_token_budget: Integer | None = Field(default=None, ge=0)
    reasoning: ReasoningWish | None = None
    text: TextWish | None = None
    store: bool | None = None
    metadata: MapOf[str] | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    user: str | None = None

    def sampling(self, settings: ServerSettings, vocab_size: int) -> SamplingParams:
        """The wishes for choosing tokens, with the server's defaults where the request is silent."""
        wants_logprobs = _LOGPROBS in (self.include or ()) or bool(self.top_logprobs)
        return self.params(
            settings,
            vocab_size,
            max_tokens=self.token_limit,
            logprobs=(self.top_logprobs or 0) if wants_logprobs else None,
            thinking_token_budget=self._thinking_budget(settings),
        )

    @property
    def token_limit(self) -> int | None:
        """Most tokens of an answer, its thinking included; None = as many as fit."""
        return None if self.max_output_tokens == AS_MUCH_AS_FITS else self.max_output_tokens

    def _thinking_budget(self, settings: ServerSettings) -> int | None:
        if self.thinking_token_budget is not None or self.reasoning is None:
            return self.thinking_token_budget
        if self.reasoning.token_budget is None and self.reasoning.asks_for_none:
            return hidden_thinking_budget(settings, self.token_limit)
        return self.reasoning.token_budget


@dataclass(frozen=True, slots=True)
class ResponseStyle:
    """What the writer must know: whether reasoning goes out, which tools take free text, and the members
    of the response object that repeat the request."""

    shows_reasoning: bool
    custom_names: frozenset[str]
    echo: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ResponseWish:
    """A checked request. `warnings` are ASCII sentences for the response header."""

    generation: Generation
    style: ResponseStyle
    warnings: tuple[str, ...]


def parse_response(raw: dict[str, Any], settings: ServerSettings, vocab_size: int) -> ResponseWish:
    """Check a request body. Raises InvalidRequest naming the field."""
    refuse_unsupported(raw, REFUSED, by="/v1/responses")
    try:
        request = ResponsesRequest.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error) from error
    log_unknown(set(request.model_extra or ()) - _HARMLESS - REFUSED.keys())
    for field in _ECHOED:
        check_finite(field, raw.get(field))
    declared = tool_set(request.tools or [])
    tools, rule = read_choice(request.tool_choice).apply(
        declared.tools, is_parallel=request.parallel_tool_calls is not False
    )
    text = request.text or TextWish()
    schema = text.format.json_schema(settings.json_mode)
    generation = Generation(
        endpoint="responses",
        model=request.model,
        messages=conversation(request.input, request.instructions),
        tools=tools,
        params=request.sampling(settings, vocab_size),
        rule=with_schema(rule, schema, "text.format"),
        stream=bool(request.stream),
        id_prefix="resp_",
    )
    reasoning = request.reasoning or ReasoningWish()
    shows_reasoning = not reasoning.is_hidden
    if request.include_reasoning is not None:
        shows_reasoning = request.include_reasoning
    return ResponseWish(
        generation=generation,
        style=ResponseStyle(
            shows_reasoning, declared.custom_names, _echo(request, declared, generation.params)
        ),
        warnings=(*declared.warnings, *reasoning.warnings(), *text.warnings(), *_truncation_warning(raw)),
    )


def _truncation_warning(raw: Mapping[str, Any]) -> tuple[str, ...]:
    if raw.get("truncation") != "auto":
        return ()
    return ("truncation auto has no effect: input that does not fit is answered with an error",)


def _echo(request: ResponsesRequest, declared: ToolSet, params: SamplingParams) -> dict[str, Any]:
    """How the response object repeats the request: what was in effect, not what was asked."""
    reasoning = request.reasoning or ReasoningWish()
    return {
        "background": False,
        "conversation": None,
        "frequency_penalty": params.frequency_penalty,
        "instructions": request.instructions,
        "max_output_tokens": request.token_limit,
        "max_tool_calls": None,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "presence_penalty": params.presence_penalty,
        "previous_response_id": None,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": reasoning.effort, "summary": None},
        "safety_identifier": request.safety_identifier,
        "service_tier": "default",
        "store": False,
        "temperature": params.temperature,
        "text": (request.text or TextWish()).echo(),
        "tool_choice": "auto" if request.tool_choice is None else request.tool_choice,
        "tools": list(declared.wire),
        "top_logprobs": request.top_logprobs or 0,
        "top_p": params.top_p,
        "truncation": "disabled",
        "user": request.user,
    }
