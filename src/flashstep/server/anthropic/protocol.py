"""The bodies of `POST /v1/messages` and `/v1/messages/count_tokens`, read into our own types.

Every error is an InvalidRequest that names the field (`messages[2].content[0].text`), its value and what
was expected; ranges of sampling fields live in `SamplingParams`. null means "not given" everywhere.
Bookkeeping (metadata, cache_control, betas, service_tier, context_management, ...) is ignored, what nobody
knows with a log line; what other forms call otherwise is refused. Form: Anthropic's MessageCreateParams.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from flashstep.errors import InvalidRequest
from flashstep.server.anthropic.blocks import READABLE
from flashstep.server.anthropic.conversation import (
    WireMessage,
    check_open_turn,
    conversation,
    system_text,
)
from flashstep.server.anthropic.thinking import Display, ThinkingWish, display_of, warnings_of
from flashstep.server.anthropic.tools import Choice, ToolChoice, WireTool, choose
from flashstep.server.chat_completions.thinking import hidden_thinking_budget
from flashstep.server.chat_completions.tool_choice import with_schema
from flashstep.server.fields import (
    GUIDED,
    UNKNOWN_TO_THE_ENGINE,
    Refusal,
    log_unknown,
    refuse_unsupported,
)
from flashstep.server.generation import Generation
from flashstep.server.settings import ServerSettings
from flashstep.server.validation import Integer, ListOf, complaint, invalid_request
from flashstep.types import Message, SamplingParams, Tool

_FORMAT = "output_config.format"
_CHAT_ONLY = "this form has no such field; send the request to /v1/chat/completions"
_NAMED_FORMAT = Refusal(({"type": "text"},), f"here it is called {_FORMAT}")
_LIMIT = Refusal((), "here it is called max_tokens")
_THINKING = Refusal((), "send thinking: {'type': 'enabled', 'budget_tokens': ...}")
# Fields of the other forms; ignoring one of these would change the answer behind the caller's back.
REFUSED: Mapping[str, Refusal] = {
    "max_completion_tokens": _LIMIT,
    "max_output_tokens": _LIMIT,
    "stop": Refusal(([],), "here it is called stop_sequences"),
    "response_format": _NAMED_FORMAT,
    **{name: _NAMED_FORMAT for name in GUIDED},
    "functions": Refusal(([],), "send tools instead"),
    "function_call": Refusal(("auto", "none"), "send tools and tool_choice instead"),
    "parallel_tool_calls": Refusal((True,), "send tool_choice.disable_parallel_tool_use"),
    **{
        name: _THINKING
        for name in (
            "enable_thinking",
            "include_reasoning",
            "reasoning",
            "reasoning_effort",
            "reasoning_format",
            "thinking_token_budget",
        )
    },
    "chat_template_kwargs": Refusal(({},), _THINKING.advice),
    "n": Refusal((1,), _CHAT_ONLY),
    "seed": Refusal((), _CHAT_ONLY),
    "min_p": Refusal((0,), _CHAT_ONLY),
    "frequency_penalty": Refusal((0,), _CHAT_ONLY),
    "presence_penalty": Refusal((0,), _CHAT_ONLY),
    "repetition_penalty": Refusal((1,), _CHAT_ONLY),
    "logit_bias": Refusal(({},), _CHAT_ONLY),
    "logprobs": Refusal((False,), _CHAT_ONLY),
    "top_logprobs": Refusal((0,), _CHAT_ONLY),
    "stop_token_ids": Refusal(([],), _CHAT_ONLY),
    "repetition_guard": Refusal((True,), _CHAT_ONLY),
    "ignore_eos": Refusal((False,), _CHAT_ONLY),
    "min_tokens": Refusal((0,), "leave it out"),
    **{name: Refusal(each.off_values, "leave it out") for name, each in UNKNOWN_TO_THE_ENGINE.items()},
}
# Bookkeeping that cannot change an answer.
_HARMLESS = frozenset(
    {
        "betas",
        "cache_control",
        "container",
        "context_management",
        "diagnostics",
        "inference_geo",
        "speed",
    }
)


class OutputFormat(BaseModel):
    """`output_config.format`: the answer is a value of this JSON schema."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: Literal["json_schema"]
    definition: dict[str, Any] = Field(alias="schema")


