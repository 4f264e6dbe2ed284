"""The body of `POST /v1/chat/completions`, read into our own types.

Every error is an InvalidRequest that names the field (`messages[2].content`), its value and what
was expected. `fields.py` lists what is refused or ignored; `sampling.py`, `thinking.py`,
`tool_choice.py` and `response_format.py` are the parts of a request that mean something together.
null means "not given" everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flashstep.errors import InvalidRequest
from flashstep.server.chat_completions.messages import WireMessage, WireTool
from flashstep.server.chat_completions.response_format import ResponseFormat
from flashstep.server.chat_completions.thinking import ThinkingFields
from flashstep.server.chat_completions.tool_choice import ToolChoice, WireToolChoice, with_schema
from flashstep.server.chat_completions.wire import AnswerStyle
from flashstep.server.fields import REFUSED, first_repeated, log_unknown, refuse_unsupported, shown
from flashstep.server.generation import Generation
from flashstep.server.sampling import SamplingFields
from flashstep.server.settings import ServerSettings
from flashstep.server.validation import Integer, ListOf, invalid_request
from flashstep.types import AnswerRule, Tool


class StreamOptions(BaseModel):
    """Options of a streamed answer. `continuous_usage_stats` is vLLM's: running counts on each chunk."""

    model_config = ConfigDict(strict=True, extra="ignore")

    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class ChatRequest(SamplingFields, ThinkingFields):
    """The honoured fields; `model_extra` holds the others."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    messages: ListOf[WireMessage] = Field(min_length=1)
    n: Integer | None = Field(default=None, ge=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: ListOf[WireTool] | None = None
    tool_choice: WireToolChoice = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    verbosity: str | None = None


@dataclass(frozen=True, slots=True)
class ChatWish:
    """A checked request: what to generate and how to write it. `warnings` are ASCII sentences for the
    response header."""

    generation: Generation
    style: AnswerStyle
    warnings: tuple[str, ...]


def parse_chat(raw: dict[str, Any], settings: ServerSettings, vocab_size: int) -> ChatWish:
    """Check a request body; token ids must lie below `vocab_size`. Raises InvalidRequest naming the field."""
    refuse_unsupported(raw)
    try:
        request = ChatRequest.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error) from error
    log_unknown(set(request.model_extra or ()) - REFUSED.keys())
    tools, rule = _tools_and_rule(request, raw, settings)
    thinking = request.thinking_wish(settings, request.token_limit)
    verbosity = ("verbosity has no effect: this model has no levels of it",) if request.verbosity else ()
    generation = Generation(
        endpoint="chat.completions",
        model=request.model,
        messages=tuple(message.to_message() for message in request.messages),
        tools=tools,
        rule=rule,
        params=request.sampling(settings, vocab_size, thinking.token_budget),
        n=_num_choices(request, settings),
        stream=bool(request.stream),
    )
    options = request.stream_options or StreamOptions()
    style = AnswerStyle(
        reasoning_fields=thinking.reasoning_fields,
        has_logprobs=bool(request.logprobs),
        include_usage=bool(options.include_usage),
        continuous_usage=bool(options.continuous_usage_stats),
    )
    return ChatWish(generation, style, (*thinking.warnings, *verbosity))


def _num_choices(request: ChatRequest, settings: ServerSettings) -> int:
    n = request.n or 1
    if n > settings.max_choices:
        raise InvalidRequest(
            f"n: {n} is more than the {settings.max_choices} answers that one request may ask for here; send "
            "several requests",
            param="n",
        )
    return n


def _tools_and_rule(
    request: ChatRequest, raw: dict[str, Any], settings: ServerSettings
) -> tuple[tuple[Tool, ...], AnswerRule]:
    choice = request.tool_choice or ToolChoice()
    is_parallel = request.parallel_tool_calls is not False
    tools, rule = choice.apply(_tools(request.tools or (), raw), is_parallel=is_parallel)
    schema = request.response_format.schema_of_answer(settings) if request.response_format else None
    return tools, with_schema(rule, schema, "response_format")


def _tools(declared: Sequence[WireTool], raw: dict[str, Any]) -> tuple[Tool, ...]:
    names = [tool.function.name for tool in declared]
    if (index := first_repeated(names)) is not None:
        raise InvalidRequest(
            f"tools[{index}].function.name: {shown(names[index])} is declared twice; names must differ",
            param=f"tools[{index}].function.name",
        )
    return tuple(tool.to_tool(wire) for tool, wire in zip(declared, raw.get("tools") or (), strict=True))
