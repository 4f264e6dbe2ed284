"""Schemas as texts: what of them is no part of a grammar, and how long the rest may be."""

import json

import pytest

from flashstep.chat.schema_text import MAX_BYTES, schema_text

NOTES = {
    "title": "t", "description": "d", "default": {"title": 1}, "examples": ["e"], "example": 1,
    "$comment": "c", "deprecated": True, "readOnly": True, "writeOnly": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "bare",
    [
        {"type": "string"},
        {"anyOf": [{"type": "null"}, {"items": {"type": "integer"}}], "not": {}},
        {"prefixItems": [{"const": 1}], "items": [{"type": "null"}], "additionalProperties": False},
        {"properties": {"a": {"properties": {"b": {}}}}, "$defs": {"c": {"$ref": "#"}}, "required": ["a"]},
    ],
)
def test_annotations_are_left_out_wherever_a_schema_stands(bare):
    def noted(part):
        """The same with notes in every object but those whose members have names of the client's."""
        if isinstance(part, list):
            return [noted(item) for item in part]
        if not isinstance(part, dict):
            return part
        inner = {
            word: {name: noted(item) for name, item in value.items()}
            if word in ("properties", "$defs")
            else noted(value)
            for word, value in part.items()
        }
        return inner | NOTES

    assert json.loads(schema_text(noted(bare))) == bare


@pytest.mark.parametrize("word", NOTES)
def test_names_and_values_that_read_like_annotations_stay(word):
    schema = {
        "properties": {word: {"type": "string"}},
        "$defs": {word: {"const": {word: 1}}},
        "patternProperties": {word: True},
        "required": [word],
        "enum": [{word: "x"}],
    }
    assert json.loads(schema_text(schema)) == schema


def test_the_limit_counts_bytes_without_annotations():
    room = MAX_BYTES - len('{"const": ""}')
    assert len(schema_text({"const": "x" * room, "description": "d" * MAX_BYTES}).encode()) == MAX_BYTES
    with pytest.raises(ValueError, match=f"it has {MAX_BYTES + 1} bytes, more than the {MAX_BYTES}"):
        schema_text({"const": "ü" + "x" * (room - 1)})


@pytest.mark.parametrize("wrong", [{"properties": [1]}, {"anyOf": 5}, {"items": "x"}, True, {"not": [[{}]]}])
def test_what_is_no_schema_is_left_to_the_check_of_its_shape(wrong):
    assert json.loads(schema_text(wrong)) == wrong
