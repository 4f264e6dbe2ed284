"""The body of `POST /v1/chat/completions`, read into our own types.

Every error is an InvalidRequest that names the field (`messages[2].content`), its value and what
was expected. `server/fields.py` lists what is refused or ignored; ranges of sampling fields live
in `SamplingParams`. null means "not given" everywhere. Field names and forms are OpenAI's, plus
those of the hosted service (`reasoning_format`) and of vLLM (`top_k`, `min_p`,
`repetition_penalty`, `include_reasoning`).
"""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from flashstep.errors import InvalidRequest
from flashstep.server.fields import log_unknown, note_thinking, refuse_unsupported, shown
from flashstep.server.generation import Generation
from flashstep.server.messages import WireMessage, WireTool
from flashstep.server.settings import ServerSettings
from flashstep.server.validation import invalid_request
from flashstep.types import SamplingParams, Tool

_SEED_LIMIT = 1 << 63


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    model_config = ConfigDict(strict=True, extra="ignore")

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """The honoured fields; `model_extra` holds the others."""

    model_config = ConfigDict(strict=True, extra="allow")

    model: str
    messages: list[WireMessage] = Field(min_length=1)
    tools: list[WireTool] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = Field(default=None, ge=-_SEED_LIMIT, lt=_SEED_LIMIT)
    stop: list[str] | None = None
    max_completion_tokens: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_output_tokens: int | None = Field(default=None, ge=1)
    reasoning_format: Literal["general", "deepseek-style"] | None = None
    include_reasoning: bool | None = None

    @field_validator("stop", mode="before")
    @classmethod
    def _one_stop(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    def sampling(self, settings: ServerSettings) -> SamplingParams:
        """The wishes for choosing tokens, with the server's defaults where the request is silent."""
        given: dict[str, Any] = {
            "temperature": self.temperature if self.temperature is not None else settings.temperature,
            "top_p": self.top_p if self.top_p is not None else settings.top_p,
            "top_k": 0 if self.top_k == -1 else self.top_k,  # -1 is vLLM's spelling of "off"
            "min_p": self.min_p,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "max_tokens": self.max_completion_tokens or self.max_tokens or self.max_output_tokens,
            "stop": tuple(self.stop or ()),
        }
        return SamplingParams(**{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True)
class ChatWish:
    """A checked request. `reasoning_field` is the name under which reasoning goes out, None = hidden.
    `warnings` are ASCII sentences for the response header."""

    generation: Generation
    include_usage: bool
    reasoning_field: str | None
    warnings: tuple[str, ...]


def parse_chat(raw: dict[str, Any], settings: ServerSettings) -> ChatWish:
    """Check a request body. Raises InvalidRequest naming the field."""
    refuse_unsupported(raw)
    try:
        request = ChatRequest.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error) from error
    thinking = note_thinking(raw)
    log_unknown(set(request.model_extra or ()))
    tools, warnings = _tools(request, raw)
    options = request.stream_options
    generation = Generation(
        endpoint="chat.completions",
        model=request.model,
        messages=tuple(message.to_message() for message in request.messages),
        tools=tools,
        params=request.sampling(settings),
        stream=bool(request.stream),
    )
    return ChatWish(
        generation=generation,
        include_usage=bool(options and options.include_usage),
        reasoning_field=_reasoning_field(request, thinking.hide),
        warnings=(*thinking.warnings, *warnings),
    )


def _reasoning_field(request: ChatRequest, hide: bool) -> str | None:
    included = not hide if request.include_reasoning is None else request.include_reasoning
    if not included:
        return None
    return "reasoning_content" if request.reasoning_format == "deepseek-style" else "reasoning"


def _tools(request: ChatRequest, raw: dict[str, Any]) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    # Under tool_choice none the model is not shown the tools, so it cannot call one.
    if not request.tools or request.tool_choice == "none":
        return (), ()
    names = [tool.function.name for tool in request.tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise InvalidRequest(
                f"tools[{index}].function.name: {shown(name)} is declared twice; names must differ",
                param=f"tools[{index}].function.name",
            )
    tools = tuple(tool.to_tool(wire) for tool, wire in zip(request.tools, raw["tools"], strict=True))
    if any(tool.function.strict for tool in request.tools):
        return tools, ("strict has no effect: arguments are not forced to follow the schema",)
    return tools, ()
