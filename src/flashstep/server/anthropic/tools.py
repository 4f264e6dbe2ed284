"""Tools and `tool_choice` of a Messages request -> `Tool`s, and what the answer must call.

A tool is shown to the model in the form of chat completions, so that all endpoints give the same
prompt. Tools that the hosted service runs itself are left out with a warning, since agents declare them to
every server; its schema-less tools that the client runs are refused, because this model was never
taught their parameters. Form: Anthropic's ToolUnionParam and ToolChoiceParam.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from flashstep.errors import InvalidRequest
from flashstep.server.fields import first_repeated, shown
from flashstep.server.validation import complaint
from flashstep.types import AnswerRule, Tool

# Types of tools that the hosted service runs; most end in a date.
_RUN_BY_HOST = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool|advisor|mcp_toolset)[a-z0-9_]{0,40}"
)


class WireTool(BaseModel):
    """One entry of `tools`: a declared tool, or one that the hosted service would run."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: str | None = None
    name: str = Field(default="", pattern=r"^[a-zA-Z0-9_-]{0,128}$", validate_default=True)
    description: str | None = None
    input_schema: dict[str, Any] | None = Field(default=None, validate_default=True)
    strict: bool | None = None

    @field_validator("type", mode="after")
    @classmethod
    def _check_type(cls, value: str | None) -> str | None:
        if value in (None, "custom") or (value and _RUN_BY_HOST.fullmatch(value)):
            return value
        raise complaint(
            f"{shown(value)} has no schema that this model knows; declare the tool with name, description "
            "and input_schema, and run it on your side"
        )

    @field_validator("name", mode="after")
    @classmethod
    def _check_name(cls, value: str, info: Any) -> str:
        if not value and info.data.get("type") in (None, "custom"):
            raise complaint("a name of 1 to 128 letters, digits, _ and - is required")
        return value

    @field_validator("input_schema", mode="after")
    @classmethod
    def _check_schema(cls, value: dict[str, Any] | None, info: Any) -> dict[str, Any] | None:
        if value is None and info.data.get("type") in (None, "custom"):
            raise complaint("this field is required: the JSON schema of the input, of type 'object'")
        kind = (value or {}).get("type", "object")
        if kind != "object":
            raise complaint(f"the schema's root must have type 'object', not {shown(kind)}")
        return value

    @property
    def is_run_by_host(self) -> bool:
        """Only the hosted service could run it."""
        return self.type not in (None, "custom")

    def to_tool(self) -> Tool:
        """The tool in our own terms."""
        schema, description = self.input_schema or {}, self.description or ""
        function: dict[str, Any] = {"name": self.name, "description": description, "parameters": schema}
        if self.strict:
            function["strict"] = True
        return Tool(self.name, description, schema, {"type": "function", "function": function})


class ToolChoice(BaseModel):
    """`tool_choice`; `name` belongs to the type "tool" alone."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The tools that the model is shown, what the answer must call, and ASCII sentences for the
    response header about what was left out."""

    tools: tuple[Tool, ...]
    rule: AnswerRule
    warnings: tuple[str, ...]


def choose(declared: Sequence[WireTool], choice: ToolChoice | None) -> Choice:
    """Apply `tool_choice`. Raises InvalidRequest naming the tool that is missing or declared twice."""
    _check_names(declared)
    left_out = [tool for tool in declared if tool.is_run_by_host]
    warnings: tuple[str, ...] = ()
    if left_out:
        kinds = sorted({str(tool.type) for tool in left_out})
        warnings = (f"tools of these types are left out, this server cannot run them: {', '.join(kinds)}",)
    tools = tuple(tool.to_tool() for tool in declared if not tool.is_run_by_host)
    choice = choice or ToolChoice(type="auto")
    if choice.type == "none" or (choice.type == "auto" and not tools):
        return Choice((), AnswerRule(), warnings)  # what the model is not shown it cannot call
    max_calls = 1 if choice.disable_parallel_tool_use else None
    return Choice(tools, AnswerRule(None, _required(choice, tools), max_calls), warnings)


def _required(choice: ToolChoice, tools: Sequence[Tool]) -> tuple[str, ...] | None:
    if choice.type == "auto":
        return None
    if choice.type == "any":
        if not tools:
            raise InvalidRequest("tool_choice: 'any' needs a tool that can be called", param="tool_choice")
        return ()
    if choice.name not in [tool.name for tool in tools]:
        raise InvalidRequest(
            f"tool_choice.name: there is no tool named {shown(choice.name)} that can be called; declared are "
            f"{shown([tool.name for tool in tools])}",
            param="tool_choice.name",
        )
    return (str(choice.name),)


def _check_names(declared: Sequence[WireTool]) -> None:
    names = [tool.name for tool in declared]
    if (index := first_repeated(names)) is not None:
        place = f"tools[{index}].name"
        raise InvalidRequest(
            f"{place}: {shown(names[index])} is declared twice; names must differ", param=place
        )
