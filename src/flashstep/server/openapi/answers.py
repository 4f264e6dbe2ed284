"""What answers look like, for the document only: the writers build plain dicts.

Every member that a model lists without default is always there. Answers may have further members.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class ErrorBody(_Answer):
    """What went wrong, in words for people and codes for programs."""

    message: str
    type: str
    param: str | None = Field(description="The field of the request that is to blame.")
    code: str | None
    trace_id: str = Field(pattern="^[0-9a-f]{32}$")


class Error(_Answer):
    """The body of every answer that is not a success."""

    error: ErrorBody


class PromptTokensDetails(_Answer):
    """Where prompt tokens came from."""

    cached_tokens: int = Field(ge=0)


class CompletionTokensDetails(_Answer):
    """What completion tokens were used for."""

    reasoning_tokens: int = Field(ge=0)


class UsageCounts(_Answer):
    """Token counts; `cached_tokens` stands at both places where clients look for it."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)
    cached_tokens: int = Field(ge=0)
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class CalledFunction(_Answer):
    """What is to be called; the arguments are the JSON text of an object."""

    name: str
    arguments: str


class Call(_Answer):
    """A call that the model asks for."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AnswerMessage(_Answer):
    """The assistant's turn. The reasoning is under one of the two names, or left out."""

    role: Literal["assistant"]
    content: str | None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[Call] | None = None


class ChatChoice(_Answer):
    """One answer."""

    index: int = Field(ge=0)
    message: AnswerMessage
    finish_reason: Literal["stop", "length", "tool_calls"]


class ChatCompletion(_Answer):
    """The whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: UsageCounts


class ChatChunkChoice(_Answer):
    """The next piece of one answer."""

    index: int = Field(ge=0)
    delta: dict[str, Any]
    finish_reason: str | None


class ChatCompletionChunk(_Answer):
    """One `data:` line of the stream, which ends with `data: [DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChatChunkChoice]


class TextLogprobs(_Answer):
    """Four parallel lists, an entry a token; the first token of an echoed prompt has no score."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(_Answer):
    """One continuation, or in a stream its next piece (whose finish_reason is null but in the last)."""

    text: str
    index: int = Field(ge=0)
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length"] | None
    stop_reason: str | None = Field(description="The stop string that matched, or `repetition`.")


class TextCompletion(_Answer):
    """Continuations of all prompts."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    trace_id: str
    choices: list[TextChoice]
    usage: UsageCounts


class TextCompletionChunk(_Answer):
    """One `data:` line of the stream, which ends with `data: [DONE]`."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]


class TokenTotal(_Answer):
    """How many tokens."""

    total_tokens: int = Field(ge=0)


class TokenCount(_Answer):
    """The length of a conversation's prompt."""

    data: TokenTotal


class Tokenized(_Answer):
    """Token ids, and the tokens as text if they were asked for."""

    count: int = Field(ge=0)
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class Detokenized(_Answer):
    """The text of token ids."""

    prompt: str


class ModelEntry(_Answer):
    """A name under which the loaded model answers; `root` is the name of its weights."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    context_length: int


class ModelList(_Answer):
    """All names."""

    object: Literal["list"]
    data: list[ModelEntry]


class Status(_Answer):
    """Who answers a probe."""

    status: Literal["ok", "ready"]
    model: str


class Document(_Answer):
    """An OpenAPI 3.1 document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class ResponseObject(_Answer):
    """A whole response of the Responses format."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete"]
    model: str
    output: list[dict[str, Any]]
    usage: dict[str, Any]
    incomplete_details: dict[str, Any] | None
    trace_id: str


class ResponseEvent(_Answer):
    """One `data:` line of the stream; `type` repeats the event's name."""

    type: str
    sequence_number: int


class AnthropicMessage(_Answer):
    """A whole answer of the Messages format."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[dict[str, Any]]
    stop_reason: str
    stop_sequence: str | None
    usage: dict[str, Any]


class AnthropicEvent(_Answer):
    """One `data:` line of the stream; `type` repeats the event's name."""

    type: str


class InputTokens(_Answer):
    """The length of a conversation's prompt in the Messages format."""

    input_tokens: int = Field(ge=0)


class AnthropicErrorBody(_Answer):
    """What went wrong."""

    type: str
    message: str


class AnthropicError(_Answer):
    """The body of an answer that is not a success, in the Messages format."""

    type: Literal["error"]
    error: AnthropicErrorBody
