"""A parameter's text -> a JSON value, as its schema in the tool's declaration says.

The model writes every value as plain text. Text of a string parameter stays as it is; a value that its
type cannot hold stays text, so nothing is lost. What comes out always survives `json.dumps` as strict JSON.
"""

import ast
import json
import logging
import math
import re
from typing import Any

logger = logging.getLogger("flashstep.chat")

_MAX_DEPTH = 16  # of nested anyOf
_INTEGER = re.compile(r"[+-]?[0-9]{1,4000}")  # Python refuses longer ones
_STRING_TYPES = ("string", "str", "text", "varchar", "char", "enum")
STRUCTURES = ("object", "array", "dict", "list")


def parameter_type(tool_schema: dict[str, Any], key: str) -> str:
    """The JSON type (lower case) of parameter `key`; "string" when the schema does not tell."""
    properties = _top(tool_schema).get("properties")
    if not isinstance(properties, dict) or key not in properties:
        return "string"
    return _type_of(properties[key], tool_schema, 0, set()) or "string"


def is_string_type(type_name: str) -> bool:
    """True when values of this type are passed on as text."""
    return type_name.startswith(_STRING_TYPES)


def coerce(text: str, type_name: str) -> Any:
    """The value that `text` spells for this type; `null` is null for every type; `text` itself when it
    does not fit.

    >>> [coerce("3", "integer"), coerce("3", "string"), coerce("{'a': 1}", "object"), coerce("x", "number")]
    [3, '3', {'a': 1}, 'x']
    """
    if is_string_type(type_name):
        return None if text == "null" else text
    bare = text.strip()
    if bare.lower() == "null" or bare == "None":
        return None
    if type_name.startswith(("int", "uint", "long", "short", "unsigned")):
        return int(bare) if _INTEGER.fullmatch(bare) else text
    if type_name.startswith(("num", "float", "double", "decimal")):
        return _number(bare, text)
    if type_name.startswith("bool"):
        return _boolean(bare)
    if type_name.startswith(STRUCTURES):
        return _structure(bare, text)
    return text


def _number(bare: str, text: str) -> Any:
    """Integral text without point or exponent is an int; infinities and NaN are no JSON."""
    if _INTEGER.fullmatch(bare):
        return int(bare)
    try:
        value = float(bare)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def _boolean(bare: str) -> bool:
    if bare.lower() not in ("true", "false"):
        logger.warning("a boolean parameter of a tool call is neither true nor false; taken as false")
    return bare.lower() == "true"


def _structure(bare: str, text: str) -> Any:
    """JSON first, then a Python literal (single quotes, True); dumps and loads leave plain JSON values."""
    for read in (json.loads, ast.literal_eval):
        try:
            strict = json.dumps(read(bare), ensure_ascii=False, allow_nan=False)
            strict.encode()  # a lone surrogate could not be sent
            return json.loads(strict)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return text


def _type_of(schema: Any, root: dict[str, Any], depth: int, seen: set[str]) -> str | None:
    """The first usable type of a schema: its type, else of its alternatives, else of its example values.
    `seen`: references that were followed; a second time they would tell nothing new, without end."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    declared = schema.get("type")
    names = declared if isinstance(declared, list) else [declared]
    usable = [n.strip().lower() for n in names if isinstance(n, str) and n.strip().lower() != "null"]
    if usable:
        return usable[0]
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference in seen:
            return None
        seen.add(reference)
        return _type_of(_resolve(reference, root), root, depth + 1, seen)
    for word in ("anyOf", "oneOf", "allOf"):
        options = schema.get(word)
        for option in options if isinstance(options, list) else ():
            found = _type_of(option, root, depth + 1, seen)
            if found is not None:
                return found
    return _implied_type(schema)


def _top(tool_schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of all parameters, which a reference at its top may name."""
    schema, seen = tool_schema, set()
    while isinstance(reference := schema.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        target = _resolve(reference, tool_schema)
        if not isinstance(target, dict):
            break
        schema = {**{key: value for key, value in schema.items() if key != "$ref"}, **target}
    return schema


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    """The part of `root` that a local reference (`#/$defs/Name`) points to; None when there is none."""
    target: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        target = target.get(part) if isinstance(target, dict) else None
    return target


def _implied_type(schema: dict[str, Any]) -> str | None:
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list):
        return None
    kinds = {bool: "boolean", int: "integer", float: "number", dict: "object", list: "array", str: "string"}
    return next((kinds[type(value)] for value in values if type(value) in kinds), None)
