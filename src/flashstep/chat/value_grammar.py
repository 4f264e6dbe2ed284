"""What the text of one parameter of a tool call may be, as a rule of a Lark grammar.

The call format writes a value as plain text, and `coerce` reads it back by the parameter's type: text
stays text, everything else is JSON. So only texts are allowed that `coerce` turns into a value of the
schema; the text `null`, for example, is always read as null and so no string. A type that the reader
cannot tell from the parameter's first one (a number beside a string) is left out. `format` of a string
is an annotation here. Not excluded, inside objects and arrays: strings that spell the format's own
closing tags, and numbers beyond float64.
"""

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import llguidance

from flashstep.chat.coerce import STRUCTURES, coerce, is_string_type, parameter_type

# One blank, or a line break with its indentation: pretty-printing is possible, endless blanks are not.
_SPACED = {"whitespace_pattern": " |\\n[ \\t]{0,12}"}
_COMPACT = {"whitespace_flexible": False}
# What texts are made of; the rules of values refer to these by name.
TERMINALS = r"""
ANY: /(?s:.*)/ & ~/(?s:.*)(<\/parameter>|<parameter=|<\/function>)(?s:.*)/
TEXT: ANY & ~/null/
INTEGER: /-?(0|[1-9][0-9]{0,99})/
NUMBER: /-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?/
"""
VALUE_END = "\n</parameter>\n"
_TAGS = ("</parameter>", "<parameter=", "</function>")
# Words that restrict a value of a type; all others are annotations, or about other types.
_UNSUPPORTED = frozenset(("not", "if", "$dynamicRef", "$recursiveRef"))
_OF_NUMBERS = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"))
_OF_STRINGS = frozenset(("minLength", "maxLength", "pattern"))
_OF_ALL = frozenset(("type", "enum", "const", "anyOf", "oneOf", "allOf"))
_RESTRICTIONS = _UNSUPPORTED | _OF_NUMBERS | _OF_STRINGS | _OF_ALL
_MAX_DEPTH = 16  # of nested $ref and anyOf, so that a schema that refers to itself ends
_MAX_ALTERNATIVES = 1000  # looked at for one value: references can multiply a few lines endlessly


def value_rule(name: str, schema: Any, key: str, parameters: dict[str, Any]) -> str:
    """Lark lines that define the rule `name`: a value's text and the closing tag behind it.

    schema: of the value, a part of `parameters`, which is the tool's whole schema. key: the parameter's
    name, "" for one that is not declared. ValueError says what of the schema cannot be enforced.
    """
    kind = parameter_type(parameters, key)
    if kind.startswith(STRUCTURES):
        return f"{name}: {json_rule(schema, parameters)} {literal(VALUE_END)}\n"
    leaves = list(_leaves(schema, parameters, 0, count(1)))
    texts = [text for leaf in leaves for text in _texts(leaf, kind)]
    bounded = [leaf for leaf in leaves if _is_bounded_number(leaf, kind)]
    if not texts and not bounded:
        raise ValueError(f"no value can be written as the text of a {kind} parameter")
    options = [f"{_json({'anyOf': bounded}, _COMPACT)} {literal(VALUE_END)}"] if bounded else []
    if not texts:
        return f"{name}: {options[0]}\n"
    # Text and tag are one terminal: where the text ends is only known behind the tag.
    terminal = f"{name.upper()}: ({' | '.join(dict.fromkeys(texts))}) {literal(VALUE_END)}\n"
    return f"{name}: {' | '.join([name.upper(), *options])}\n{terminal}"


def json_rule(schema: Any, root: dict[str, Any] | None = None) -> str:
    """A Lark expression for one JSON value of `schema`, without blanks around it. `root` has the
    definitions that local references of `schema` point to; None = `schema` itself."""
    moved = schema if root is None else _moved(schema)
    if moved != schema:
        moved = {**moved, "$defs": {"root": _moved(root)}}
    return _json(moved, _SPACED)


def literal(text: str) -> str:
    """`text` as a Lark string."""
    return json.dumps(text, ensure_ascii=False)


def resolve(schema: Any, root: dict[str, Any]) -> Any:
    """The part of `root` that a schema's `$ref` points to, else the schema itself. ValueError when
    there is no such part, or the reference is not a local one."""
    for _ in range(_MAX_DEPTH):
        if not isinstance(schema, dict) or "$ref" not in schema:
            return schema
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        schema = _merged(_target(schema["$ref"], root), rest)
    raise ValueError("its $ref leads back to itself")


def _json(schema: Any, options: dict[str, Any]) -> str:
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise ValueError(f"{json.dumps(schema)} is not a schema that allows a value")
    return f"%json {json.dumps({**schema, 'x-guidance': options}, ensure_ascii=False)}"


