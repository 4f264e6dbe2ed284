"""Grammars of answers: what they allow and forbid, and that our own parser reads back what they allow."""

import json

import jsonschema
import numpy as np
import pytest

from flashstep.chat.answer_grammar import grammar_for
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.chat.schema_text import MAX_BYTES
from flashstep.engine.grammar import CompiledGrammars
from flashstep.errors import InvalidRequest
from flashstep.types import FREE, AnswerRule, TextDelta, Tool, ToolCallDelta
from naive.grammar_walk import EOS, WISHES, vocabulary_of, write

CALLS = AnswerRule(required_tools=())


def tool(parameters, name="f", *, strict=False) -> Tool:
    function = {"name": name, "parameters": parameters, "strict": strict}
    return Tool(name, "", parameters, {"type": "function", "function": function})


def with_property(schema, **more) -> dict:
    return {"type": "object", "properties": {"a": schema}, "required": ["a"], **more}


def call(function="f", /, **values) -> str:
    pairs = "".join(f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in values.items())
    return f"<tool_call>\n<function={function}>\n{pairs}</function>\n</tool_call>"


@pytest.fixture(scope="module")
def grammars(tokenizer) -> CompiledGrammars:
    return CompiledGrammars(vocabulary_of(tokenizer))


@pytest.fixture(scope="module")
def allows(grammars, tokenizer):
    """Whether a model may write a whole text, in the tokens that it has learned to write it in."""

    def check(grammar: str, text: str) -> bool:
        constraint = grammars.constraint(grammar, EOS)
        for token_id in tokenizer.encode(text):
            if token_id in EOS or not constraint.allows(token_id):
                return False
            constraint.accept(token_id)
        return any(map(constraint.allows, EOS))

    return check


def test_an_answer_that_may_be_anything_has_no_grammar(weather_tool):
    assert grammar_for(FREE, [weather_tool]) is None
    assert grammar_for(AnswerRule(max_calls=1), [weather_tool]) is None


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        ('{"a": 1}', True),
        ('{"a":1}', True),
        ('{\n  "a": 1\n}', True),
        ('{"a":          1}', False),
        ('{"a": 1} ', False),
        ('\n{"a": 1}', False),
        ('Here: {"a": 1}', False),
        ('{"a": "1"}', False),
        ('{"b": 1}', False),
        ("", False),
        ('{"a": 1}<|im_end|>', False),
    ],
)
def test_json_is_one_value_with_little_blank_space_and_nothing_around_it(allows, text, is_allowed):
    rule = AnswerRule(json_schema=with_property({"type": "integer"}, additionalProperties=False))
    assert allows(grammar_for(rule, []), text) is is_allowed


@pytest.mark.parametrize(("text", "is_allowed"), [("{}", True), ('{"x": [1, {}]}', True), ("[]", False)])
def test_json_without_a_schema_is_any_object(allows, text, is_allowed):
    assert allows(grammar_for(AnswerRule(json_schema={}), []), text) is is_allowed


