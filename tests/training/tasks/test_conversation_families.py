"""Conversations: each turn is right in its place and a changed one is not; follow-ups need what was said."""

import random
import re

import pytest
from dialogue_checks import (
    check_played,
    check_read_back,
    check_split,
    check_wrong_turns_are_refused,
    dialogues,
)

from flashstep.training.tasks.conversation import follow_up, form
from flashstep.training.tasks.conversation.families import CONVERSATION_FAMILIES
from flashstep.training.tasks.dialogue import Truth, without_breaks
from flashstep.training.tasks.short_questions import short_example, truth_of
from flashstep.types import Message

SPLITS = ("train", "eval")


def some(family, split="train", num=200):
    return dialogues(CONVERSATION_FAMILIES[family], f"talk:{family}", split, num)


def last(dialogue):
    return without_breaks(dialogue.messages[-1]).content


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("family", CONVERSATION_FAMILIES)
def test_rendered_and_read_back_every_trained_turn_is_itself_and_right(family, split, template, tokenizer):
    for dialogue in some(family, split):
        assert dialogue.family == family
        check_read_back(dialogue, CONVERSATION_FAMILIES[family], template, tokenizer)


@pytest.mark.parametrize("family", CONVERSATION_FAMILIES)
def test_silence_is_refused_and_the_recorded_turns_play_well(family):
    for dialogue in some(family):
        check_wrong_turns_are_refused(dialogue, CONVERSATION_FAMILIES[family])
        check_played(dialogue, CONVERSATION_FAMILIES[family])


@pytest.mark.parametrize("family", CONVERSATION_FAMILIES)
def test_the_last_answer_of_another_conversation_is_wrong(family):
    verify = CONVERSATION_FAMILIES[family].verify
    pool = some(family)
    for one, other in zip(pool, pool[1:], strict=False):
        # A verifier may take "2 + 3 = 5" for the answer to a question of another family, which is 2.
        of_one_family = family != "talk_application" or one.truths[-1].family == other.truths[-1].family
        if of_one_family and one.truths[-1].key != other.truths[-1].key:
            turn = len(one.messages) - 1
            assert not verify(one, turn, Message("assistant", last(other))), (one, other)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("family", CONVERSATION_FAMILIES)
def test_words_and_numbers_belong_to_the_split(family, split):
    for dialogue in some(family, split):
        # Who the model is and what it cannot do have no subjects that are held out.
        if dialogue.subjects or family != "talk_application":
            check_split(dialogue, split)


def test_a_follow_up_leaves_out_what_was_said_before():
    missing = set()
    for dialogue in some("talk_follow_up"):
        truth, question = dialogue.truths[-1], dialogue.messages[-2].content.lower()
        missing.add(truth.subject not in question)
    assert missing == {True, False}, "the word is new, or that of the question before"


def test_a_follow_up_keeps_the_letter_the_word_or_the_operation():
    rng = random.Random(4)
    for _ in range(300):
        before = short_example(rng, "train")
        if "equal" in before.key:
            continue
        after = follow_up.follow_up(rng, "train", before)
        if before.family == after.family == "letters" and after.subject != before.subject:
            assert follow_up.asked_letter(after) == follow_up.asked_letter(before)
        elif before.family == "arithmetic":
            assert after.answer.split()[1] == before.answer.split()[1]
            assert all(n in after.question for n in re.findall(r"\d+", after.answer)[:2])
        elif before.family == "comparison":
            assert after.key.split()[-1] == before.key.split()[-1]
        elif before.family != after.family:
            assert after.subject == before.subject


def test_a_doubted_answer_is_worked_out_again_whether_it_was_right_or_not():
    verdicts = set()
    for dialogue in some("talk_correction"):
        key = dialogue.truths[-1].key
        if dialogue.trains_all:
            continue
        said = re.search(r"I said (-?\d+), (.*)\.", dialogue.messages[-1].reasoning)
        verdicts.add(said[2] == "that is right")
        assert (said[1] == key) == (said[2] == "that is right")
        assert said[2] in ("that is right", f"it is {key}")
        assert said[1] in dialogue.messages[-3].content
        assert dialogue.turns == (len(dialogue.messages) - 1,)
    assert verdicts == {True, False}


def test_every_form_has_its_look():
    looks = {
        "number": r"-?\d+",
        "sentence": r"[A-Z].*\.",
        "word": "[a-z]+",
        "numbered": r"1\. [a-z](\n\d+\. [a-z])*",
        "bullets": r"- [a-z](\n- [a-z])*",
        "dashes": "[a-z](-[a-z])+",
        "upper": "[A-Z]([A-Z]+|(, [A-Z])+)",
    }
    seen = set()
    for dialogue in some("talk_form"):
        wanted = dialogue.truths[-1].form
        seen.add(wanted)
        assert re.fullmatch(looks[wanted], last(dialogue)), last(dialogue)
    assert seen == looks.keys()


def test_an_answer_in_another_form_is_wrong():
    number = Truth("3", "letters", "cherry", "number")
    assert form.has_form(number, "3")
    assert not form.has_form(number, "There are 3 'r's.")
    assert form.has_form(Truth("3", "letters", "cherry", "sentence"), "There are 3 'r's in \"cherry\".")
    assert not form.has_form(Truth("3", "letters", "cherry", "sentence"), "3")
    assert form.has_form(Truth("3", "letters", "cherry", "word"), "three")
    listed = Truth("c, a", "spelling", "ca", "numbered")
    assert form.has_form(listed, "1) c\n2) a")
    assert not form.has_form(listed, "1. c\n2. b")
    assert not form.has_form(listed, "- c\n- a")
    assert form.has_form(Truth("c, a", "spelling", "ca", "bullets"), "* c\n* a")
    assert form.has_form(Truth("c, a", "spelling", "ca", "upper"), "C, A")
    assert not form.has_form(Truth("c, a", "spelling", "ca", "upper"), "c, a")
    assert form.has_form(Truth("ac", "backwards", "ca", "dashes"), "a-c")


def test_a_habit_that_is_forgotten_is_wrong():
    family = CONVERSATION_FAMILIES["talk_persona"]
    num_habits = 0
    for dialogue in some("talk_persona"):
        kind, _, word = dialogue.truths[-1].form.partition(" ")
        if not kind:
            continue
        num_habits += 1
        content = last(dialogue)
        bare = content.removesuffix(word) if kind == "persona_end" else content.removeprefix(word)
        assert not family.verify(dialogue, len(dialogue.messages) - 1, Message("assistant", bare))
        assert word in dialogue.messages[0].content
    assert num_habits > 80


def test_what_was_not_told_is_not_made_up():
    num_unknown = 0
    for dialogue in some("talk_memory"):
        told = "\n".join(m.content for m in dialogue.messages if m.role == "user")
        key = dialogue.truths[-1].key
        if key in told:
            assert f" is {key}." in last(dialogue)
        else:
            num_unknown += 1
            assert last(dialogue).startswith("You have not told me your ")
    assert 20 < num_unknown < 80


@pytest.mark.parametrize("family", CONVERSATION_FAMILIES)
def test_the_same_seed_gives_the_same_dialogue(family):
    assert some(family, num=20) == some(family, num=20)
    assert len({str(dialogue) for dialogue in some(family)}) > 190


def test_a_truth_is_what_the_example_is_judged_by():
    example = short_example(random.Random(1), "train")
    assert truth_of(example) == Truth(example.key, example.family, example.subject)
