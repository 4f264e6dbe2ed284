"""Questions behind an application's instructions and tools: judged like bare ones, beside tools that cannot
answer them."""

import random
from dataclasses import replace

import pytest

from flashstep.training.tasks.base import split_of
from flashstep.training.tasks.conversation import application
from flashstep.training.tasks.dialogue import without_breaks
from flashstep.training.tasks.question_families import FAMILIES
from flashstep.training.tasks.system_prompt import sentences, system_prompt
from flashstep.training.tasks.tools.everyday_tool import SPLITS
from flashstep.training.tasks.tools.summary import plain_words
from flashstep.types import ToolCall


def made(num, split="train"):
    return [application.generate(random.Random(seed), split) for seed in range(num)]


def test_there_are_instructions_tools_both_and_second_questions():
    dialogues = made(300)
    kinds = {(d.messages[0].role == "system", bool(d.tools)) for d in dialogues}
    assert kinds == {(True, False), (False, True), (True, True)}
    assert {len(d.turns) for d in dialogues} == {1, 2}
    families = {d.truth(turn).family for d in dialogues for turn in d.turns}
    assert len(families) > 30


@pytest.mark.parametrize("split", SPLITS)
def test_recorded_answers_are_right_and_their_reasoning_leads_to_them(split):
    for dialogue in made(200, split):
        for turn in dialogue.turns:
            message = without_breaks(dialogue.messages[turn])
            assert application.verify(dialogue, turn, message)
            assert application.check_trace(dialogue, turn, message)


def test_a_call_and_another_answer_are_wrong():
    dialogue = next(d for d in made(50) if d.tools and d.truth(d.turns[0]).family == "letters")
    turn = dialogue.turns[0]
    message = without_breaks(dialogue.messages[turn])
    call = ToolCall("call_0", dialogue.tools[0].name, {})
    assert not application.verify(dialogue, turn, replace(message, tool_calls=(call,)))
    assert not application.verify(dialogue, turn, replace(message, content="There are 97 of them."))


def test_what_no_tool_does_is_not_asked_beside_tools():
    for dialogue in made(300):
        if dialogue.tools:
            assert not {dialogue.truth(turn).family for turn in dialogue.turns} & {"outside", "identity"}


def test_a_set_shares_instructions_and_tools_but_no_question():
    dialogues = application.generate_set(random.Random(5), "train", 4)
    assert len({tuple(tool.name for tool in d.tools) for d in dialogues}) == 1
    assert len({d.messages[0].content for d in dialogues if d.messages[0].role == "system"}) <= 1
    assert len({d.messages[-2].content for d in dialogues}) == 4


@pytest.mark.parametrize("split", SPLITS)
def test_subjects_that_are_held_out_are_of_the_split(split):
    for dialogue in made(300, split):
        truths = [truth for truth in dialogue.truths if FAMILIES[truth.family].holds_out_subjects]
        assert list(dialogue.subjects) == [truth.subject for truth in truths]
        assert all(split_of(subject) == split for subject in dialogue.subjects)


def test_tools_are_many_but_none_that_could_answer():
    names = {tool.name for dialogue in made(400) for tool in dialogue.tools}
    assert len(names) > 200
    words = [plain_words(name) for name in names]
    assert any("message" in name for name in words), "words that only contain 'age' are no reason"
    assert not [name for name in words if {"calculate", "calculator", "convert", "date"} & set(name.split())]


def test_the_date_is_not_asked_for_where_instructions_may_tell_it():
    for dialogue in made(2000):
        if dialogue.messages[0].role == "system":
            for turn in dialogue.turns:
                question = dialogue.messages[turn - 1].content
                assert dialogue.truth(turn).family != "outside" or "today" not in question.lower(), question


def test_splits_share_no_sentence():
    assert application.in_both_splits() == []


def test_sentences_of_the_splits_differ():
    train, held_out = (set(sentences(split)) for split in SPLITS)
    assert len(train) >= 200
    assert len(held_out) >= 50
    assert train.isdisjoint(held_out)
    assert all(sentence.isascii() for sentence in train | held_out)


def test_system_prompts_have_many_lengths_and_forms():
    prompts = [system_prompt(random.Random(seed), "train") for seed in range(300)]
    assert min(map(len, prompts)) < 60
    assert max(map(len, prompts)) > 1000
    assert any("\n- " in prompt for prompt in prompts)
    assert any("\n1. " in prompt for prompt in prompts)
    assert any("\n\n" in prompt for prompt in prompts)
    assert any("\n" not in prompt for prompt in prompts)
