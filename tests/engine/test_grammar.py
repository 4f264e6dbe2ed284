"""Answers held to a grammar, on models that produce garbage: whatever comes out must be of the grammar."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from driving import drain, prompt, request, run

from flashstep.chat.answer_grammar import grammar_for
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.engine.engine import Engine
from flashstep.engine.grammar import MAX_CACHED, MAX_CACHED_CHARS, CompiledGrammars
from flashstep.engine.grammar_vocabulary import GrammarVocabulary
from flashstep.engine.runner import Runner
from flashstep.errors import InvalidRequest
from flashstep.types import AnswerRule, TextDelta, Tool, ToolCallDelta
from naive.grammar_walk import EOS, vocabulary_of
from naive.runner import FakeRunner

WORD = {"type": "string", "maxLength": 12}
SCHEMAS = {
    "nested": {
        "type": "object",
        "properties": {
            "name": WORD,
            "place": {
                "type": "object",
                "properties": {"x": {"type": "integer", "minimum": -9, "maximum": 99}, "city": WORD},
                "required": ["x"],
                "additionalProperties": False,
            },
        },
        "required": ["name", "place"],
        "additionalProperties": False,
    },
    "enums": {
        "type": "object",
        "properties": {"unit": {"enum": ["°C", "°F", "kelvin", None, 7]}, "kind": {"const": "天気"}},
        "required": ["unit", "kind"],
        "additionalProperties": False,
    },
    "array": {
        "type": "array", "minItems": 1, "maxItems": 4, "items": {"anyOf": [{"type": "boolean"}, WORD]},
    },
    "unicode": {
        "type": "object",
        "properties": {"schlüssel": WORD, "日本": {"type": "string", "pattern": "^[ぁ-ん🎉]{1,4}$"}},
        "required": ["schlüssel", "日本"],
        "additionalProperties": False,
    },
    "references": {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "minimum": 0, "maximum": 999},
                    "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                },
                "required": ["id", "next"],
                "additionalProperties": False,
            }
        },
    },
}  # fmt: skip
PARAMETERS = {
    "type": "object",
    "properties": {
        "city": WORD,
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "more": SCHEMAS["nested"],
    },
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [
    Tool("weather", "", PARAMETERS, {}),
    Tool("ping", "", {"type": "object", "additionalProperties": False}, {}),
]
JSON = {name: grammar_for(AnswerRule(json_schema=schema), []) for name, schema in SCHEMAS.items()}
ONE_CALL = grammar_for(AnswerRule(required_tools=(), max_calls=1), TOOLS)


@pytest.fixture(scope="module")
def think_end(tokenizer) -> tuple[int, ...]:
    return tuple(tokenizer.encode("\n</think>\n"))


@pytest.fixture
def make(toy_config, tokenizer, grammars):
    """Engines on the hash-model runner that know the tokenizer's vocabulary."""

    def engine(num_draft_tokens=0, **sizes) -> Engine:
        runner = FakeRunner(toy_config, num_full_blocks=800, num_sliding_blocks=400, **sizes)
        return Engine(
            runner,
            num_draft_tokens=num_draft_tokens,
            num_valid_tokens=tokenizer.vocab_size,
            grammars=grammars,
            clock=lambda: 0.0,  # as many passes a step as there may be
        )

    return engine


def constrained(name, grammar, **params):
    wishes = {"max_tokens": 400, **params}
    return replace(request(name, prompt(4, len(name)), eos=EOS, **wishes), grammar=grammar)


def without_end(token_ids):
    assert token_ids[-1] in EOS
    assert not EOS & set(token_ids[:-1])
    return token_ids[:-1]


def calls_of(tokenizer, token_ids) -> list[tuple[str, dict]]:
    decoder = ResponseDecoder(tokenizer, tools=TOOLS, in_reasoning=False)
    events, (rest, reason) = decoder.feed(token_ids), decoder.finish("stop")
    events += rest
    assert reason == "tool_calls"
    assert not [event for event in events if isinstance(event, TextDelta)]
    calls: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            call = calls.setdefault(event.index, ["", ""])
            call[0] += event.name or ""
            call[1] += event.arguments
    return [(name, json.loads(arguments)) for name, arguments in calls.values()]


