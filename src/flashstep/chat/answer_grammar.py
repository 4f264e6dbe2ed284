"""What an answer must be, as a grammar for the text behind the reasoning; Lark in llguidance's dialect.

JSON: exactly one value of the schema, nothing around it, or calls where tools may be called. Required
calls: only calls, in the format of call_grammar.py. Optional calls when a tool asks for `strict`: free
text in which every `<tool_call>` goes on as a call of a declared function, strict ones by their schema.
"""

import json
import re
from collections.abc import Sequence
from functools import lru_cache

import llguidance

from flashstep.chat.call_grammar import call_rule, loose_call_rule
from flashstep.chat.schema_shape import check_shape
from flashstep.chat.value_grammar import TERMINALS, json_rule
from flashstep.errors import InvalidRequest
from flashstep.types import AnswerRule, Tool

# Text in which no call begins, neither with the wrapper nor, as the parser tolerates, without it.
_FREE = r"FREE: /(?s:.*)/ & ~/(?s:.*)(<tool_call>|<function=)(?s:.*)/"
# How llguidance shows the place of an error: "at 1(8): " in front, then numbered lines of the grammar.
_SOURCE_LINES = re.compile(r"\Aat \d+\(\d+\): |^ *\d+ \|.*\n?(?:^ *\^\n?)?", re.MULTILINE)
_MAX_REASON = 400  # characters; some messages repeat the schema
_CALL = 'call: <tool_call> "\\n<function=" ({names}) "</function>\\n" </tool_call>'


def grammar_for(rule: AnswerRule, tools: Sequence[Tool]) -> str | None:
    """The grammar of an answer under `rule`, None when anything goes.

    InvalidRequest names the response_format or the tool that cannot be enforced, and why.
    """
    calls = f"call{{1,{'' if rule.max_calls is None else rule.max_calls}}}"
    if rule.required_tools is not None:
        wanted = _required(rule.required_tools, tools)
        return _with_calls(calls, wanted, frozenset(tool.name for tool in wanted))
    strict = frozenset(tool.name for tool in tools if _is_strict(tool))
    if rule.json_schema is not None:
        value = _json(json.dumps(rule.json_schema or {"type": "object"}, ensure_ascii=False))
        return _with_calls(f"{value} | {calls}", tools, strict) if tools else f"start: {value}\n"
    return _with_calls(f"FREE | FREE (call FREE){calls[4:]}", tools, strict) if strict else None


def _is_strict(tool: Tool) -> bool:
    function = tool.wire.get("function")
    return isinstance(function, dict) and function.get("strict") is True


def _required(names: Sequence[str], tools: Sequence[Tool]) -> list[Tool]:
    declared = {tool.name: tool for tool in tools}
    unknown = [name for name in names if name not in declared]
    if unknown or not tools:
        wanted = f"function {unknown[0]!r}" if unknown else "a function"
        raise InvalidRequest(
            f"tool_choice: {wanted} must be called, but tools has {sorted(declared) or 'none'}",
            param="tool_choice",
        )
    return [declared[name] for name in dict.fromkeys(names)] if names else list(tools)


@lru_cache(maxsize=64)
def _json(schema: str) -> str:
    """A Lark expression for one value of the schema, known to compile."""
    try:
        parsed = json.loads(schema)
        check_shape(parsed)
        value = json_rule(parsed)
        _compile(f"start: {value}\n")
    except ValueError as error:
        raise InvalidRequest(
            f"response_format: the schema cannot be enforced: {error}",
            param="response_format",
            code="invalid_json_schema",
        ) from error
    return value


def _with_calls(start: str, tools: Sequence[Tool], strict: frozenset[str]) -> str:
    """A grammar that begins with the expression `start`; the tools named in `strict` are held to their
    schema, the others to the format only."""
    rules = [_function(f"f{i}", tool, tool.name in strict) for i, tool in enumerate(tools)]
    names = " | ".join(f"f{i}" for i in range(len(tools)))
    return "\n".join([f"start: {start}", _CALL.format(names=names), _FREE, TERMINALS, *rules])


def _function(name: str, tool: Tool, is_strict: bool) -> str:
    if not is_strict:
        return _compiled(name, tool.name, None)
    return _compiled(name, tool.name, json.dumps(tool.parameters, ensure_ascii=False))


@lru_cache(maxsize=512)
def _compiled(name: str, function: str, parameters: str | None) -> str:
    """The rules of a function, known to compile; `parameters` None = not held to a schema."""
    try:
        if parameters is None:
            return loose_call_rule(name, Tool(function, "", {}, {}))
        schema = json.loads(parameters)
        check_shape(schema)
        rule = call_rule(name, Tool(function, "", schema, {}))
        _compile(f"start: {name}\n{TERMINALS}\n{rule}")
    except ValueError as error:
        raise InvalidRequest(
            f"tools: function {function!r} cannot be enforced: {error}; change its schema, or leave out "
            "strict and tool_choice",
            param="tools",
            code="invalid_function_parameters",
        ) from error
    return rule


def _compile(grammar: str) -> None:
    """ValueError with llguidance's reason when the grammar does not compile."""
    try:
        is_error, messages = llguidance.LLMatcher.validate_grammar_with_warnings(grammar)
    except BaseException as error:
        # A panic of the native compiler is no Exception and would get past everything that answers errors.
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError("the compiler of grammars cannot cope with it") from error
    if is_error:
        raise ValueError(_reason(messages[0]))


def _reason(message: str) -> str:
    """The reason without the place in the grammar, of which the client knows nothing."""
    reason = _SOURCE_LINES.sub("", message).split("failed to compile JSON schema: ")[-1]
    reason = " ".join(reason.split())
    return reason if len(reason) <= _MAX_REASON else f"{reason[:_MAX_REASON]}…"