def test_json_beside_tools_is_a_value_or_calls_but_never_both(allows):
    grammar = grammar_for(AnswerRule(json_schema=with_property({"type": "integer"})), [tool({})])
    assert allows(grammar, '{"a": 1}')
    assert allows(grammar, call() + call(x="1"))
    assert not allows(grammar, '{"a": 1}' + call())
    assert not allows(grammar, "words")


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string"}, ["", "Zürich", " 1 ", "a\n\n<b>", "</param", "true", "\n"], ["null"]),
        ({"type": "string"}, ["nullx", "<tool_cal"], ["x</parameter>y", "<parameter=b>", "</function>"]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["üö", "日本語"], ["a", "abcd"]),
        ({"type": "string", "pattern": "^[a-z]+$"}, ["abc"], ["", "aBc"]),
        ({"type": "string", "pattern": "b"}, ["abc\nd", "b"], ["ac"]),
        ({"type": "string", "pattern": "^a|b$|[|]/"}, ["ax", "xb", "x|/x"], ["xa", "bx"]),
        ({"type": "string", "enum": ["c", "f", "null"]}, ["c", "f"], ["null", "cf", "C"]),
        ({"enum": ["a\"b\\/", 3, True]}, ['a"b\\/'], ["3", "true"]),
        ({"enum": [3, "x"]}, ["3", "x"], ["4"]),
        ({"const": "only"}, ["only"], ["other"]),
        ({"type": "integer"}, ["0", "-12"], ["", "01", "1.0", "x", "null", " 1"]),
        ({"type": "integer", "minimum": 1, "maximum": 14}, ["1", "14"], ["0", "15"]),
        ({"type": "integer", "multipleOf": 5}, ["15"], ["12"]),
        ({"type": "number"}, ["1", "-0.5", "1e5"], ["1e999", "NaN", ".5"]),
        ({"type": "number", "exclusiveMinimum": 0}, ["0.5"], ["0", "-1"]),
        ({"type": "boolean"}, ["true", "false"], ["True", "1", "null"]),
        ({"type": ["string", "null"]}, ["x", "null"], []),
        ({"anyOf": [{"type": "integer", "maximum": 5}, {"type": "null"}]}, ["5", "null"], ["6", "x"]),
        ({"type": "null"}, ["null"], ["x", ""]),
        ({}, ["anything", "null"], ["</function>"]),
        ({"type": "array", "items": {"type": "integer"}}, ["[]", "[1, 2]", "[1,\n 2]"], ["[1", "1", '["a"]']),
        ({"type": "object", "properties": {"k": {"enum": ["é"]}}}, ['{"k": "é"}'], ['{"k": "e"}', "null"]),
        ({"anyOf": [{"type": "object"}, {"type": "string"}]}, ['{"a": "b"}', '"x"'], ["x"]),
    ],
)  # fmt: skip
def test_a_parameter_is_written_as_its_schema_says_and_the_parser_reads(allows, schema, good, bad):
    grammar = grammar_for(CALLS, [tool(with_property(schema))])
    assert [text for text in good if not allows(grammar, call(a=text))] == []
    assert [text for text in bad if allows(grammar, call(a=text))] == []


@pytest.mark.parametrize(
    "parameters",
    [
        with_property({"$ref": "#/$defs/N"}, **{"$defs": {"N": {"type": "integer"}}}),
        with_property({"allOf": [{"$ref": "#/definitions/N"}]}, definitions={"N": {"type": "integer"}}),
        {"$ref": "#/$defs/P", "$defs": {"P": with_property({"type": "integer"})}},
    ],
)
def test_references_into_the_tools_schema_are_followed(allows, parameters):
    grammar = grammar_for(CALLS, [tool(parameters)])
    assert allows(grammar, call(a="7"))
    assert not allows(grammar, call(a="x"))


def test_references_inside_structures_reach_the_root_of_the_tools_schema(allows):
    tree = {"type": "object", "properties": {"child": {"$ref": "#/properties/a"}, "top": {"$ref": "#"}},
            "additionalProperties": False}  # fmt: skip
    grammar = grammar_for(CALLS, [tool(with_property(tree))])
    assert allows(grammar, call(a='{"child": {"child": {}}}'))
    assert allows(grammar, call(a='{"top": {"a": {}}}'))
    assert not allows(grammar, call(a='{"child": {"x": {}}}'))
    assert not allows(grammar, call(a='{"top": {}}'))


def test_parameters_come_in_any_order_once_and_the_required_ones_always(allows):
    properties = {key: {"type": "integer"} for key in "abc"}
    grammar = grammar_for(CALLS, [tool({"properties": properties, "required": ["a", "c"]})])
    assert allows(grammar, call(a=1, b=2, c=3))
    assert allows(grammar, call(c=1, a=2))
    assert not allows(grammar, call(a=1, b=2))
    assert not allows(grammar, call())
    assert not allows(grammar, call(a=1, c=3, d=4))
    assert not allows(grammar, call(a=1, c=3).replace("c>", "a>"))


