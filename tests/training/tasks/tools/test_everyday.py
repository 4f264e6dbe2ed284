"""The hand-written tools: the two splits share nothing, every request can be rendered and means one call."""

import random
import re
from itertools import pairwise

import pytest
from jsonschema import Draft202012Validator, validate

from flashstep.training.tasks.registry import DIALOGUE_FAMILIES
from flashstep.training.tasks.tools import everyday_tool
from flashstep.training.tasks.tools.everyday import generate, generate_common
from flashstep.training.tasks.tools.everyday_request import make_request, make_several
from flashstep.training.tasks.tools.everyday_tool import (
    SPLITS,
    EverydayTool,
    Wish,
    common_tools,
    declare,
    everyday_tools,
    in_both_splits,
)
from flashstep.training.tasks.tools.judge import NO_TOOL
from flashstep.training.tasks.tools.marks import content_words
from flashstep.training.tasks.tools.natural_values import natural_value
from flashstep.training.tasks.tools.parameters import SIMPLE_KINDS
from flashstep.training.tasks.tools.summary import inside_a_sentence, plain_words

KINDS = {*SIMPLE_KINDS, "enum", "value", "boolean"}


def tools_of(split):
    return (*everyday_tools(split), *common_tools(split))


def every_tool():
    return [(split, entry) for split in SPLITS for entry in tools_of(split)]


def test_there_are_many_tools_and_requests():
    for tools, least, fewest_requests in (
        (everyday_tools("train"), 1000, 6), (everyday_tools("eval"), 40, 5),
        (common_tools("train"), 150, 8), (common_tools("eval"), 50, 8),
    ):  # fmt: skip
        assert len(tools) >= least
        assert all(len(entry.requests) >= fewest_requests for entry in tools)


def test_the_splits_share_no_tool_and_no_request():
    assert in_both_splits() == []
    names = [{name.lower() for entry in tools_of(split) for name in entry.names} for split in SPLITS]
    assert names[0].isdisjoint(names[1])


def test_a_request_with_other_numbers_is_found_in_both_splits(monkeypatch):
    one, other = (
        tool_of(["[ship] {0} to {1}"], "code", "place"),
        tool_of(["[ship] {1} to {0}"], "place", "code"),
    )
    of_split = {"train": (one,), "eval": (other,)}
    monkeypatch.setattr(everyday_tool, "everyday_tools", of_split.__getitem__)
    monkeypatch.setattr(everyday_tool, "common_tools", lambda split: ())
    assert "ship {} to {}" in "\n".join(in_both_splits()).replace("[", "").replace("]", "")


def test_what_both_splits_have_is_found(monkeypatch):
    monkeypatch.setattr(everyday_tool, "everyday_tools", lambda split: everyday_tools("eval")[:1])
    monkeypatch.setattr(everyday_tool, "common_tools", lambda split: ())
    [entry] = everyday_tools("eval")[:1]
    assert len(in_both_splits()) == len(entry.names) + len(entry.requests)


@pytest.mark.parametrize(("split", "entry"), every_tool(), ids=lambda x: getattr(x, "names", (x,))[0])
def test_entries_are_well_formed(split, entry):
    assert {parameter["kind"] for parameter in entry.parameters} <= KINDS
    required = {i for i, p in enumerate(entry.parameters) if p.get("required")}
    for parameter in entry.parameters:
        assert parameter["names"]
        assert ("options" in parameter) == (parameter["kind"] == "enum")
        assert ("values" in parameter) == (parameter["kind"] == "value")
    for wish in entry.requests:
        text, fixed = wish.text, wish.fixed.keys()
        assert text.isascii()
        assert len(re.findall(r"\[[^\[\]{}]+\]", text)) == 1 == text.count("["), text
        places = [int(place) for place in re.findall(r"\{(\d+)\}", text)]
        assert len(set(places)) == len(places), text
        assert required <= {*places, *fixed} <= set(range(len(entry.parameters))), text
        assert not fixed & set(places)
        for number, value in wish.fixed.items():
            parameter = entry.parameters[number]
            is_flag = parameter["kind"] == "boolean" and isinstance(value, bool)
            assert is_flag or value in parameter.get("options", ()), text
    spellings = [name for parameter in entry.parameters for name in parameter["names"]]
    assert len(set(spellings)) == len(spellings)


@pytest.mark.parametrize("split", SPLITS)
def test_calls_are_valid_and_their_words_are_the_users(split):
    for seed in range(300):
        rng = random.Random(seed)
        entry = rng.choice(tools_of(split))
        declared = declare(rng, entry)
        Draft202012Validator.check_schema(declared.tool.parameters)
        text, request = make_request(rng, split, entry, declared)
        validate(request.arguments, declared.tool.parameters)
        fixed = [value for wish in entry.requests for value in wish.fixed.values()]
        for value in request.arguments.values():
            assert str(value) in text or value in fixed
        assert all(word in text.lower() for word in request.task.lower().split())
        assert all(words in text for words in request.said.values())


def tool_of(requests, *kinds):
    parameters = [{"names": [f"p{i}"], "kind": kind, "required": True} for i, kind in enumerate(kinds)]
    wishes = tuple(Wish(text, {}) for text in requests)
    return EverydayTool("topic", ("do_it",), ("does it",), tuple(parameters), wishes)


def asked(text, *kinds, split="eval", seed=0):
    entry, rng = tool_of([text], *kinds), random.Random(seed)
    return make_request(rng, split, entry, declare(rng, entry))


