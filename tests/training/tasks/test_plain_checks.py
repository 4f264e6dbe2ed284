"""Traces of counting, spelling, reversing, comparing and of talks: the recorded ones pass, others do not."""

import random

import pytest

from flashstep.training.tasks.base import LETTER_BREAK
from flashstep.training.tasks.conversation.families import CONVERSATION_FAMILIES
from flashstep.training.tasks.dialogue import without_breaks
from flashstep.training.tasks.plain_checks import PLAIN_TRACE_CHECKS
from flashstep.training.tasks.question_families import FAMILIES
from flashstep.types import Message


def examples(family, num=150):
    rng = random.Random(f"plain:{family}")
    return [FAMILIES[family].generate(rng, split) for split in ("train", "eval") for _ in range(num)]


@pytest.mark.parametrize("family", PLAIN_TRACE_CHECKS)
def test_recorded_traces_pass_and_those_with_one_line_changed_do_not(family):
    check = PLAIN_TRACE_CHECKS[family]
    for example in examples(family):
        answer = example.answer.replace(LETTER_BREAK, "")
        assert check(example.question, example.reasoning, answer), example
        lines = example.reasoning.split("\n")
        for i in range(len(lines)):
            spoilt = "\n".join([*lines[:i], lines[i] + "x", *lines[i + 1 :]])
            assert not check(example.question, spoilt, answer), spoilt
        assert not check(example.question, "", answer)
        assert not check(example.question, example.reasoning, "I do not know.")


@pytest.mark.parametrize("family", PLAIN_TRACE_CHECKS)
def test_a_trace_about_something_else_does_not_pass(family):
    made = examples(family, 40)
    for one, other in zip(made, made[1:], strict=False):
        answer = one.answer.replace(LETTER_BREAK, "")
        assert one.subject == other.subject or not PLAIN_TRACE_CHECKS[family](
            other.question, one.reasoning, answer
        )


@pytest.mark.parametrize("name", CONVERSATION_FAMILIES)
def test_the_recorded_turns_of_conversations_pass_and_others_do_not(name):
    family = CONVERSATION_FAMILIES[name]
    for index in range(60):
        dialogue = family.generate(random.Random(f"plain:{name}:{index}"), "train")
        for turn in dialogue.turns:
            message = without_breaks(dialogue.messages[turn])
            assert family.check_trace(dialogue, turn, message)
            assert not family.check_trace(dialogue, turn, Message("assistant", message.content, "I know it."))
