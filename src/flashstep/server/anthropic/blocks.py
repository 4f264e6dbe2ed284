"""Content blocks of a Messages request: what each must hold, and the text that it becomes.

The model reads text, so images, documents and the results of tools that ran elsewhere are refused by
name instead of being left out behind the caller's back. `cache_control`, citations and other members
that cannot change an answer are ignored. Form: Anthropic's ContentBlockParam.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator

from flashstep.server.fields import shown
from flashstep.server.validation import complaint

# Between texts that were sent as separate blocks: run together, their words would touch.
BLOCK_SEPARATOR = "\n\n"

READABLE = ("text", "tool_use", "tool_result", "thinking", "redacted_thinking")


class _Block(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class TextBlock(_Block):
    """Plain text."""

    type: Literal["text"]
    text: str


class ToolUseBlock(_Block):
    """A call that the assistant made."""

    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: dict[str, Any]


class ToolResultBlock(_Block):
    """What a called tool answered; `content` is a text or a list of text blocks."""

    type: Literal["tool_result"]
    tool_use_id: str = Field(min_length=1)
    content: str = ""
    is_error: bool | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _join(cls, value: object) -> object:
        return "" if value is None else joined_text(value)

    @property
    def told(self) -> str:
        """The text that the model reads; a failure says so."""
        if self.is_error and not self.content.lower().startswith(("error", "<tool_use_error>")):
            return f"Error: {self.content}"
        return self.content


class ThinkingBlock(_Block):
    """The assistant's earlier thinking; `signature` is the string that came with it."""

    type: Literal["thinking"]
    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(_Block):
    """Thinking that only another service can read; it is left out."""

    type: Literal["redacted_thinking"]


def _kind(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) and kind in READABLE else None


Block = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[RedactedThinkingBlock, Tag("redacted_thinking")],
    Discriminator(
        _kind,
        custom_error_type="block_type",
        custom_error_message=f"a block of type {', '.join(READABLE)} is expected; this model reads text only",
    ),
]


def joined_text(value: object) -> object:
    """The text of a list of text blocks; anything but a list as it is, for the next check. Raises
    PydanticCustomError naming the block."""
    if not isinstance(value, list):
        return value
    return BLOCK_SEPARATOR.join(text_of(index, block) for index, block in enumerate(value))


def text_of(index: int, block: object) -> str:
    """The text of one text block."""
    if not isinstance(block, dict):
        raise complaint(f"block {index} must be an object with a type, got {shown(block)}")
    if block.get("type") != "text":
        raise complaint(f"block {index} has type {shown(block.get('type'))}; this model reads text only")
    text = block.get("text")
    if not isinstance(text, str):
        raise complaint(f"block {index} has no text, got {shown(text)}")
    return text