class OutputConfig(BaseModel):
    """`output_config`. An effort is taken and changes nothing: this model has no levels of it."""

    model_config = ConfigDict(strict=True, extra="ignore")

    effort: str | None = None
    format: OutputFormat | None = None

    def warnings(self) -> tuple[str, ...]:
        """What is taken but changes nothing."""
        told = "output_config.effort has no effect: this model has no levels of effort"
        return () if self.effort is None else (told,)


class CountRequest(BaseModel):
    """What makes up a prompt; `model_extra` holds the fields that do not."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    messages: ListOf[WireMessage] = Field(min_length=1)
    system: str | None = None
    tools: ListOf[WireTool] | None = None
    tool_choice: ToolChoice | None = None
    mcp_servers: list[Any] | None = None

    @field_validator("system", mode="before")
    @classmethod
    def _join_blocks(cls, value: object) -> object:
        return system_text(value)

    @field_validator("mcp_servers", mode="after")
    @classmethod
    def _refuse_servers(cls, value: list[Any] | None) -> list[Any] | None:
        if value:
            raise complaint("no MCP server is called from here; call it yourself and send its tools instead")
        return value


class MessagesRequest(CountRequest):
    """The honoured fields."""

    max_tokens: Integer = Field(ge=1)
    stream: bool | None = None
    stop_sequences: ListOf[Annotated[str, Field(min_length=1)]] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Integer | None = None
    thinking: ThinkingWish | None = None
    output_config: OutputConfig | None = None

    def sampling(self, settings: ServerSettings) -> SamplingParams:
        """The wishes for choosing tokens, with the server's defaults where the request is silent."""
        if_disabled = hidden_thinking_budget(settings, self.max_tokens)
        return SamplingParams(
            temperature=self.temperature if self.temperature is not None else settings.temperature,
            top_p=self.top_p if self.top_p is not None else settings.top_p,
            top_k=0 if self.top_k in (None, -1) else self.top_k,  # -1 is vLLM's spelling of "off"
            max_tokens=self.max_tokens,
            stop=tuple(self.stop_sequences or ()),
            # No wish is the wish to see none.
            thinking_token_budget=self.thinking.token_budget(if_disabled) if self.thinking else if_disabled,
        )

    def json_schema(self, settings: ServerSettings) -> dict[str, Any] | None:
        """The schema of the answer, None = free text. Raises InvalidRequest when JSON mode is off."""
        wish = self.output_config.format if self.output_config else None
        if wish is None:
            return None
        if not settings.json_mode:
            raise InvalidRequest(
                f"{_FORMAT}: 'json_schema' needs JSON mode, which is off on this server; start it "
                "with --json-mode on, or leave the format out and ask for JSON in the prompt",
                param=_FORMAT,
                code="unsupported_parameter",
            )
        return wish.definition


@dataclass(frozen=True, slots=True)
class MessagesWish:
    """A checked request. `warnings` are ASCII sentences for the response header."""

    generation: Generation
    display: Display
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CountWish:
    """A prompt to be counted."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]


def parse_messages(raw: dict[str, Any], settings: ServerSettings) -> MessagesWish:
    """Check a request body. Raises InvalidRequest naming the field."""
    refuse_unsupported(raw, REFUSED, by="/v1/messages")
    request = _validated(MessagesRequest, raw)
    log_unknown(set(request.model_extra or ()) - _HARMLESS - REFUSED.keys())
    choice = _choice(request)
    messages = conversation(request.system, request.messages)
    check_open_turn(request.messages)
    generation = Generation(
        endpoint="messages",
        model=request.model,
        messages=messages,
        tools=choice.tools,
        params=request.sampling(settings),
        rule=with_schema(choice.rule, request.json_schema(settings), _FORMAT),
        stream=bool(request.stream),
        id_prefix="msg_",
    )
    effort = request.output_config.warnings() if request.output_config else ()
    warnings = (*warnings_of(request.thinking), *effort, *choice.warnings)
    return MessagesWish(generation, display_of(request.thinking), warnings)


def parse_count(raw: dict[str, Any]) -> CountWish:
    """Check a body of count_tokens. Raises InvalidRequest naming the field."""
    request = _validated(CountRequest, raw)
    messages = conversation(request.system, request.messages)
    return CountWish(request.model, messages, _choice(request).tools)


def _choice(request: CountRequest) -> Choice:
    return choose(request.tools or [], request.tool_choice)


_R = TypeVar("_R", bound=BaseModel)


def _validated(form: type[_R], raw: dict[str, Any]) -> _R:
    try:
        return form.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error, tags=READABLE) from error
