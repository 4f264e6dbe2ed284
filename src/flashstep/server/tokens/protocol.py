"""The bodies of the token endpoints.

`/v1/token/count` is the hosted service's; `/tokenize` and `/detokenize` are vLLM's. null means
"not given" everywhere.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flashstep.errors import InvalidRequest
from flashstep.server.chat_completions.messages import WireMessage, WireTool
from flashstep.server.fields import REFUSED, log_unknown, refuse_unsupported
from flashstep.server.validation import Integer, ListOf, invalid_request
from flashstep.types import Message, Tool

# Ignoring one of these would change the count behind the caller's back.
_REFUSED = {name: REFUSED[name] for name in ("continue_final_message", "chat_template")}


class _TokenRequest(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class TokenCountRequest(_TokenRequest):
    """A conversation whose prompt is to be measured."""

    model: str
    messages: ListOf[WireMessage] = Field(min_length=1)
    tools: ListOf[WireTool] | None = None


class TokenizeRequest(_TokenRequest):
    """A text, or a conversation; exactly one of them.

    add_special_tokens: whether text that spells a control token becomes that token, as it does in
    `/v1/completions`; nothing is ever put in front. add_generation_prompt: whether a conversation ends with
    the beginning of an answer, as in every prompt.
    """

    model: str | None = None
    prompt: str | None = None
    messages: ListOf[WireMessage] | None = Field(default=None, min_length=1)
    tools: ListOf[WireTool] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    return_token_strs: bool | None = None


class DetokenizeRequest(_TokenRequest):
    """Token ids to be spelled out."""

    model: str | None = None
    tokens: ListOf[Integer]


def parse_count(raw: dict[str, Any]) -> TokenCountRequest:
    """Check the body of a count. Raises InvalidRequest naming the field."""
    refuse_unsupported(raw, _REFUSED, by="/v1/token/count")
    try:
        request = TokenCountRequest.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error) from error
    log_unknown(set(request.model_extra or ()) - _REFUSED.keys())
    return request


def parse_tokenize(raw: dict[str, Any]) -> TokenizeRequest:
    """Check the body of /tokenize. Raises InvalidRequest naming the field."""
    refuse_unsupported(raw, _REFUSED, by="/tokenize")
    try:
        request = TokenizeRequest.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error) from error
    if (request.prompt is None) == (request.messages is None):
        both = "both were given" if request.prompt is not None else "neither was given"
        raise InvalidRequest(f"prompt: send either prompt or messages, {both}", param="prompt")
    log_unknown(set(request.model_extra or ()) - _REFUSED.keys())
    return request


def parse_detokenize(raw: dict[str, Any]) -> DetokenizeRequest:
    """Check the body of /detokenize. Raises InvalidRequest naming the field."""
    try:
        request = DetokenizeRequest.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error) from error
    log_unknown(set(request.model_extra or ()))
    return request


def conversation(
    messages: list[WireMessage], tools: list[WireTool] | None, raw: dict[str, Any]
) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    """What the template is given; `raw` is the body that they were read from."""
    wire_tools = raw["tools"] if tools else ()
    return (
        tuple(message.to_message() for message in messages),
        tuple(tool.to_tool(wire) for tool, wire in zip(tools or (), wire_tools, strict=True)),
    )