@pytest.mark.parametrize(
    ("additional", "text", "is_allowed"),
    [
        (None, call(a=1, b="x"), False),
        (False, call(a=1, b="x"), False),
        (True, call(b="x", a=1, c="null"), True),
        ({"type": "string", "maxLength": 2}, call(a=1, b="xy"), True),
        ({"type": "string", "maxLength": 2}, call(a=1, b="xyz"), False),
        (True, call(a="x"), False),
    ],
)
def test_undeclared_parameters_come_where_the_schema_allows_them(allows, additional, text, is_allowed):
    more = {} if additional is None else {"additionalProperties": additional}
    grammar = grammar_for(CALLS, [tool(with_property({"type": "integer"}, **more))])
    assert allows(grammar, text) is is_allowed


def test_only_the_functions_that_are_asked_for_are_called(allows):
    tools = [tool({}, "a"), tool({}, "ab"), tool({}, "c")]
    grammar = grammar_for(AnswerRule(required_tools=("a", "c")), tools)
    assert allows(grammar, call("a") + call("c"))
    assert not allows(grammar, call("ab"))
    assert not allows(grammar, "x" + call("a"))
    assert not allows(grammar, "")


def test_one_call_at_most_is_exactly_one(allows):
    grammar = grammar_for(AnswerRule(required_tools=(), max_calls=1), [tool({})])
    assert allows(grammar, call())
    assert not allows(grammar, call() + call())


def test_strict_tools_hold_calls_in_free_text_to_their_schema(allows):
    tools = [tool(with_property({"type": "integer"}), "s", strict=True), tool({}, "loose")]
    grammar = grammar_for(FREE, tools)
    assert allows(grammar, "")
    assert allows(grammar, "just <b>words</b>")
    assert allows(grammar, "Let me see." + call("s", a=1) + "and" + call("loose", any="thing"))
    assert not allows(grammar, call("s"))
    assert not allows(grammar, call("s", a="x"))
    assert not allows(grammar, call("unknown"))
    assert not allows(grammar, "<function=s>")


@pytest.mark.parametrize(
    "parameters", [with_property({"type": "array", "uniqueItems": True}), {"anyOf": [{}]}]
)
def test_a_forced_tool_without_strict_whose_schema_cannot_be_enforced_is_held_to_the_format(
    allows, parameters
):
    tools = [tool(parameters, "loose"), tool(with_property({"type": "integer"}), "held")]
    grammar = grammar_for(CALLS, tools)
    assert allows(grammar, call("loose", a="[1, 1]", b="x"))
    assert allows(grammar, call("held", a=1) + call("loose"))
    assert not allows(grammar, call("held", a="x"))
    assert not allows(grammar, call("other"))
    assert not allows(grammar, call("loose").removesuffix("</tool_call>"))
    assert not allows(grammar, "words")


@pytest.mark.parametrize("is_strict", [True, False])
def test_a_schema_that_is_too_long_is_refused_for_a_strict_tool_only(is_strict):
    long = tool(with_property({"enum": ["x" * MAX_BYTES]}), strict=is_strict)
    if not is_strict:
        assert grammar_for(CALLS, [long])
        return
    with pytest.raises(InvalidRequest, match=f"more than the {MAX_BYTES} that can be enforced; split it up"):
        grammar_for(CALLS, [long])


REPEATED = {
    "type": "object",
    "properties": {f"p{i}": {"$ref": "#/$defs/d0"} for i in range(64)},
    "$defs": {f"d{i}": {"type": "array", "items": {"const": f"{i}" * 60}} for i in range(200)},
}


