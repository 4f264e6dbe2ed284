"""Whether a JSON schema that somebody sent is one at all: objects where objects belong, lists where lists do.

Checked before a schema is turned into a grammar, so that whatever reads it may rely on these shapes. Only
the keywords that schemas are made of; their values are left to the compiler of the grammar. Keywords: JSON
Schema 2020-12, and `items` as a list, `definitions` and `dependencies` of earlier drafts.
"""

import json
from typing import Any

MAX_DEPTH = 64  # of schemas within schemas
_SCHEMA = frozenset(
    (
        "additionalItems", "additionalProperties", "contains", "else", "if", "not", "propertyNames", "then",
        "unevaluatedItems", "unevaluatedProperties",
    )
)  # fmt: skip
_SCHEMAS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED_SCHEMAS = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))
_STRING = frozenset(("$ref", "format", "pattern"))
_STRINGS = frozenset(("required",))


def check_shape(schema: Any) -> None:
    """Raises ValueError naming the place in the schema, its value and what belongs there."""
    waiting = [("", schema, 0)]
    while waiting:
        place, part, depth = waiting.pop()
        if isinstance(part, bool):
            continue
        if not isinstance(part, dict):
            raise ValueError(f"{place or 'it'} must be a schema (an object, true or false), not {_shown(part)}")
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        for word, value in part.items():
            here = f"{place}.{word}" if place else word
            waiting += [(inner, item, depth + 1) for inner, item in _inner(here, word, value)]


def _inner(place: str, word: str, value: Any) -> list[tuple[str, Any]]:
    """The schemas that a keyword holds, with their places; ValueError when it holds something else."""
    if word in _SCHEMA or (word == "items" and not isinstance(value, list)):
        return [(place, value)]
    if word in _SCHEMAS or word == "items":
        if not isinstance(value, list):
            raise ValueError(f"{place} must be a list of schemas, not {_shown(value)}")
        return [(f"{place}[{index}]", item) for index, item in enumerate(value)]
    if word in _NAMED_SCHEMAS:
        if not isinstance(value, dict):
            raise ValueError(f"{place} must be an object, not {_shown(value)}")
        return [(f"{place}.{name}", item) for name, item in value.items()]
    if word in _STRING and not isinstance(value, str):
        raise ValueError(f"{place} must be a string, not {_shown(value)}")
    if word in _STRINGS and not _is_strings(value):
        raise ValueError(f"{place} must be a list of strings, not {_shown(value)}")
    if word == "type" and not (isinstance(value, str) or _is_strings(value)):
        raise ValueError(f"{place} must be a string or a list of strings, not {_shown(value)}")
    if word == "enum" and not isinstance(value, list):
        raise ValueError(f"{place} must be a list of values, not {_shown(value)}")
    return []


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
