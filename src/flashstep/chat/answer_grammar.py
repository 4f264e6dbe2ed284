"""What an answer must be, as a grammar for the text behind the reasoning; Lark in llguidance's dialect.

JSON: exactly one value of the schema, nothing around it, or calls where tools may be called. Required
calls: only calls, in the format of call_grammar.py and by their schemas; one that cannot be enforced is
an error for a tool that asks for `strict`, and else not enforced. Optional calls when a tool asks for
`strict`: free text in which every `<tool_call>` goes on as a call of a declared function, strict ones by
their schema.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import llguidance

from flashstep.chat.call_grammar import call_rule, loose_call_rule
from flashstep.chat.kept_results import KeptResults
from flashstep.chat.schema_shape import check_shape
from flashstep.chat.schema_text import schema_text
from flashstep.chat.value_grammar import TERMINALS, json_rule
from flashstep.errors import InvalidRequest
from flashstep.types import AnswerRule, Tool

# Text in which no call begins, neither with the wrapper nor, as the parser tolerates, without it.
_FREE = r"FREE: /(?s:.*)/ & ~/(?s:.*)(<tool_call>|<function=)(?s:.*)/"
# How llguidance shows the place of an error: "at 1(8): " in front, then numbered lines of the grammar.
_SOURCE_LINES = re.compile(r"\Aat \d+\(\d+\): |^ *\d+ \|.*\n?(?:^ *\^\n?)?", re.MULTILINE)
_MAX_REASON = 400  # characters; some messages repeat the schema
_MAX_KEPT_BYTES = 16 << 20  # of schemas and what was made of them, for JSON and for calls each
# What it takes to compile grows with the text: this much takes a fifth of a second and some 60 MB. The
# compiler gives up at three times as much.
_MAX_RULES_CHARS = 400_000
_TOO_LONG = f"{_MAX_RULES_CHARS} characters"
# Where only one text can follow, the compiler would else have it spelled letter by letter. A model spells it
# as it has learned to.
_HEAD = '%llguidance {"no_forcing": true}\n'
_CALL = 'call: <tool_call> "\\n<function=" ({names}) "</function>\\n" </tool_call>'


def grammar_for(rule: AnswerRule, tools: Sequence[Tool]) -> str | None:
    """The grammar of an answer under `rule`, None when anything goes.

    InvalidRequest names the response_format or the tool that cannot be enforced, and why.
    """
    if is_free(rule, tools):
        return None
    calls = f"call{{1,{'' if rule.max_calls is None else rule.max_calls}}}"
    if rule.required_tools is not None:
        wanted = _required(rule.required_tools, tools)
        return _with_calls(calls, wanted, frozenset(tool.name for tool in wanted))
    strict = frozenset(tool.name for tool in tools if _is_strict(tool))
    if rule.json_schema is not None:
        value = _json(rule.json_schema or {"type": "object"})
        return _with_calls(f"{value} | {calls}", tools, strict) if tools else f"{_HEAD}start: {value}\n"
    return _with_calls(f"FREE | FREE (call FREE){calls[4:]}", tools, strict)


def is_free(rule: AnswerRule, tools: Sequence[Tool]) -> bool:
    """Whether `grammar_for` has nothing to enforce, which is quickly told."""
    return rule.required_tools is None and rule.json_schema is None and not any(map(_is_strict, tools))


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


def _json(schema: dict[str, Any]) -> str:
    """A Lark expression for one value of the schema, known to compile."""
    try:
        (value,) = _kept_values(schema_text(schema))
    except ValueError as error:
        raise InvalidRequest(
            f"response_format: the schema cannot be enforced: {error}",
            param="response_format",
            code="invalid_json_schema",
        ) from error
    return value


def _value(schema: str) -> tuple[str]:
    parsed = json.loads(schema)
    check_shape(parsed)
    value = json_rule(parsed)
    _compile(f"start: {value}\n")
    return (value,)


def _with_calls(start: str, tools: Sequence[Tool], held: frozenset[str]) -> str:
    """A grammar that begins with the expression `start`; the tools named in `held` are held to their
    schema, the others to the format only."""
    rules, room = list[str](), _MAX_RULES_CHARS
    for i, tool in enumerate(tools):
        rules.append(_function(f"f{i}", tool, room, is_held=tool.name in held))
        room -= len(rules[-1])
    names = " | ".join(f"f{i}" for i in range(len(tools)))
    return "\n".join([f"{_HEAD}start: {start}", _CALL.format(names=names), _FREE, TERMINALS, *rules])


def _function(name: str, tool: Tool, room: int, *, is_held: bool) -> str:
    """The rules of a function, known to compile. room: characters that they may have. InvalidRequest for a
    strict one whose schema cannot be enforced; others are held to the format only then."""
    try:
        rule, reason = _held(name, tool) if is_held else ("", "")
        if len(rule) > room:
            rule, reason = "", f"with the functions before it, its grammar has more than {_TOO_LONG}"
        if is_held and not rule and _is_strict(tool):
            raise ValueError(f"{reason}; change its schema, or leave out strict")
        return rule or loose_call_rule(name, tool)
    except ValueError as error:
        raise InvalidRequest(
            f"tools: function {tool.name!r} cannot be enforced: {error}",
            param="tools",
            code="invalid_function_parameters",
        ) from error


def _held(name: str, tool: Tool) -> tuple[str, ...]:
    """The rules of a function that is held to its schema; or none, and why not."""
    try:
        parameters = schema_text(tool.parameters)
    except ValueError as error:
        return "", str(error)
    return _kept_calls(name, tool.name, parameters)


def _call(name: str, function: str, parameters: str) -> tuple[str, str]:
    schema = json.loads(parameters)
    try:
        check_shape(schema)
        rule = call_rule(name, Tool(function, "", schema, {}))
        if len(rule) > _MAX_RULES_CHARS:
            raise ValueError(
                f"with a schema for each parameter that refers to it, it has more than {_TOO_LONG}"
            )
        _compile(f"start: {name}\n{TERMINALS}\n{rule}")
    except ValueError as error:
        return "", str(error)
    return rule, ""


_kept_values = KeptResults(_value, _MAX_KEPT_BYTES)
_kept_calls = KeptResults(_call, _MAX_KEPT_BYTES)


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