def test_a_schema_that_its_references_make_long_is_refused_for_a_strict_tool_only(allows):
    assert allows(grammar_for(CALLS, [tool(REPEATED), tool({}, "g")]), call(p1="anything"))
    with pytest.raises(InvalidRequest, match="function 'f'.*more than 400000 characters"):
        grammar_for(FREE, [tool(REPEATED, strict=True)])


def test_schemas_that_are_too_long_together_are_enforced_as_far_as_they_go(allows):
    long = with_property({"enum": [f"{i}" * 40 for i in range(1000)]})
    tools = [tool(long, f"f{i}", strict=i == 9) for i in range(9)]
    grammar = grammar_for(CALLS, tools)
    assert len(grammar) < 500_000
    assert not allows(grammar, call("f0", a="x"))
    assert allows(grammar, call("f8", a="x"))
    with pytest.raises(InvalidRequest, match="function 'f9'.*with the functions before it"):
        grammar_for(CALLS, [*tools, tool(long, "f9", strict=True)])


def test_hundreds_of_optional_members_are_enforced_to_the_end(allows):
    members = {f"member{i}": {"type": "integer"} for i in range(1500)}
    schema = {"type": "object", "properties": members, "additionalProperties": False}
    grammar = grammar_for(AnswerRule(json_schema=schema), [])
    assert allows(grammar, '{"member3": 1, "member7": 2, "member1499": 3}')
    assert not allows(grammar, '{"member3": 1, "other": 2}')


def test_a_response_format_that_is_too_long_is_refused():
    with pytest.raises(InvalidRequest, match=f"response_format.*more than the {MAX_BYTES}"):
        grammar_for(AnswerRule(json_schema={"const": "x" * MAX_BYTES}), [])


def test_annotations_change_no_grammar_and_a_parameter_may_be_called_like_one(allows):
    bare = {"type": "object", "properties": {"description": {"type": "integer"}}, "required": ["description"]}
    told = {**bare, "description": "d" * MAX_BYTES, "title": "t", "default": {}, "examples": [{}],
            "properties": {"description": {"type": "integer", "description": "x", "default": 3}}}  # fmt: skip
    assert grammar_for(CALLS, [tool(told)]) == grammar_for(CALLS, [tool(bare)])
    assert grammar_for(AnswerRule(json_schema=told), []) == grammar_for(AnswerRule(json_schema=bare), [])
    assert allows(grammar_for(CALLS, [tool(told)]), call(description=7))
    assert not allows(grammar_for(CALLS, [tool(told)]), call())


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (with_property({"type": "array", "uniqueItems": True}), "uniqueItems"),
        (with_property({"type": "string", "pattern": "a(?=b)"}), "look-around"),
        (with_property({"type": "string", "minLength": "1})/"}), "minLength"),
        (with_property({"type": "string", "enum": ["null"]}), "'a'"),
        (with_property({"$ref": "#/$defs/missing"}), "points to nothing"),
        (with_property({"$ref": "http://example.com/x"}), "inside the schema"),
        (with_property({"$ref": "#/properties/a"}), "itself"),
        (with_property({"type": "string", "not": {}}), "not is"),
        ({"anyOf": [{}]}, "anyOf"),
        ({"type": "string"}, "type"),
        ({"required": ["z"]}, "'z'"),
        ({"properties": {"a b\n": {}}}, "name"),
        ({"properties": {f"p{i}": {} for i in range(65)}}, "64"),
    ],
)
def test_a_schema_that_cannot_be_enforced_is_refused_with_function_and_reason(parameters, reason):
    with pytest.raises(InvalidRequest) as caught:
        grammar_for(CALLS, [tool(parameters, "my_function", strict=True)])
    assert "my_function" in caught.value.message
    assert reason in caught.value.message
    assert caught.value.param == "tools"


@pytest.mark.parametrize("schema", [{"type": "strin"}, {"not": {}}, {"$ref": "#/nothing"}])
def test_a_response_format_that_cannot_be_enforced_is_refused(schema):
    with pytest.raises(InvalidRequest, match="response_format") as caught:
        grammar_for(AnswerRule(json_schema=schema), [])
    assert caught.value.param == "response_format"


