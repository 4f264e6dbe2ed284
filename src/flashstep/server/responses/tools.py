"""Tools and `tool_choice` of a Responses request, read into the terms of chat completions.

A function is shown to the model in the form of chat completions, so that both endpoints give the same
prompt. A custom tool (free text instead of arguments) is shown as a function with one text parameter;
the writer turns its calls back. Tools that only a hosted service can run are left out with a warning:
agents declare them to every server. Forms: OpenAI's FunctionTool, CustomTool and ToolChoice.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flashstep.errors import InvalidRequest
from flashstep.server.chat_completions.messages import WireFunction
from flashstep.server.chat_completions.tool_choice import ToolChoice
from flashstep.server.fields import shown
from flashstep.server.validation import invalid_request
from flashstep.types import Tool

# The parameter that carries a custom tool's text.
CUSTOM_PARAMETER = "input"

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class CustomFormat(BaseModel):
    """What the text of a custom tool must look like: anything, or a grammar."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: Literal["text", "grammar"] = "text"
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None


class CustomTool(BaseModel):
    """The declaration of a custom tool."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    format: CustomFormat | None = None


@dataclass(frozen=True, slots=True)
class ToolSet:
    """The tools that can be called. `custom_names` are those among them that take free text; `wire` is
    how the response object repeats them; `warnings` are ASCII sentences."""

    tools: tuple[Tool, ...] = ()
    custom_names: frozenset[str] = frozenset()
    wire: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


def tool_set(given: list[dict[str, Any]]) -> ToolSet:
    """Check the declarations. Raises InvalidRequest naming the tool."""
    tools: list[Tool] = []
    custom: set[str] = set()
    names: set[str] = set()
    wire: list[dict[str, Any]] = []
    left_out: list[str] = []
    warnings: list[str] = []
    for index, raw in enumerate(given):
        place, kind = f"tools[{index}]", raw.get("type")
        if not isinstance(kind, str):
            raise InvalidRequest(
                f"{place}.type: must be a text such as 'function', got {shown(kind)}", param=f"{place}.type"
            )
        if kind not in ("function", "custom"):
            left_out.append(kind)
            continue
        tool = _function(place, raw) if kind == "function" else _custom(place, raw)
        if tool.name in names:
            raise InvalidRequest(
                f"{place}.name: {shown(tool.name)} is declared twice; names must differ",
                param=f"{place}.name",
            )
        tools.append(tool)
        names.add(tool.name)
        wire.append(_echo(raw))
        if kind == "custom":
            custom.add(tool.name)
    if left_out:
        kinds = sorted({kind if _PLAIN_WORD.fullmatch(kind) else "(other)" for kind in left_out})
        warnings.append(f"tools of these types are left out, this server cannot run them: {', '.join(kinds)}")
    return ToolSet(tuple(tools), frozenset(custom), tuple(wire), tuple(warnings))


def read_choice(value: str | dict[str, Any] | None) -> ToolChoice:
    """Check `tool_choice`; whether the tools that it names exist is seen when it is applied. Raises
    InvalidRequest."""
    match value:
        case None:
            return ToolChoice()
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case {"type": "function" | "custom", "name": str(name)}:
            return ToolChoice("required", forced=name)
        case {"type": "allowed_tools", "mode": "auto" | "required" as mode, "tools": list(entries)}:
            return ToolChoice(mode, allowed=tuple(name for entry in entries for name in _allowed(entry)))
    raise _wrong_choice(
        f"{shown(value)} is not supported; send 'auto', 'none', 'required', "
        "{'type': 'function' or 'custom', 'name': ...} or "
        "{'type': 'allowed_tools', 'mode': 'auto' or 'required', 'tools': [...]}"
    )


def _allowed(entry: object) -> tuple[str, ...]:
    """The name of an allowed tool; nothing for tools of other types, which were left out already."""
    match entry:
        case {"type": "function" | "custom", "name": str(name)}:
            return (name,)
        case {"type": str(kind)} if kind not in ("function", "custom"):
            return ()
    raise _wrong_choice(f"an allowed tool must be an object with type and name, got {shown(entry)}")


def _wrong_choice(message: str) -> InvalidRequest:
    return InvalidRequest(f"tool_choice: {message}", param="tool_choice")


def _function(place: str, raw: dict[str, Any]) -> Tool:
    try:
        function = WireFunction.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error, place) from error
    description = function.description or ""
    parameters = function.parameters or {"type": "object", "properties": {}}
    return _tool(function.name, description, parameters, is_strict=bool(function.strict))


def _custom(place: str, raw: dict[str, Any]) -> Tool:
    try:
        tool = CustomTool.model_validate(raw)
    except ValidationError as error:
        raise invalid_request(error, place) from error
    description = tool.description or ""
    if tool.format and tool.format.definition:
        syntax = tool.format.syntax or "lark"
        description += f"\n\nThe input must match this {syntax} grammar:\n{tool.format.definition}"
    text = {"type": "string", "description": "The whole input of the tool as plain text."}
    parameters = {"type": "object", "properties": {CUSTOM_PARAMETER: text}, "required": [CUSTOM_PARAMETER]}
    return _tool(tool.name, description.strip(), parameters, is_strict=False)


def _tool(name: str, description: str, parameters: dict[str, Any], *, is_strict: bool) -> Tool:
    function: dict[str, Any] = {"name": name, "description": description, "parameters": parameters}
    if is_strict:
        function["strict"] = True
    return Tool(name, description, parameters, {"type": "function", "function": function})


def _echo(raw: dict[str, Any]) -> dict[str, Any]:
    """The declaration with the members that strict readers expect."""
    if raw["type"] == "custom":
        return raw
    filled = {"description": None, "parameters": None, **raw}
    return {**filled, "strict": bool(raw.get("strict"))}
