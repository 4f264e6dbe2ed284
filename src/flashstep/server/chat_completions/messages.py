"""Messages and tools as clients write them, checked and turned into `Message` and `Tool`.

Lenient where clients differ (developer role, text parts, null content, four names for reasoning,
arguments as string or object), strict where a guess would change the conversation. Each error names
the message by its place ("messages[2].content").
"""

from typing import Any, Literal

import pydantic_core
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from flashstep.server.fields import shown
from flashstep.server.validation import ListOf, complaint
from flashstep.types import Message, Role, Tool, ToolCall

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_CONTENT_REQUIRED = ("system", "developer", "user")


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class WireFunctionCall(_Wire):
    """The function of a tool call in the history; `arguments` a JSON string or an object."""

    name: str = Field(min_length=1)
    arguments: dict[str, Any] = Field(default_factory=dict)

    @field_validator("arguments", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        if value is None or value == "":
            return {}
        if not isinstance(value, str):
            return value
        try:
            parsed = pydantic_core.from_json(value)
        except ValueError as error:
            raise complaint(f"not valid JSON ({error}): {shown(value)}") from error
        if not isinstance(parsed, dict):
            raise complaint(f"must be the JSON text of an object, got {shown(value)}")
        return parsed


class WireToolCall(_Wire):
    """A call that the assistant made earlier in the conversation."""

    id: str | None = None
    type: Literal["function"] | None = None
    function: WireFunctionCall


class WireMessage(_Wire):
    """One message of the request."""

    role: str
    content: str = Field(default=None, validate_default=True)
    name: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_text: str | None = None
    reasoning_details: ListOf[dict[str, Any]] | None = None
    tool_calls: ListOf[WireToolCall] | None = None
    tool_call_id: str | None = None
    function_call: None = None  # the form before tool calls; dropping it would change the history

    @field_validator("role", mode="after")
    @classmethod
    def _check_role(cls, value: str) -> str:
        if value not in _ROLES:
            raise complaint(f"{shown(value)} is not one of {', '.join(_ROLES)}")
        return value

    @field_validator("content", mode="before")
    @classmethod
    def _join_parts(cls, value: object, info: ValidationInfo) -> object:
        if value is None:
            if info.data.get("role") in _CONTENT_REQUIRED:
                raise complaint("this field is required")
            return ""
        if not isinstance(value, list):
            return value
        return "".join(_part_text(index, part, info.data.get("role")) for index, part in enumerate(value))

    def to_message(self) -> Message:
        """The message in our own terms."""
        calls = self.tool_calls or []
        return Message(
            role=_ROLES[self.role],
            content=self.content,
            reasoning=self._reasoning(),
            tool_calls=tuple(ToolCall(c.id or "", c.function.name, c.function.arguments) for c in calls),
            tool_call_id=self.tool_call_id,
            name=self.name,
        )

    def _reasoning(self) -> str | None:
        """The first name that holds any; "" and None both mean that there was none."""
        details = "".join(map(_detail_text, self.reasoning_details or ()))
        return self.reasoning or self.reasoning_content or self.reasoning_text or details or None


def _detail_text(detail: dict[str, Any]) -> str:
    """Encrypted details belong to other services and cannot be read."""
    text = detail.get("text") or detail.get("summary")
    return text if isinstance(text, str) else ""


_UNREADABLE = "unsupported_content_type"


def _part_text(index: int, part: object, role: object) -> str:
    if not isinstance(part, dict):
        raise complaint(f"part {index} must be an object with a type, got {shown(part)}")
    kind = part.get("type")
    member = "refusal" if kind == "refusal" and role == "assistant" else "text"
    if kind != member:
        raise complaint(
            f"part {index} has type {shown(kind)}; this model reads text parts only: leave the part out, or "
            "describe it in words",
            _UNREADABLE,
        )
    text = part.get(member)
    if not isinstance(text, str):
        raise complaint(f"part {index} has no text, got {shown(text)}")
    return text


class WireFunction(_Wire):
    """The declaration of a callable function. The name's shape is OpenAI's."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    @field_validator("parameters", mode="after")
    @classmethod
    def _check_root(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        kind = (value or {}).get("type", "object")
        if kind != "object":
            raise complaint(f"the schema's root must have type 'object', not {shown(kind)}")
        return value


class WireTool(_Wire):
    """One entry of `tools`."""

    type: str
    function: WireFunction

    @field_validator("type", mode="after")
    @classmethod
    def _check_type(cls, value: str) -> str:
        if value == "custom":
            raise complaint(
                "'custom' tools are not part of chat completions here; declare a function with one text "
                "parameter, or use /v1/responses, which takes custom tools",
                "unsupported_parameter",
            )
        if value != "function":
            raise complaint(
                f"{shown(value)} is a tool that only a hosted service can run; declare a function and run it",
                _UNREADABLE,
            )
        return value

    def to_tool(self, wire: dict[str, Any]) -> Tool:
        """The tool in our own terms; `wire` is the JSON object it was read from."""
        parameters = self.function.parameters or {"type": "object", "properties": {}}
        return Tool(self.function.name, self.function.description or "", parameters, wire)
