"""Messages of a Messages request -> the conversation they spell.

Neighbours of one role are one turn, as in Anthropic's own service. Tool results come before the text
of their turn, next to the calls they answer. An assistant's thinking becomes its `reasoning`.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, field_validator

from flashstep.errors import InvalidRequest
from flashstep.server.anthropic.blocks import (
    BLOCK_SEPARATOR,
    READABLE,
    Block,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    text_of,
)
from flashstep.server.anthropic.signature import carried_by
from flashstep.server.validation import ListOf
from flashstep.types import Message, ToolCall

# Claude Code opens its system prompt with a block of bookkeeping that differs from call to call: shown
# to the model, it would make every prompt miss the prefix cache from its first token on.
_BOOKKEEPING = "x-anthropic-billing-header:"

_BELONGS: dict[str, tuple[str, ...]] = {
    "system": ("text",),
    "user": ("text", "tool_result"),
    "assistant": tuple(kind for kind in READABLE if kind != "tool_result"),
}


class WireMessage(BaseModel):
    """One message of the request; `content` is a text or a list of blocks."""

    model_config = ConfigDict(strict=True, extra="ignore")

    role: Literal["user", "assistant", "system"]
    content: ListOf[Block]

    @field_validator("content", mode="before")
    @classmethod
    def _one_text(cls, value: object) -> object:
        return [{"type": "text", "text": value}] if isinstance(value, str) else value


def system_text(value: object) -> object:
    """The text of `system` (a text or a list of text blocks); anything else as it is, for the next
    check. Raises PydanticCustomError naming the block."""
    if not isinstance(value, list):
        return value
    texts = [text_of(index, block) for index, block in enumerate(value)]
    return BLOCK_SEPARATOR.join(text for text in texts if not text.startswith(_BOOKKEEPING))


def conversation(system: str | None, given: Sequence[WireMessage]) -> tuple[Message, ...]:
    """The messages behind the system prompt. Raises InvalidRequest naming the message."""
    messages = [Message("system", system)] if system else []
    for index, message in enumerate(given):
        _check_blocks(index, message)
    for role, blocks in _turns(given):
        if role == "user":
            messages += _user(blocks)
        elif role == "assistant":
            messages.append(_assistant(blocks))
        else:
            messages.append(Message("system", _text(blocks, BLOCK_SEPARATOR)))
    return tuple(messages)


def check_open_turn(given: Sequence[WireMessage]) -> None:
    """Whoever is to be answered must leave the assistant its turn; counting needs no answer. Raises
    InvalidRequest."""
    if given[-1].role == "assistant":
        place = f"messages[{len(given) - 1}]"
        raise InvalidRequest(
            f"{place}.role: the conversation ends with the assistant's turn, and this model cannot go on "
            "inside a turn (it thinks first); end with a user message",
            param=f"{place}.role",
        )


def _check_blocks(index: int, message: WireMessage) -> None:
    for number, block in enumerate(message.content):
        if block.type not in _BELONGS[message.role]:
            place = f"messages[{index}].content[{number}].type"
            raise InvalidRequest(
                f"{place}: {block.type!r} cannot stand in a message of the {message.role}; it takes "
                f"{', '.join(_BELONGS[message.role])}",
                param=place,
            )


def _turns(given: Sequence[WireMessage]) -> list[tuple[str, list[Block]]]:
    turns: list[tuple[str, list[Block]]] = []
    for message in given:
        if turns and turns[-1][0] == message.role:
            turns[-1][1].extend(message.content)
        else:
            turns.append((message.role, list(message.content)))
    return turns


def _user(blocks: Sequence[Block]) -> list[Message]:
    results = [
        Message("tool", block.told, tool_call_id=block.tool_use_id)
        for block in blocks
        if isinstance(block, ToolResultBlock)
    ]
    text = _text(blocks, BLOCK_SEPARATOR)
    return [*results, Message("user", text)] if text or not results else results


def _assistant(blocks: Sequence[Block]) -> Message:
    thoughts = [b.thinking or carried_by(b.signature) for b in blocks if isinstance(b, ThinkingBlock)]
    calls = [ToolCall(b.id, b.name, b.input) for b in blocks if isinstance(b, ToolUseBlock)]
    return Message(
        "assistant",
        _text(blocks, ""),  # cut by us, where a call stood between
        reasoning=BLOCK_SEPARATOR.join(filter(None, thoughts)) or None,
        tool_calls=tuple(calls),
    )


def _text(blocks: Sequence[Block], separator: str) -> str:
    return separator.join(block.text for block in blocks if isinstance(block, TextBlock))
