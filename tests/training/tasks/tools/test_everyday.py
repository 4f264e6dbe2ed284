"""The hand-written tools: the two splits share nothing, every request can be rendered and means one call."""

import random
import re
from itertools import pairwise

import pytest
from jsonschema import Draft202012Validator, validate

from flashstep.training.tasks.tools import everyday
from flashstep.training.tasks.tools.everyday import (
    SPLITS,
    declare,
    everyday_tools,
    generate,
    in_both_splits,
    make_request,
)
from flashstep.training.tasks.tools.judge import NO_TOOL
from flashstep.training.tasks.tools.parameters import SIMPLE_KINDS
from flashstep.training.tasks.tools.summary import inside_a_sentence, plain_words

KINDS = {*SIMPLE_KINDS, "enum", "value", "boolean"}


def every_tool():
    return [(split, entry) for split in SPLITS for entry in everyday_tools(split)]


def test_there_are_many_tools_and_requests():
    for split, least, fewest_requests in (("train", 50, 6), ("eval", 20, 5)):
        tools = everyday_tools(split)
        assert len(tools) >= least
        assert all(len(entry.requests) >= fewest_requests for entry in tools)


def test_the_splits_share_no_tool_and_no_request():
    assert in_both_splits() == []
    names = [{name.lower() for entry in everyday_tools(split) for name in entry.names} for split in SPLITS]
    assert names[0].isdisjoint(names[1])


def test_what_both_splits_have_is_found(monkeypatch):
    monkeypatch.setattr(everyday, "everyday_tools", lambda split: everyday_tools("eval")[:1])
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


@pytest.mark.parametrize("split", SPLITS)
def test_calls_are_valid_and_their_words_are_the_users(split):
    for seed in range(300):
        rng = random.Random(seed)
        entry = rng.choice(everyday_tools(split))
        declared = declare(rng, entry)
        Draft202012Validator.check_schema(declared.tool.parameters)
        text, wish = make_request(rng, split, entry, declared)
        validate(wish.arguments, declared.tool.parameters)
        for value in wish.arguments.values():
            assert isinstance(value, bool) or str(value) in text
        assert wish.task.lower() in text.lower()


def test_tools_of_one_topic_are_not_declared_together():
    topics = {name: entry.topic for entry in everyday_tools("train") for name in entry.names}
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