def _moved(schema: Any) -> Any:
    """The same with the references to its root pointing to `$defs/root`."""
    if isinstance(schema, list):
        return [_moved(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _moved(value) for key, value in schema.items()}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = "#/$defs/root" + reference.removeprefix("#")
    return moved


def _target(reference: Any, root: dict[str, Any]) -> Any:
    target: Any = root
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise ValueError(f"$ref {reference!r} is not a reference inside the schema (#/$defs/...)")
    for part in filter(None, reference.removeprefix("#").split("/")):
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(target, dict) or part not in target:
            raise ValueError(f"$ref {reference!r} points to nothing")
        target = target[part]
    return target


def _leaves(schema: Any, root: dict[str, Any], depth: int, visits: Iterator[int]) -> Iterator[dict[str, Any]]:
    """The schemas of single types (or none, or of listed values) whose union `schema` is; `visits`
    counts what has been looked at."""
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply or refers to itself")
    if next(visits) > _MAX_ALTERNATIVES:
        raise ValueError(f"it has more than {_MAX_ALTERNATIVES} alternatives")
    schema = resolve(schema, root)
    if schema is False:
        return
    if schema is not True and not isinstance(schema, dict):
        raise ValueError(f"{json.dumps(schema)} is not a schema")
    leaf: dict[str, Any] = {} if schema is True else schema
    word = next((w for w in ("anyOf", "oneOf", "allOf") if w in leaf), None)
    if word is not None:
        options = leaf[word]
        if not isinstance(options, list) or (word == "allOf" and len(options) != 1):
            raise ValueError(f"{word} is not supported here" if options else f"{word} is empty")
        rest = {key: value for key, value in leaf.items() if key != word}
        for option in options:
            yield from _leaves(_merged(resolve(option, root), rest), root, depth + 1, visits)
    elif isinstance(leaf.get("type"), list):
        for name in leaf["type"]:
            yield from _leaves({**leaf, "type": name}, root, depth + 1, visits)
    else:
        yield leaf


def _merged(schema: Any, rest: dict[str, Any]) -> Any:
    """Both schemas at once, as far as no word says something in both."""
    if not isinstance(schema, dict):
        return rest if schema is True else schema
    clash = sorted(k for k in schema.keys() & rest.keys() & _RESTRICTIONS if schema[k] != rest[k])
    if clash:
        raise ValueError(f"{clash[0]} is given twice, beside and inside of $ref, anyOf, oneOf or allOf")
    return {**rest, **schema}


def _texts(leaf: dict[str, Any], kind: str) -> list[str]:
    """Regular expressions of the texts of a leaf's values."""
    if "const" in leaf or "enum" in leaf:
        values = [leaf["const"]] if "const" in leaf else leaf["enum"]
        return [literal(text) for value in values for text in _spelled(value, leaf, kind)]
    match leaf.get("type"):
        case "null":
            return [literal("null")]
        case None if is_string_type(kind):
            return [_string(leaf) if leaf.keys() & (_OF_STRINGS | _UNSUPPORTED) else "ANY"]
        case "string" if is_string_type(kind):
            return [_string(leaf)]
        case "boolean" if kind == "boolean":
            return [literal("true"), literal("false")]
        case "integer" if kind in ("integer", "number") and not leaf.keys() & _RESTRICTIONS - {"type"}:
            return ["INTEGER"]
        case "number" if kind == "number" and not leaf.keys() & _RESTRICTIONS - {"type"}:
            return ["NUMBER"]
    return []


def _is_bounded_number(leaf: dict[str, Any], kind: str) -> bool:
    """True for numbers that only a JSON schema can describe."""
    types = {"integer": ("integer",), "number": ("integer", "number")}.get(kind, ())
    return leaf.get("type") in types and not {"enum", "const"} & leaf.keys() and not _texts(leaf, kind)


def _spelled(value: Any, leaf: dict[str, Any], kind: str) -> list[str]:
    """The text that is read back as `value`; none when there is no such text."""
    if leaf.get("type") == "string" and not isinstance(value, str):
        return []
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    read = coerce(text, kind)
    is_same = type(read) is type(value) and read == value
    return [text] if is_same and not any(tag in text for tag in _TAGS) else []


def _string(leaf: dict[str, Any]) -> str:
    """A text of the leaf's length, in characters, and pattern."""
    unsupported = sorted(leaf.keys() & _UNSUPPORTED)
    if unsupported:
        raise ValueError(f"{unsupported[0]} is not supported for text")
    parts = ["TEXT"]
    least, most = leaf.get("minLength", 0), leaf.get("maxLength")
    if not isinstance(least, int) or not isinstance(most, int | None):
        raise ValueError("minLength and maxLength must be integers")
    if least or most is not None:
        parts.append(f"/(?s:.{{{least},{'' if most is None else most}}})/")
    if "pattern" in leaf:
        parts.append(f"/{_searching(leaf['pattern'])}/")
    return f"({' & '.join(parts)})"


def _searching(pattern: Any) -> str:
    """A regular expression for the whole text from one that may match anywhere in it."""
    if not isinstance(pattern, str):
        raise ValueError(f"pattern is {json.dumps(pattern)}, not a string")
    branches = [_anchored(branch) for branch in _branches(pattern)]
    return llguidance.regex_to_lark("|".join(f"(?:{branch})" for branch in branches), "dw")


def _anchored(branch: str) -> str:
    start = "" if branch.startswith("^") else "(?s:.*)"
    end = re.search(r"(?<!\\)(?:\\\\)*(\$)\Z", branch)
    body = branch.removeprefix("^")[: -1 if end else None]
    return f"{start}(?:{body})" + ("" if end else "(?s:.*)")


def _branches(pattern: str) -> list[str]:
    """The alternatives at the top of a regular expression.

    >>> _branches("^a|(b|c)[|]$")
    ['^a', '(b|c)[|]$']
    """
    branches, depth, in_class = [""], 0, False
    for piece in re.findall(r"\\.|.", pattern, re.DOTALL):
        if piece in "[]":
            in_class = piece == "["
        elif piece in "()" and not in_class:
            depth += 1 if piece == "(" else -1
        if piece == "|" and depth == 0 and not in_class:
            branches.append("")
        else:
            branches[-1] += piece
    return branches