def test_hundreds_of_sampled_answers_of_the_compiled_model_are_json_of_their_schema(
    toy_checkpoint, tokenizer, grammars
):
    runner = Runner.load(
        toy_checkpoint, weight_format="float32", num_threads=1, block_size=16, num_full_blocks=400,
        num_sliding_blocks=100, max_batch_tokens=128, max_sequences=16,
    )  # fmt: skip
    engine = Engine(runner, num_valid_tokens=tokenizer.vocab_size, grammars=grammars)
    wishes = [
        constrained(f"{name}/{seed}", JSON[name], seed=seed, temperature=0.3 + 0.02 * (seed % 60))
        for name in SCHEMAS
        for seed in range(40)
    ]
    answers = run(engine, wishes)
    engine.close()
    num_whole = dict.fromkeys(SCHEMAS, 0)
    for name, (token_ids, reason) in answers.items():
        if reason == "stop":
            kind = name.split("/")[0]
            jsonschema.validate(json.loads(tokenizer.decode(without_end(token_ids))), SCHEMAS[kind])
            num_whole[kind] += 1
    assert min(num_whole.values()) >= 24, num_whole


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_sampled_calls_are_parsed_to_arguments_of_the_schema(make, tokenizer, num_draft_tokens):
    wishes = [constrained(f"c{i}", ONE_CALL, seed=i, temperature=1.0) for i in range(40)]
    answers = run(make(num_draft_tokens), wishes)
    names = []
    for token_ids, reason in answers.values():
        if reason == "stop":
            [(name, arguments)] = calls_of(tokenizer, without_end(token_ids))
            jsonschema.validate(arguments, {t.name: t.parameters for t in TOOLS}[name])
            names.append(name)
    assert len(names) > 20
    assert set(names) == {"weather", "ping"}


@pytest.mark.parametrize("params", [{}, {"temperature": 0.9, "seed": 3}, {"repetition_penalty": 1.4}])
def test_drafts_change_no_answer_and_neighbours_neither(make, params):
    wishes = [
        constrained("json", JSON["nested"], **params),
        request("free", prompt(9, 1), eos=EOS, max_tokens=60, **params),
        constrained("call", ONE_CALL, **params),
        request("short", prompt(30, 2), eos=EOS, max_tokens=20),
        constrained("array", JSON["array"], **params),
    ]
    together = run(make(), wishes)
    assert run(make(3, acceptance=0.7), wishes) == together
    assert {name: run(make(), [w])[name] for w in wishes for name in [w.request_id]} == together


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
@pytest.mark.parametrize("budget", [0, 1, 6])
def test_the_first_token_behind_the_reasoning_is_already_constrained(
    make, tokenizer, think_end, num_draft_tokens, budget
):
    wishes = [
        replace(
            constrained(name, JSON[name], thinking_token_budget=budget),
            think_end_token_ids=think_end,
            think_end_marker_id=think_end[1],
        )
        for name in SCHEMAS
    ]
    for name, (token_ids, reason) in run(make(num_draft_tokens), wishes).items():
        reasoning, _, answer = tokenizer.decode(token_ids).partition("</think>\n")
        assert answer[0] in "{[", f"{name}: {reasoning!r} is followed by {answer!r}"
        if reason == "stop":
            jsonschema.validate(
                json.loads(answer.removesuffix(tokenizer.decode(token_ids[-1:]))), SCHEMAS[name]
            )


def test_an_answer_cannot_end_before_its_reasoning_does(make, tokenizer, think_end):
    wishes = [
        replace(
            constrained(f"r{i}", JSON["enums"], seed=i, temperature=1.0, logit_bias=((4, 20.0), (7, 18.0))),
            think_end_token_ids=think_end,
            think_end_marker_id=think_end[1],
        )
        for i in range(10)
    ]
    for token_ids, reason in run(make(), wishes).values():
        assert reason == "stop"
        answer = tokenizer.decode(without_end(token_ids)).partition("</think>\n")[2]
        jsonschema.validate(json.loads(answer), SCHEMAS["enums"])


@pytest.mark.parametrize("params", [{}, {"temperature": 0.9, "seed": 3}], ids=["greedy", "sampled"])
@pytest.mark.parametrize("place", [1, 2, 5])
def test_an_end_of_the_turn_in_the_reasoning_is_met_alike_in_one_pass_and_in_several(
    make, think_end, monkeypatch, params, place
):
    monkeypatch.setattr("flashstep.engine.multi_step._ALONE_S", 100.0)  # however slow the machine is
    last, decode_them = [], FakeRunner.decode

    def decode(self, *args):
        result = decode_them(self, *args)
        last.extend(row[-1] for row in result.token_ids)
        return result

    monkeypatch.setattr(FakeRunner, "decode", decode)
    asked = request("r", prompt(4, 1), eos=frozenset(), max_tokens=9, **params)
    end = run(make(max_passes=1), [asked])["r"][0][place]
    wish = replace(
        request("r", prompt(4, 1), eos=frozenset({end}), max_tokens=200, **params), grammar=JSON["enums"],
        think_end_token_ids=think_end, think_end_marker_id=think_end[1],
    )  # fmt: skip
    several, one = (run(make(max_passes=max_passes), [wish]) for max_passes in (4, 1))
    assert several == one
    assert (end in last) or params, "a job met it"


def test_an_answer_cut_by_max_tokens_ends_with_length_in_the_middle_of_its_grammar(make, tokenizer):
    [(token_ids, reason)] = run(make(), [constrained("a", JSON["nested"], max_tokens=5)]).values()
    assert (len(token_ids), reason) == (5, "length")
    assert tokenizer.decode(token_ids).startswith("{")


