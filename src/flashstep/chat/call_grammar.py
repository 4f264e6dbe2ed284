"""A tool call in the template's text format, as a rule of a Lark grammar.

    <tool_call>\\n<function=NAME>\\n(<parameter=KEY>\\nVALUE\\n</parameter>\\n)*</function>\\n</tool_call>

A declared parameter comes at most once, in any order; the required ones come. Others come only where
`additionalProperties` allows them. Lark: llguidance's dialect, whose parametric rules (`rule::0x0`)
carry the set of the parameters that have been written, as bits.
"""

import json
import re
from typing import Any

from flashstep.chat.value_grammar import literal, resolve, value_rule
from flashstep.types import Tool

MAX_PARAMETERS = 64  # bits of a parametric rule
_NAME = re.compile(r"[^\s\"'<>=]{1,200}")
_KEY = re.compile(r"[^\s\"'<>=](?:[^\"'<>\n]{0,198}[^\"'<>\s])?")
_UNDECLARED = r"/[A-Za-z_][A-Za-z0-9_.\-]{0,63}/"
# Words about the whole object that the order of writing cannot follow.
_UNSUPPORTED = (
    "anyOf", "oneOf", "allOf", "not", "if", "patternProperties", "propertyNames", "dependentRequired",
    "dependentSchemas", "minProperties", "maxProperties", "unevaluatedProperties", "enum", "const",
)  # fmt: skip


def call_rule(name: str, tool: Tool) -> str:
    """Lark lines that define the rule `name`: the call behind `<function=`, up to `</function>`.

    Needs the terminals of value_grammar. ValueError says what of the tool cannot be enforced.
    """
    head = literal(f"{_checked_name(tool.name)}>\n")
    parameters = resolve(tool.parameters, tool.parameters)
    if not isinstance(parameters, dict):
        raise ValueError(f"its parameters are {json.dumps(parameters)}, not an object schema")
    unsupported = [word for word in _UNSUPPORTED if word in parameters]
    if unsupported or parameters.get("type", "object") != "object":
        wrong = unsupported[0] if unsupported else f"type {json.dumps(parameters['type'])}"
        raise ValueError(f"{wrong} is not supported at the top of its parameters")
    root = {**tool.parameters, **parameters}
    keys, rules = _declared(name, parameters, root)
    others = _undeclared(name, parameters, root, keys)
    if not keys and not others:
        return f"{name}: {head}\n"
    options = [f"{literal('')}{_when_complete(keys, parameters)}"]
    options += [
        f"{literal(f'<parameter={key}>' + chr(10))} {name}v{i} {name}p::set_bit({i}) %if bit_clear({i})"
        for i, key in enumerate(keys)
    ]
    if others:
        options.append(f"{literal('<parameter=')} {name.upper()}KEY {name}other {name}p::_")
    body = "\n  | ".join(options)
    return f"{name}: {head} {name}p::0x0\n{name}p::_: {body}\n{''.join(rules)}{others}"


def loose_call_rule(name: str, tool: Tool) -> str:
    """Like `call_rule` for a tool that is not held to its schema: any parameters with any text."""
    head = literal(f"{_checked_name(tool.name)}>\n")
    return (
        f"{name}: {head} ({literal('<parameter=')} {name.upper()}KEY)*\n"
        f'{name.upper()}KEY: {_UNDECLARED} ">\\n" ANY "\\n</parameter>\\n"\n'
    )


def _declared(name: str, parameters: dict[str, Any], root: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The parameters that can be written, and the rules of their values."""
    properties = parameters.get("properties") or {}
    if not isinstance(properties, dict):
        raise ValueError(f"properties is {json.dumps(properties)}, not an object")
    keys: list[str] = []
    rules: list[str] = []
    for key, schema in properties.items():
        try:
            if not _KEY.fullmatch(key):
                raise ValueError("the name cannot be written in a call")
            rules.append(value_rule(f"{name}v{len(keys)}", schema, key, root))
        except ValueError as error:
            raise ValueError(f"parameter {key!r}: {error}") from error
        keys.append(key)
    missing = [key for key in _required(parameters) if key not in properties]
    if missing:
        raise ValueError(f"required parameter {missing[0]!r} is not among its properties")
    if len(keys) > MAX_PARAMETERS:
        raise ValueError(f"{len(keys)} parameters are more than the {MAX_PARAMETERS} that can be enforced")
    return keys, rules


def _undeclared(name: str, parameters: dict[str, Any], root: dict[str, Any], keys: list[str]) -> str:
    """Rules for parameters beyond the declared ones; empty when there may be none."""
    schema = parameters.get("additionalProperties", False)
    if schema is False:
        return ""
    declared = "".join(f" & ~{literal(key)}" for key in keys)
    value = value_rule(f"{name}other", schema, "", root)
    return f'{name.upper()}KEY: ({_UNDECLARED}{declared}) ">\\n"\n{value}'


def _required(parameters: dict[str, Any]) -> list[str]:
    required = parameters.get("required", [])
    if not isinstance(required, list) or not all(isinstance(key, str) for key in required):
        raise ValueError(f"required is {json.dumps(required)}, not a list of names")
    return required


def _when_complete(keys: list[str], parameters: dict[str, Any]) -> str:
    """The condition that all required parameters have been written."""
    bits = [f"bit_set({keys.index(key)})" for key in dict.fromkeys(_required(parameters))]
    condition = "".join(f"and({bit}, " for bit in bits[:-1]) + "".join(bits[-1:]) + ")" * (len(bits) - 1)
    return f" %if {condition}" if condition else ""


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"the name {name!r} cannot be written in a call")
    return name
