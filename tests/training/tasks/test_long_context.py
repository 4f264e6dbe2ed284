"""Look-up in long texts: as long as asked, one right answer that the text gives, found anywhere in it."""

import json
import random
import re
from dataclasses import replace
from statistics import fmean

import pytest
from dialogue_checks import (
    check_played,
    check_read_back,
    check_split,
    check_wrong_turns_are_refused,
    dialogues,
)

from flashstep.training.packing import encode_dialogue
from flashstep.training.tasks.long_context import haystack, prose
from flashstep.training.tasks.long_context.families import (
    LONG_CONTEXT_FAMILIES,
    LONG_GENERATORS,
    about_one_text,
    long_set,
)
from flashstep.types import Message

SPLITS = ("train", "eval")


def some(family, split="train", num=200):
    return dialogues(LONG_CONTEXT_FAMILIES[family], f"long:{family}", split, num)


def parts(dialogue):
    question, answer = dialogue.messages
    return question.content, answer.reasoning.split("\n"), answer.content


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("family", LONG_CONTEXT_FAMILIES)
def test_rendered_and_read_back_the_answer_is_itself_and_right(family, split, template, tokenizer):
    for dialogue in some(family, split):
        assert dialogue.family == family
        check_read_back(dialogue, LONG_CONTEXT_FAMILIES[family], template, tokenizer)
        check_wrong_turns_are_refused(dialogue, LONG_CONTEXT_FAMILIES[family])
        check_played(dialogue, LONG_CONTEXT_FAMILIES[family])
        check_split(dialogue, split)


@pytest.mark.parametrize("num_tokens", [1024, 4096, 16384, 131072])
@pytest.mark.parametrize("family", LONG_GENERATORS)
def test_a_text_is_as_long_as_asked(family, num_tokens, template, tokenizer):
    generate = LONG_GENERATORS[family]
    for seed in range(8 if num_tokens < 5000 else 1):
        dialogue = generate(
            random.Random(seed), "train", num_tokens, lambda t: len(tokenizer.encode_plain(t))
        )
        (document,) = encode_dialogue(dialogue, template, tokenizer)
        assert 0.9 * num_tokens - 256 < len(document.token_ids) <= num_tokens


@pytest.mark.parametrize("family", LONG_CONTEXT_FAMILIES)
def test_another_answer_is_wrong(family):
    verify = LONG_CONTEXT_FAMILIES[family].verify
    pool = some(family)
    for one, other in zip(pool, pool[1:], strict=False):
        if one.truths[0].key.lower() not in other.messages[1].content.lower():
            assert not verify(one, 1, Message("assistant", other.messages[1].content))


@pytest.mark.parametrize("family", LONG_CONTEXT_FAMILIES)
def test_what_the_trace_quotes_stands_in_the_text_and_has_the_value(family):
    for dialogue in some(family):
        text, lines, _ = parts(dialogue)
        for line in lines:
            quoted = re.sub(r"^(Found: |\d+\. )", "", line) if family != "long_item" else line[7:]
            if line.startswith("Found: ") or re.match(r"\d+\. ", line):
                assert quoted in text, line
        if family != "long_count":
            assert dialogue.truths[0].key in "\n".join(lines)


@pytest.mark.parametrize("family", ["long_fact", "long_log", "long_entry", "long_code", "long_item"])
def test_the_needle_lies_anywhere(family):
    depths = []
    for dialogue in some(family):
        text, lines, _ = parts(dialogue)
        needle = lines[0].removeprefix("Found: ")
        assert text.count(needle) >= 1
        depths.append(text.index(needle) / len(text))
    assert 0.4 < fmean(depths) < 0.6
    assert min(depths) < 0.1
    assert max(depths) > 0.9


def test_a_fact_is_said_once_and_others_are_said_besides():
    for dialogue in some("long_fact"):
        text, lines, answer = parts(dialogue)
        thing = lines[1].split(":")[0]
        assert text.count(lines[0].removeprefix("Found: ")) == 1
        assert dialogue.subjects[0] in answer
        sentences = [s for s in re.split(r"(?<=\.)\s|\n", text) if dialogue.subjects[0] in s and thing in s]
        assert 1 <= len(sentences) <= 3, "the fact and the question"


def test_mentions_are_as_many_as_counted():
    counts = set()
    for dialogue in some("long_count"):
        text, _, _ = parts(dialogue)
        word, key = dialogue.subjects[0], int(dialogue.truths[0].key)
        times_asked = len(re.findall(rf"\b{word}\b", text, re.IGNORECASE)) - key
        assert 1 <= times_asked <= 2, "only the question mentions it besides"
        counts.add(key)
    assert counts == set(range(prose.MAX_MENTIONS + 1))


