"""Whether a JSON schema that somebody sent is one at all, and of a size that can be enforced.

Checked before a schema is turned into a grammar, so that whatever reads it may rely on the shapes (objects
where objects belong, lists where lists do), and that compiling it takes a fraction of a second. What values
mean is left to the compiler of the grammar. Keywords: JSON Schema 2020-12, and `items` as a list and
`definitions` of earlier drafts.
"""

import json
import math
from fractions import Fraction
from typing import Any

MAX_DEPTH = 64  # of schemas within schemas
MAX_SCHEMAS = 2000  # schemas within one
MAX_LISTED_VALUES = 5000  # of all enums together
# The least common multiple of all `multipleOf`: the compiler makes a state for each remainder, in time that
# grows with their square.
MAX_MULTIPLE = 50_000
# Upper ends of ranges of numbers that are this near the smallest 64-bit integer send the compiler's code for
# ranges into a recursion without end, which kills the process.
_DEADLY = range(-(2**63) - 2**32, -(2**63) + 2**32)
_UPPER_ENDS = frozenset(("const", "enum", "exclusiveMaximum", "maximum"))
SCHEMA = frozenset(
    (
        "additionalItems", "additionalProperties", "contains", "else", "if", "not", "propertyNames", "then",
        "unevaluatedItems", "unevaluatedProperties",
    )
)  # fmt: skip
SCHEMAS = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
NAMED_SCHEMAS = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))
_STRING = frozenset(("$ref", "format", "pattern"))
_STRINGS = frozenset(("required",))


def check_shape(schema: Any) -> None:
    """Raises ValueError naming the place in the schema, its value and what belongs there, or the limit."""
    waiting = [("", schema, 0)]
    num_schemas, num_values, multiple = 0, 0, 1
    while waiting:
        place, part, depth = waiting.pop()
        num_schemas += 1
        if isinstance(part, bool):
            continue
        if not isinstance(part, dict):
            raise ValueError(
                f"{place or 'it'} must be a schema (an object, true or false), not {_shown(part)}"
            )
        _check_limit(depth, MAX_DEPTH, "levels of schemas within schemas")
        for word, value in part.items():
            here = f"{place}.{word}" if place else word
            waiting += [(inner, item, depth + 1) for inner, item in _inner(here, word, value)]
            num_values += len(value) if word == "enum" else 0
            if word in _UPPER_ENDS:
                _check_numbers(here, value)
            if word == "multipleOf":
                multiple = math.lcm(multiple, _numerator(here, value))
        _check_limit(num_schemas + len(waiting), MAX_SCHEMAS, "schemas")
        _check_limit(num_values, MAX_LISTED_VALUES, "enum values")
        _check_limit(multiple, MAX_MULTIPLE, "as the least common multiple of all multipleOf")


def _check_limit(number: int, limit: int, what: str) -> None:
    if number > limit:
        raise ValueError(f"it has more than {limit} {what}")


def _check_numbers(place: str, value: Any) -> None:
    """Raises ValueError for a number in `value`, at any depth, that the compiler does not survive."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
        elif isinstance(part, int | float) and _DEADLY.start <= part < _DEADLY.stop:
            raise ValueError(
                f"{place} has {part}: numbers so near the smallest 64-bit integer cannot be enforced"
            )


def _numerator(place: str, value: Any) -> int:
    """Of the number as a fraction in lowest terms: 0.25 is 1/4."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError(f"{place} must be a positive number, not {_shown(value)}")
    return Fraction(str(value)).numerator


def _inner(place: str, word: str, value: Any) -> list[tuple[str, Any]]:
    """The schemas that a keyword holds, with their places; ValueError when it holds something else."""
    if word in SCHEMA or (word == "items" and not isinstance(value, list)):
        return [(place, value)]
    if word in SCHEMAS or word == "items":
        if not isinstance(value, list):
            raise ValueError(f"{place} must be a list of schemas, not {_shown(value)}")
        return [(f"{place}[{index}]", item) for index, item in enumerate(value)]
    if word in NAMED_SCHEMAS:
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
