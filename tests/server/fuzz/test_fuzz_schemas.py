"""Whatever JSON schema a client sends, an answer is held to it or the schema is refused, in bounded time."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flashstep.chat.answer_grammar import grammar_for
from flashstep.chat.coerce import coerce, parameter_type
from flashstep.engine.grammar import CompiledGrammars
from flashstep.engine.grammar_vocabulary import GrammarVocabulary
from flashstep.errors import InvalidRequest
from flashstep.types import AnswerRule, Tool
from server.fuzz.bodies import ANY_JSON, WEATHER_SCHEMA, mutated
from server.scripted_model import small_tokenizer

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
DEEP = settings(QUICK, max_examples=800)
TOKENIZER = small_tokenizer()
VOCABULARY = GrammarVocabulary(
    TOKENIZER.vocab_size,
    TOKENIZER.token_bytes,
    control_token_ids=TOKENIZER.added_tokens.contents,
    eos_token_ids=(TOKENIZER.vocab_size - 1,),
)


def enforced(schema, *, as_tool):
    """Hold an answer to the schema, as JSON or as arguments; the reason when that is refused."""
    wire = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    rule = AnswerRule(required_tools=()) if as_tool else AnswerRule(json_schema=schema)
    reason = None
    try:
        grammar = grammar_for(rule, (Tool("f", "", schema, wire),) if as_tool else ())
        grammars = CompiledGrammars(VOCABULARY)
        grammars.check(grammar)
        grammars.constraint(grammar, frozenset())
    except InvalidRequest as error:
        reason = error.message
    assert reason is None or reason.strip()
    return reason


def read_back(schema):
    """Read a call's texts as its schema says, which happens with any schema, strict or not."""
    properties = schema.get("properties")
    for key in properties if isinstance(properties, dict) else ("a",):
        for text in ("1", "null", "x", "[1]", "{", "True"):
            json.dumps(coerce(text, parameter_type(schema, key)), allow_nan=False)


def check(schema):
    """Everything that a schema is used for."""
    read_back(schema)
    enforced(schema, as_tool=True)
    enforced(schema, as_tool=False)


SCHEMAS = mutated((WEATHER_SCHEMA,)) | st.dictionaries(
    st.sampled_from(("type", "properties", "items", "anyOf", "$ref", "$defs", "enum", "required", "pattern")),
    ANY_JSON,
    max_size=4,
)


@QUICK
@given(schema=SCHEMAS)
def test_a_damaged_schema_is_enforced_or_refused(schema):
    check(schema)


@pytest.mark.slow
@DEEP
@given(schema=SCHEMAS)
def test_thousands_of_damaged_schemas_are_enforced_or_refused(schema):
    check(schema)


def of(value):
    """A schema with one required parameter."""
    return {"type": "object", "properties": {"a": value}, "required": ["a"]}


def nested(depth):
    """Objects within objects."""
    return of(nested(depth - 1)) if depth else {"type": "string"}


def multiplied(depth, width):
    """A few lines whose references stand for width ** depth alternatives."""
    choices = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * width} for level in range(depth)}
    return of({"$ref": "#/$defs/d0"}) | {"$defs": choices | {f"d{depth}": {"title": "end"}}}


WRONG = {
    "an enum that is no list": (of({"enum": False}), "properties.a.enum must be a list of values, not false"),
    "alternatives that are no list": (of({"anyOf": 5}), "properties.a.anyOf must be a list of schemas"),
    "a type that is no name": (of({"type": {"a": 1}}), "properties.a.type must be a string or a list"),
    "properties that are no object": ({"type": "object", "properties": [1]}, "properties must be an object"),
    "a parameter that is no schema": (of("string"), "properties.a must be a schema"),
    "required that is no list": (of({}) | {"required": "a"}, "required must be a list of strings"),
    "a reference that is no text": (of({"$ref": 3}), "properties.a.$ref must be a string"),
    "another document": (of({"$ref": "https://example.com/x"}), "https://example.com/x"),
    "a step of nothing": (of({"multipleOf": 0}), "properties.a.multipleOf must be a positive number"),
    "a step of a hundred million": (of({"type": "integer", "multipleOf": 10**8}), "multipleOf"),
    "two steps without a common factor": (
        of({"allOf": [{"type": "integer", "multipleOf": 997}, {"multipleOf": 991}]}),
        "common multiple of all multipleOf",
    ),
    # The compiler of grammars recurses without end over these.
    "the smallest number": (of({"const": -(2**63)}), "so near the smallest 64-bit integer"),
    "one within a list of lists": (of({"enum": [1, [{"x": [5 - 2**63]}]]}), "a.enum has -92233720"),
    "a range down there": (of({"type": "integer", "minimum": -(2.0**63), "maximum": 700 - 2**63}), "so near"),
    "endless depth": (nested(70), "more than 64 levels"),
    "thousands of parts": (of({"properties": {f"p{i}": {} for i in range(2100)}}), "more than 2000 schemas"),
    "thousands of values": (of({"enum": list(range(6000))}), "more than 5000 enum values"),
    # Its message cuts a character in two, which is a panic and no error.
    "what the compiler breaks down over": (
        of({"type": "number", "minimum": {"x": "a" * 93 + "é"}}), "the compiler of grammars cannot cope"
    ),
}  # fmt: skip


@pytest.mark.parametrize("as_tool", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_a_schema_that_cannot_be_enforced_is_refused_with_the_reason(name, as_tool):
    schema, reason = WRONG[name]
    read_back(schema)
    assert reason in enforced(schema, as_tool=as_tool)


BIG = {
    "a reference to itself, thirty times": of({"anyOf": [{"$ref": "#/properties/a"}] * 30}),
    "references that multiply": multiplied(15, 30),
    "a repeated repetition": of({"type": "string", "pattern": "^((a{1000}){1000}){1000}$"}),
    "a pattern that explodes when determined": of({"type": "string", "pattern": "^(a|b)*a(a|b){25}$"}),
    "a text of any length": of({"type": "string", "minLength": 10**9, "maxLength": 10**10}),
    "a list of any length": of({"type": "array", "minItems": 10**9, "items": {"type": "integer"}}),
    "a range of any size": of({"type": "integer", "minimum": -(10**60), "maximum": 10**60}),
    "the finest step": of({"type": "number", "multipleOf": 1e-12}),
}


@pytest.mark.parametrize("as_tool", [True, False])
@pytest.mark.parametrize("name", BIG)
def test_a_schema_of_a_few_lines_cannot_keep_the_server_busy(name, as_tool):
    read_back(BIG[name])
    enforced(BIG[name], as_tool=as_tool)