def test_the_last_value_is_that_of_the_last_assignment():
    numbers = set()
    for dialogue in some("long_last"):
        text, lines, _ = parts(dialogue)
        name = dialogue.subjects[0]
        assigned = re.findall(rf"^{name} = (.*)$", text, re.MULTILINE)
        assert [f"{name} = {value}" for value in assigned] == lines[1:-1]
        assert dialogue.truths[0].key == assigned[-1].strip('"')
        numbers.add(len(assigned))
    assert numbers == {1, 2, 3, 4, 5}


def test_the_entries_are_json_with_different_ids():
    asked_by = set()
    for dialogue in some("long_entry"):
        text, lines, answer = parts(dialogue)
        entries = json.loads(re.search(r"\[\{.*\}\]", text, re.DOTALL)[0])
        assert len({entry["id"] for entry in entries}) == len(entries) > 3
        (target,) = [entry for entry in entries if entry["name"] == dialogue.subjects[0]]
        member = lines[1].split(":")[0]
        assert str(target[member]) == dialogue.truths[0].key
        by = re.search(r"with (id|name) ", answer)[1]
        asked_by.add(by)
        assert str(target[by]) in text.replace(json.dumps(target), "")
    assert asked_by == {"id", "name"}


def test_a_numbered_entry_has_that_number():
    for dialogue in some("long_item"):
        text, lines, answer = parts(dialogue)
        number = re.match(r"Entry (\d+) is ", answer)[1]
        assert lines == [f"Found: {number}. {dialogue.subjects[0]}"]
        assert re.search(rf"^{number}\. {dialogue.subjects[0]}$", text, re.MULTILINE)


@pytest.mark.parametrize("family", LONG_CONTEXT_FAMILIES)
def test_the_reasoning_quotes_the_text_and_leads_to_the_answer(family):
    check_trace = LONG_CONTEXT_FAMILIES[family].check_trace
    for dialogue in some(family):
        message = dialogue.messages[1]
        assert check_trace(dialogue, 1, message), message
        first, *rest = message.reasoning.split("\n")
        wrong = ["", first + "x", message.reasoning + "1", "\n".join(rest)]
        if len(rest) > 1:
            wrong += ["\n".join([first, *rest[1:]]), "\n".join([first, rest[0] + "x", *rest[1:]])]
        for reasoning in wrong:
            if family == "long_last" and len(rest) > 2 and reasoning == "\n".join([first, *rest[1:]]):
                continue  # one assignment fewer still ends in the last
            assert not check_trace(dialogue, 1, replace(message, reasoning=reasoning)), reasoning
        assert not check_trace(dialogue, 1, replace(message, content="It is this."))


def test_needles_keep_their_order():
    for seed in range(100):
        lines = haystack.scattered(random.Random(seed), ["x"] * 7, ["a", "b", "c"])
        assert [line for line in lines if line != "x"] == ["a", "b", "c"]
        assert len(lines) == 10


@pytest.mark.parametrize("family", LONG_CONTEXT_FAMILIES)
def test_the_same_seed_gives_the_same_dialogue(family):
    assert some(family, num=10) == some(family, num=10)
    assert len({str(dialogue) for dialogue in some(family, num=50)}) == 50


def _about_one(seed):
    return about_one_text(random.Random(seed), "train", 2500, haystack.estimated_tokens)


@pytest.mark.parametrize(
    ("make", "count"),
    [(lambda seed: long_set(random.Random(seed), "train", 4), 4), (_about_one, 5)],
    ids=["set", "about one text"],
)
def test_questions_about_one_text_begin_with_it_and_are_right(make, count):
    families = set()
    for seed in range(100):
        dialogues = make(seed)
        if len(dialogues) == 1:
            continue
        family = LONG_CONTEXT_FAMILIES[dialogues[0].family]
        texts = [dialogue.messages[0].content.rpartition("\n\n")[0] for dialogue in dialogues]
        assert len(set(texts)) == 1
        assert len({dialogue.subjects for dialogue in dialogues}) == count
        for dialogue in dialogues:
            assert family.check_trace(dialogue, 1, dialogue.messages[1])
            assert family.verify(dialogue, 1, dialogue.messages[1])
            check_split(dialogue, "train")
        families.add(dialogues[0].family)
    assert families == set(LONG_CONTEXT_FAMILIES)


def test_the_longer_a_text_the_more_questions_up_to_ten_and_some_stand_before_theirs():
    numbers, begins_with_text = {}, set()
    for num_tokens in (600, 2500, 12_000):
        made = [
            about_one_text(random.Random(seed), "train", num_tokens, haystack.estimated_tokens)
            for seed in range(40)
        ]
        numbers[num_tokens] = {len(group) for group in made}
        for group in made:
            first, _, _ = group[0].messages[0].content.partition("\n\n")
            begins_with_text.add((len(group) == 1, len(first) > 300))
    assert numbers == {600: {1, 2}, 2500: {1, 5}, 12_000: {1, 10}}
    assert begins_with_text == {(False, True), (True, True), (True, False)}