def test_quotes_begin_behind_the_task_and_go_on_where_the_last_value_ended():
    _, request = asked("Hi, [convert] {0} {1}, to {2} please", "number", "code", "place")
    amount, unit, place = request.arguments.values()
    assert list(request.said.values()) == [str(amount), unit, f"to {place}"]
    _, request = asked("for {0} guests in {1} [book a table]", "integer", "place")
    guests, town = request.arguments.values()
    assert list(request.said.values()) == [f"for {guests} guests", f"in {town}"]
    _, request = asked("{0} is cold, [heat it] to {1}", "place", "integer")
    town, degrees = request.arguments.values()
    assert list(request.said.values()) == [town, f"is cold, heat it to {degrees}"]
    _, request = asked("[play] {0}'s {1} at `{2}`", "person", "code", "place")
    singer, song, town = request.arguments.values()
    assert list(request.said.values()) == [f"{singer}'s", song, f"at `{town}"]
    _, request = asked("[route] {0} -> {1}", "place", "place")
    assert list(request.said.values()) == list(request.arguments.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("could you book me a flight to Rome at 9?", "book flight Rome"),
        ("What's the weather like in Dubai?", "weather Dubai"),
        ("Post to https://lab.net/x: 'see you there', (twice)", "Post twice"),
        ("rename final.docx in /home/anna to notes, and the notes too", "rename notes"),
        ("Ship the order with my orders", "Ship order"),
        ('set "the kitchen lamp" to 40', "set"),
        ("how much is it?", ""),
        ('send "Don\'t forget the keys" to Ann', "send Ann"),
        ("write 'it's raining' to notes.txt, what's next", "write next"),
    ],
)
def test_the_words_of_a_request_that_say_anything(text, words):
    assert content_words(text) == words


def test_what_is_asked_for_is_told_by_a_rule_and_not_by_the_writers_mark():
    text, request = asked("Hi, [convert the money] in my wallet: {0} {1}", "number", "code")
    assert request.task == content_words(text)
    assert "convert money wallet" in request.task
    assert asked("[how much] is {0}?", "number")[1].task == "how much"


def test_training_types_other_quotation_marks_but_none_that_the_value_has():
    texts = {asked('[say] "{0}" now', "text", split="train", seed=seed)[0] for seed in range(300)}
    assert {mark for text in texts for mark in "\"'“‘" if mark in text} == set("\"'“‘")
    assert not any(re.search(r"'[^']*'[^']*'", text) for text in texts)
    assert all('"' in asked('[say] "{0}" now', "text", seed=seed)[0] for seed in range(20))


def test_several_values_get_a_call_each():
    entry = tool_of(["[weather] in {0} please", "[weather] from {0} to {1}"], "place", "place")
    for seed in range(200):
        rng = random.Random(seed)
        text, requests = make_several(rng, "train", entry, declare(rng, entry)) or ("", [])
        places = [request.arguments["p0"] for request in requests]
        assert len(set(places)) == len(places) != 1
        assert not places or list(requests[0].each["p0"]) == places
        assert all(place in requests[0].said["p0"] for place in places)
        assert not places or requests[0].said["p0"] in text


def test_values_that_cannot_be_listed_are_asked_for_one_by_one():
    rng = random.Random(1)
    none = tool_of(['[say] "{0}"', "[wait] {0} minutes"], "text", "integer")
    assert make_several(rng, "train", none, declare(rng, none)) is None
    towns = EverydayTool(
        "topic", ("do_it",), ("does it",),
        ({"names": ["p0"], "kind": "value", "values": ["Austin, Texas", "Oslo"], "required": True},),
        (Wish("[weather] in {0}", {}),),
    )  # fmt: skip
    assert all(make_several(rng, "train", towns, declare(rng, towns)) is None for _ in range(50))


def test_training_asks_for_several_values_and_the_evaluation_does_not():
    def most_calls(split):
        made = [generate(random.Random(seed), split) for seed in range(300)]
        return max(len(message.tool_calls) for dialogue in made for message in dialogue.messages)

    assert most_calls("train") > 1 == most_calls("eval")


@pytest.mark.parametrize("kind", ["email", "path", "text", "code", "date"])
def test_natural_values_are_strings_without_line_breaks(kind):
    values = [natural_value(random.Random(seed), kind) for seed in range(200)]
    found = [value for value in values if value is not None]
    assert all(value and value == value.strip() and "\n" not in value for value in found)
    assert bool(found) == (kind != "date")
    assert len(found) < 200


def test_reasoning_gives_the_calls():
    family = DIALOGUE_FAMILIES["tool_everyday"]
    for make, split in ((generate, "train"), (generate_common, "eval")):
        for seed in range(300):
            dialogue = make(random.Random(seed), split)
            for turn in dialogue.turns:
                assert family.check_trace(dialogue, turn, dialogue.messages[turn]), dialogue.messages


def test_tools_of_one_topic_are_not_declared_together():
    topics = {name: entry.topic for entry in tools_of("train") for name in entry.names}
    kinds = set()
    for seed in range(200):
        dialogue = generate(random.Random(seed), "train")
        found = sorted(topics[tool.name] for tool in dialogue.tools)
        assert all(one != other for one, other in pairwise(found))
        calls = [call for message in dialogue.messages for call in message.tool_calls]
        kinds.add("call" if calls else NO_TOOL if dialogue.truths[-1].key == NO_TOOL else "plain")
    assert kinds == {"call", NO_TOOL, "plain"}


def test_a_task_loses_the_capital_of_its_sentence():
    assert inside_a_sentence("Search the web") == "search the web"
    assert inside_a_sentence("SQL query") == "SQL query"
    assert plain_words("startDate") == plain_words("start_date") == "start date"
