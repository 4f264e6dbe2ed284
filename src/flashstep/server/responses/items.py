"""Input items of a Responses request -> the conversation they spell.

A turn of the assistant arrives in pieces (reasoning, message, calls); neighbouring pieces are put
together again into the one `Message` they came from. A new turn begins with reasoning or a message
behind earlier text, and with anything that somebody else says. Reasoning that no text and no call
follows belongs to no turn and is left out. Form: OpenAI's ResponseInputItem.
"""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from flashstep.errors import InvalidRequest
from flashstep.server.chat_completions.messages import WireFunctionCall
from flashstep.server.fields import shown
from flashstep.server.responses.tools import CUSTOM_PARAMETER
from flashstep.server.validation import invalid_request
from flashstep.types import Message, Role, ToolCall

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_TEXT_PARTS = ("input_text", "output_text", "text", "reasoning_text", "summary_text", "refusal")


class _Item(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class MessageItem(_Item):
    """Something said by one of the roles; `content` is a text or a list of text parts."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str

    @field_validator("content", mode="before")
    @classmethod
    def _join(cls, value: object) -> object:
        return _joined(value)


class FunctionCallItem(WireFunctionCall):
    """A call of a function that the assistant made; `arguments` is the JSON text of an object."""

    call_id: str = Field(min_length=1)


class CustomCallItem(_Item):
    """A call of a custom tool that the assistant made, with its free text."""

    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: str


class CallOutputItem(_Item):
    """What a called tool answered."""

    call_id: str = Field(min_length=1)
    output: str

    @field_validator("output", mode="before")
    @classmethod
    def _join(cls, value: object) -> object:
        return _joined(value)


class ReasoningItem(_Item):
    """The assistant's earlier thinking: its text, or a summary where the text is not given.
    `encrypted_content` is somebody else's secret and cannot be read."""

    content: str = ""
    summary: str = ""

    @field_validator("content", mode="before")
    @classmethod
    def _join_content(cls, value: object) -> object:
        return "" if value is None else _joined(value)

    @field_validator("summary", mode="before")
    @classmethod
    def _join_summary(cls, value: object) -> object:
        return "" if value is None else _joined(value, "\n\n")


_KINDS: dict[str, type[_Item] | type[FunctionCallItem]] = {
    "message": MessageItem,
    "function_call": FunctionCallItem,
    "function_call_output": CallOutputItem,
    "custom_tool_call": CustomCallItem,
    "custom_tool_call_output": CallOutputItem,
    "reasoning": ReasoningItem,
}
_AnyItem = MessageItem | FunctionCallItem | CustomCallItem | CallOutputItem | ReasoningItem


def conversation(given: object, instructions: str | None) -> tuple[Message, ...]:
    """The messages of `input` (a text or a list of items) behind the instructions. Raises
    InvalidRequest naming the item."""
    turns = _Turns()
    if instructions:
        turns.say(Message("system", instructions))
    if isinstance(given, str):
        turns.say(Message("user", given))
    elif isinstance(given, list):
        for index, raw in enumerate(given):
            turns.add(_item(index, raw))
    else:
        raise InvalidRequest(f"input: must be a text or a list of items, got {shown(given)}", param="input")
    messages = turns.finish()
    if not messages:
        raise InvalidRequest(
            "input: there is nothing to answer; send a text, an item of type 'message' or instructions",
            param="input",
        )
    return messages


@dataclass(slots=True)
class _Turns:
    """Puts the conversation together; the fields hold the assistant's turn that is still growing."""

    messages: list[Message] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)

    def add(self, item: _AnyItem) -> None:
        """Take in the next item."""
        match item:
            case MessageItem(role="assistant"):
                if self.text and not self.calls:
                    self._close()
                self.text.append(item.content)
            case MessageItem():
                self.say(Message(_ROLES[item.role], item.content))
            case FunctionCallItem():
                self.calls.append(ToolCall(item.call_id, item.name, item.arguments))
            case CustomCallItem():
                self.calls.append(ToolCall(item.call_id, item.name, {CUSTOM_PARAMETER: item.input}))
            case CallOutputItem():
                self.say(Message("tool", item.output, tool_call_id=item.call_id))
            case ReasoningItem():
                if self.text or self.calls:
                    self._close()
                self.reasoning.append(item.content or item.summary)

    def say(self, message: Message) -> None:
        """Somebody else's turn; it ends the assistant's."""
        self._close()
        self.messages.append(message)

    def finish(self) -> tuple[Message, ...]:
        """All messages."""
        self._close()
        return tuple(self.messages)

    def _close(self) -> None:
        if self.text or self.calls:
            reasoning = "\n\n".join(filter(None, self.reasoning)) or None
            self.messages.append(
                Message("assistant", "".join(self.text), reasoning=reasoning, tool_calls=tuple(self.calls))
            )
        self.reasoning, self.text, self.calls = [], [], []


def _item(index: int, raw: object) -> _AnyItem:
    place = f"input[{index}]"
    if not isinstance(raw, dict):
        raise InvalidRequest(f"{place}: must be an object with a type, got {shown(raw)}", param=place)
    kind = raw.get("type") or ("message" if "role" in raw else "item_reference" if "id" in raw else None)
    if kind == "item_reference":
        raise InvalidRequest(
            f"{place}: nothing is stored here, so the item {shown(raw.get('id'))} cannot be looked up; "
            "send the item itself",
            param=place,
            code="unsupported_parameter",
        )
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidRequest(
            f"{place}.type: {shown(kind)} is not one of {', '.join(_KINDS)}",
            param=f"{place}.type",
            code="unsupported_parameter",
        )
    try:
        item: _AnyItem = _KINDS[kind].model_validate(raw)  # type: ignore[assignment]
    except ValidationError as error:
        raise invalid_request(error, place) from error
    return item


def _joined(value: object, separator: str = "") -> object:
    if not isinstance(value, list):
        return value
    return separator.join(_part_text(index, part) for index, part in enumerate(value))


def _part_text(index: int, part: object) -> str:
    if not isinstance(part, dict):
        raise _wrong(f"part {index} must be an object with a type, got {shown(part)}")
    kind = part.get("type")
    if kind not in _TEXT_PARTS:
        raise _wrong(f"part {index} has type {shown(kind)}; this model reads text parts only")
    text = part.get("refusal" if kind == "refusal" else "text")
    if not isinstance(text, str):
        raise _wrong(f"part {index} has no text, got {shown(text)}")
    return text


def _wrong(message: str) -> PydanticCustomError:
    # Braces in user data must not be read as a format template.
    return PydanticCustomError("flashstep", "{reason}", {"reason": message})
