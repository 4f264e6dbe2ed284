"""`tool_choice` and `parallel_tool_calls`: which tools the model is shown and which it must call.

Under "none" the model is shown no tool, so it cannot call one; of "allowed_tools" it is shown the
allowed ones. Forms: OpenAI's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import PlainValidator, WithJsonSchema

from flashstep.errors import InvalidRequest
from flashstep.server.fields import shown
from flashstep.server.validation import complaint
from flashstep.types import AnswerRule, Tool

_FORMS = (
    "'auto', 'none', 'required', {'type': 'function', 'function': {'name': ...}} or "
    "{'type': 'allowed_tools', 'allowed_tools': {'mode': 'auto' or 'required', 'tools': [...]}}"
)
_NAMED = {
    "type": "object",
    "properties": {"type": {"const": "function"}, "function": {"type": "object"}},
    "required": ["type", "function"],
}
_ALLOWED = {
    "type": "object",
    "properties": {"type": {"const": "allowed_tools"}, "allowed_tools": {"type": "object"}},
    "required": ["type", "allowed_tools"],
}
_SCHEMA: dict[str, Any] = {"anyOf": [{"enum": ["auto", "none", "required", None]}, _NAMED, _ALLOWED]}


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """forced: the one function that must be called. allowed: the only ones that may be, None = all."""

    mode: Literal["auto", "none", "required"] = "auto"
    forced: str | None = None
    allowed: tuple[str, ...] | None = None

    def apply(self, tools: Sequence[Tool], *, is_parallel: bool) -> tuple[tuple[Tool, ...], AnswerRule]:
        """The tools to show and the rule for the answer. Raises InvalidRequest when the choice does
        not fit the tools."""
        for name in (*(self.allowed or ()), *((self.forced,) if self.forced else ())):
            if all(tool.name != name for tool in tools):
                raise InvalidRequest(
                    f"tool_choice: there is no tool named {shown(name)}; tools has "
                    f"{shown([tool.name for tool in tools])}",
                    param="tool_choice",
                )
        shown_tools = tuple(t for t in tools if self.allowed is None or t.name in self.allowed)
        if self.mode == "required" and not shown_tools:
            way_out = "declare one in tools" if not tools else "name one in allowed_tools"
            raise InvalidRequest(
                f"tool_choice: a call is required, but there is no tool to call; {way_out}",
                param="tool_choice",
            )
        if self.mode == "none" or not shown_tools:
            return (), AnswerRule()
        required = None if self.mode != "required" else (self.forced,) if self.forced else ()
        one_call = self.forced is not None or not is_parallel
        return shown_tools, AnswerRule(required_tools=required, max_calls=1 if one_call else None)


def with_schema(rule: AnswerRule, schema: dict[str, Any] | None, field: str) -> AnswerRule:
    """The rule with the JSON schema that the wire field `field` asks for. Raises InvalidRequest when the
    answer must also be a call."""
    if schema is not None and rule.required_tools is not None:
        raise InvalidRequest(
            f"{field}: a JSON answer and a tool_choice that requires a call exclude each other; leave "
            "one of them out",
            param=field,
        )
    return replace(rule, json_schema=schema)


def read_tool_choice(value: object) -> ToolChoice | None:
    """Check the wire form; None when it is not given. Raises a complaint."""
    match value:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("required", forced=name)
        case {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto" | "required" as mode, "tools": list(t)},
        }:
            return ToolChoice(mode, allowed=tuple(_allowed_name(entry) for entry in t))
        case {"type": "custom"}:
            raise complaint("custom tools are not part of chat completions here; name a function instead")
    raise complaint(f"{shown(value)} is not one of {_FORMS}")


def _allowed_name(entry: object) -> str:
    match entry:
        case {"type": "function", "function": {"name": str(name)}}:
            return name
    form = "{'type': 'function', 'function': {'name': ...}}"
    raise complaint(f"an allowed tool is {form}, not {shown(entry)}")


WireToolChoice = Annotated[ToolChoice | None, PlainValidator(read_tool_choice), WithJsonSchema(_SCHEMA)]
