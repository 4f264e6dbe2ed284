"""Parameter texts and the JSON values they become, type by type."""

import json
import logging
from typing import Any

import pytest

from flashstep.chat.coerce import coerce, parameter_type


@pytest.mark.parametrize(
    ("text", "type_name", "value"),
    [
        ("007", "string", "007"),
        ('{"a": 1}', "string", '{"a": 1}'),
        (" x \n", "string", " x \n"),
        ("None", "string", "None"),
        ("null", "string", None),
        ("nullify", "string", "nullify"),
        ("null", "integer", None),
        ("NULL", "object", None),
        ("None", "boolean", None),
        (" 42 ", "integer", 42),
        ("-7", "int32", -7),
        ("4.0", "integer", "4.0"),
        ("x", "integer", "x"),
        ("1_000", "integer", "1_000"),
        ("9" * 5000, "integer", "9" * 5000),
        ("3", "number", 3),
        ("3.0", "number", 3.0),
        ("1e3", "float", 1000.0),
        ("nan", "number", "nan"),
        ("1e999", "number", "1e999"),
        ("", "number", ""),
        ("TRUE", "boolean", True),
        ("false", "bool", False),
        ("yes", "boolean", False),
        ('{"b": 1, "a": [null]}', "object", {"b": 1, "a": [None]}),
        ("{'a': True, 'b': (1, 2)}", "object", {"a": True, "b": [1, 2]}),
        ("[1, 2", "array", "[1, 2"),
        ("{1, 2}", "array", "{1, 2}"),
        ("[NaN]", "array", "[NaN]"),
        ("[1e999]", "array", "[1e999]"),
        ('"\\ud83d"', "object", '"\\ud83d"'),
        ("[" * 5000, "array", "[" * 5000),
        ("__import__('os')", "object", "__import__('os')"),
        ("anything", "mystery", "anything"),
    ],
)
def test_a_text_becomes_the_value_its_type_says(text: str, type_name: str, value: Any) -> None:
    result = coerce(text, type_name)
    assert result == value
    assert type(result) is type(value)
    json.dumps(result, ensure_ascii=False, allow_nan=False).encode()


def test_a_boolean_that_is_none_is_false_with_a_warning(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        assert coerce("maybe", "boolean") is False
        assert coerce("false", "boolean") is False
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": "Integer"}, "integer"),
        ({"type": ["null", "number"]}, "number"),
        ({"anyOf": [{"type": "null"}, {"type": "array"}]}, "array"),
        ({"oneOf": [{"type": "boolean"}]}, "boolean"),
        ({"allOf": [{"description": "x"}, {"type": "object"}]}, "object"),
        ({"$ref": "#/$defs/Size"}, "integer"),
        ({"anyOf": [{"$ref": "#/$defs/Loop"}, {"type": "number"}]}, "number"),
        ({"$ref": "#/$defs/Missing"}, "string"),
        ({"enum": [1, 2]}, "integer"),
        ({"enum": [None, "a"]}, "string"),
        ({"const": True}, "boolean"),
        ({"properties": {}}, "object"),
        ({"items": {"type": "string"}}, "array"),
        ({"type": "null"}, "string"),
        ({}, "string"),
        (True, "string"),
    ],
)
def test_the_type_of_a_parameter_is_the_first_usable_one(schema: Any, expected: str) -> None:
    definitions = {"Size": {"type": "integer"}, "Loop": {"$ref": "#/$defs/Loop"}}
    tool_schema = {"type": "object", "properties": {"k": schema}, "$defs": definitions}
    assert parameter_type(tool_schema, "k") == expected


@pytest.mark.parametrize(
    "top", [{"$ref": "#/$defs/P"}, {"$ref": "#/$defs/Q"}, {"$ref": "#/$defs/P", "type": "object"}]
)
def test_a_reference_at_the_top_is_followed(top: dict[str, Any]) -> None:
    definitions = {"P": {"properties": {"k": {"type": "integer"}}}, "Q": {"$ref": "#/$defs/P"}}
    assert parameter_type({**top, "$defs": definitions}, "k") == "integer"


@pytest.mark.parametrize("reference", ["#", "#/$defs/Loop", "#/$defs/Missing", "http://x"])
def test_a_reference_that_leads_nowhere_tells_nothing(reference: str) -> None:
    schema = {"$ref": reference, "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}
    assert parameter_type(schema, "k") == "string"


@pytest.mark.parametrize("schema", [{}, {"properties": None}, {"properties": {"other": {"type": "integer"}}}])
def test_an_undeclared_parameter_is_text(schema: dict[str, Any]) -> None:
    assert parameter_type(schema, "k") == "string"