def test_a_tool_that_must_be_called_has_to_be_declared(weather_tool):
    for rule, tools in ((AnswerRule(required_tools=("nope",)), [weather_tool]), (CALLS, [])):
        with pytest.raises(InvalidRequest, match="tool_choice"):
            grammar_for(rule, tools)


WALKED = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "short": {"type": "string", "maxLength": 4},
        "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]?$"},
        "unit": {"type": "string", "enum": ["°C", "°F", "a b"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "count": {"type": ["integer", "null"]},
        "x": {"type": "number"},
        "flag": {"type": "boolean"},
        "point": {"$ref": "#/$defs/Point"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 3},
    },
    "required": ["short", "unit", "point"],
    "$defs": {
        "Point": {
            "type": "object",
            "properties": {
                "x": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/Point"}, {"type": "null"}]},
            },
            "required": ["x"],
            "additionalProperties": False,
        }
    },
}  # fmt: skip


OPEN = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "additionalProperties": {"type": "string"},
}
# Without a model nobody would ever come upon the end of a text.
WISHES_TO_END = WISHES + ("\n</parameter>\n", "</function>\n") * 8


def arguments_of(tokenizer, tools, max_calls, ids, cuts) -> tuple[list[tuple[str, str]], str]:
    """The (name, arguments as JSON text) of all calls, and the text, of ids cut at `cuts`."""
    decoder = ResponseDecoder(tokenizer, tools=tools, in_reasoning=False, max_calls=max_calls)
    events = []
    for start, stop in zip([0, *cuts], [*cuts, len(ids)], strict=True):
        events += decoder.feed(ids[start:stop])
    rest, reason = decoder.finish("stop")
    calls: dict[int, list[str]] = {}
    for event in [*events, *rest]:
        if isinstance(event, ToolCallDelta):
            found = calls.setdefault(event.index, ["", ""])
            found[0] += event.name or ""
            found[1] += event.arguments
    text = "".join(event.text for event in [*events, *rest] if isinstance(event, TextDelta))
    assert reason == ("tool_calls" if calls else "stop")
    return [(name, arguments) for name, arguments in calls.values()], text


@pytest.mark.parametrize("rule", [CALLS, AnswerRule(required_tools=("f",), max_calls=1), FREE])
def test_whatever_a_grammar_allows_is_parsed_to_arguments_of_the_schema_in_every_cut(
    grammars, tokenizer, rule
):
    schemas = {"f": WALKED, "g": OPEN, "ping": {"type": "object", "additionalProperties": False}}
    tools = [tool(schema, name, strict=True) for name, schema in schemas.items()]
    grammar = grammar_for(rule, tools)
    called: list[str] = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        opening = tokenizer.encode(f"<tool_call>\n<function={[*schemas][seed % 3]}>")
        ids, is_whole = write(grammars, grammar, rng, opening=opening, wishes=WISHES_TO_END)
        if not is_whole:
            continue
        calls, text = arguments_of(tokenizer, tools, rule.max_calls, ids, [])
        assert rule.required_tools is None or (calls and not text)
        assert rule.max_calls is None or len(calls) == 1
        for name, arguments in calls:
            jsonschema.validate(json.loads(arguments), schemas[name])
        cuts = sorted(rng.choice(len(ids), size=min(len(ids), 9), replace=False).tolist()) if ids else []
        assert arguments_of(tokenizer, tools, rule.max_calls, ids, cuts) == (calls, text)
        assert arguments_of(tokenizer, tools, rule.max_calls, ids, list(range(1, len(ids)))) == (calls, text)
        called += [name for name, _ in calls]
    assert called.count("f") > 5
    assert set(called) == {"f"} if rule.max_calls else {"f", "g", "ping"}