def test_behind_the_end_of_its_grammar_only_the_end_of_the_turn_is_left(make):
    grammar = 'start: "ok"\n'
    engine = make()
    ended = constrained("a", grammar)
    going_on = replace(
        constrained("b", grammar, max_tokens=9), params=replace(ended.params, ignore_eos=True, max_tokens=9)
    )
    answers = run(engine, [ended, going_on])
    assert answers["a"][1] == "stop"
    assert set(answers["b"][0][2:]) <= EOS


def test_control_tokens_never_come_up_inside_text(make, tokenizer):
    grammar = "start: TEXT\nTEXT: /(?s:.{30,60})/\n"
    biased = tuple((i, 50.0) for i in range(12))
    [(token_ids, _)] = run(make(), [constrained("a", grammar, logit_bias=biased)]).values()
    assert min(without_end(token_ids)) >= 12


def test_a_grammar_that_does_not_compile_is_refused_before_anything_runs(make):
    engine = make()
    with pytest.raises(InvalidRequest, match="cannot be compiled"):
        engine.validate(constrained("a", "start: nothing\n"))
    assert not engine.has_work


def test_an_engine_without_a_vocabulary_refuses_grammars(toy_config):
    with pytest.raises(InvalidRequest, match="vocabulary"):
        Engine(FakeRunner(toy_config)).validate(constrained("a", JSON["array"]))


def test_a_grammar_is_compiled_once_and_old_ones_are_forgotten(grammars):
    for i in range(MAX_CACHED + 5):
        grammars.check(f'start: "{i}"\n')
    assert grammars.num_cached == MAX_CACHED
    num_compiled = grammars.num_compiled
    grammars.check(f'start: "{MAX_CACHED}"\n')
    assert grammars.num_compiled == num_compiled
    grammars.check('start: "0"\n')
    assert grammars.num_compiled == num_compiled + 1


def test_long_grammars_push_out_more_than_one_other(tokenizer):
    grammars = CompiledGrammars(vocabulary_of(tokenizer))
    half = "# " + "x" * (MAX_CACHED_CHARS // 2) + "\n"
    for i in range(4):
        grammars.check(f'{half if i else ""}start: "{i}"\n')
    assert grammars.num_cached == 1
    assert grammars.num_cached_chars == len(f'{half}start: "3"\n')


def test_a_constraint_survives_tokens_that_its_grammar_forbids(grammars, caplog):
    """Nothing that goes wrong with one answer may end the engine."""
    constraint = grammars.constraint('start: "ok"\n', EOS)
    constraint.accept(50)
    assert {i for i in range(grammars.vocabulary.size) if constraint.allows(i)} == EOS
    narrowed = constraint.narrow(np.zeros(grammars.vocabulary.size, np.float32))
    assert set(np.flatnonzero(np.isfinite(narrowed)).tolist()) == EOS
    assert "could not be followed" in caplog.text


@pytest.mark.parametrize("opening", [(), "think_end"], ids=["at once", "behind the reasoning"])
def test_an_answer_whose_grammar_cannot_be_followed_is_an_error_and_says_why(
    toy_config, tokenizer, opening, think_end, caplog
):
    """The vocabulary has no token for the letter that must come."""
    lacking = GrammarVocabulary(
        tokenizer.vocab_size,
        lambda i: b"" if b"q" in tokenizer.token_bytes(i) else tokenizer.token_bytes(i),
        control_token_ids=tokenizer.added_tokens.contents,
        eos_token_ids=EOS,
    )
    runner = FakeRunner(toy_config)
    grammars = CompiledGrammars(lacking)
    engine = Engine(runner, num_valid_tokens=tokenizer.vocab_size, grammars=grammars)
    closing = think_end if opening else ()
    asked = request("a", eos=EOS, think_end=closing, thinking_token_budget=2 if opening else None)
    engine.add(replace(asked, grammar='start: "a secret: q"\n'))
    outputs = []
    while engine.has_work:
        outputs += [output for _, output in engine.step()]
    assert outputs[-1].finish_reason == "error"
    assert "could not be followed to its end" in outputs[-1].error
    assert "secret" not in caplog.text


def test_preempted_answers_go_on_where_their_grammar_was(toy_config, tokenizer, grammars):
    runner = FakeRunner(toy_config, num_full_blocks=24, num_sliding_blocks=24, max_sequences=4)
    engine = Engine(runner, num_valid_tokens=tokenizer.vocab_size, grammars=grammars)
    wishes = [constrained(f"p{i}", JSON["enums"], seed=i, temperature=1.0, max_tokens=60) for i in range(6)]
    for wish in wishes:
        engine.add(wish)
    answers = drain(engine)
    assert engine.metrics.num_preemptions > 0
    for token_ids, reason in answers.values():
        if reason == "stop":
            jsonschema.validate(json.loads(tokenizer.decode(without_end(token_ids))), SCHEMAS["enums"])
