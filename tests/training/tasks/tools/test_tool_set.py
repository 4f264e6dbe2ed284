"""Conversations that share their tools."""

import random

import pytest
from dialogue_checks import check_read_back

from flashstep.training.tasks.tools.families import TOOL_FAMILIES
from flashstep.training.tasks.tools.tool_set import TOOL_SETS


@pytest.mark.parametrize("name", TOOL_SETS)
def test_conversations_of_a_set_begin_alike_and_are_right(name, template, tokenizer):
    families = set()
    for seed in range(60):
        dialogues = TOOL_SETS[name](random.Random(seed), "train", 4)
        assert len(dialogues) == 4
        assert all(dialogue.tools == dialogues[0].tools for dialogue in dialogues)
        systems = [d.messages[0].content if d.messages[0].role == "system" else "" for d in dialogues]
        assert len(set(systems)) == 1
        for dialogue in dialogues:
            family = TOOL_FAMILIES[dialogue.family]
            check_read_back(dialogue, family, template, tokenizer)
            assert all(family.check_trace(dialogue, turn, dialogue.messages[turn]) for turn in dialogue.turns)
            families.add(dialogue.family)
    expected = {"tool_everyday"} if name == "everyday_tools" else set(TOOL_FAMILIES) - {"tool_everyday"}
    assert families == expected
