"""What holds for every dialogue, whatever its family; used by the tests of the packages of families."""

import random
from dataclasses import replace

from flashstep.chat.template import ChatTemplate
from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.packing import encode_dialogue
from flashstep.training.tasks.base import LETTER_BREAK, Split, split_of
from flashstep.training.tasks.dialogue import (
    Dialogue,
    DialogueFamily,
    plays_well,
    read_turn,
    same_calls,
    without_breaks,
)
from flashstep.types import Message


def dialogues(family: DialogueFamily, seed: str, split: Split, num: int = 200) -> list[Dialogue]:
    """`num` dialogues of a family, always the same."""
    return [family.generate(random.Random(f"{seed}:{split}:{index}"), split) for index in range(num)]


def check_read_back(
    dialogue: Dialogue, family: DialogueFamily, template: ChatTemplate, tokenizer: Tokenizer
) -> None:
    """Every trained stretch of the documents, read as an answer, is the turn it came from, and is right;
    what stands before it is what the template shows of the turns before."""
    turns = iter(dialogue.turns)
    for document in encode_dialogue(dialogue, template, tokenizer):
        mask = [*document.loss_mask, False]
        assert not mask[0]
        starts = [i for i in range(1, len(mask)) if mask[i] and not mask[i - 1]]
        ends = [i for i in range(1, len(mask)) if not mask[i] and mask[i - 1]]
        for start, end in zip(starts, ends, strict=True):
            turn = next(turns)
            history = [without_breaks(message) for message in dialogue.messages[:turn]]
            assert list(document.token_ids[:start]) == template.encode(history, dialogue.tools)
            message = read_turn(document.token_ids[start:end], tokenizer, dialogue.tools)
            wanted = without_breaks(dialogue.messages[turn])
            assert (message.content, message.reasoning) == (wanted.content, wanted.reasoning)
            assert same_calls(wanted.tool_calls, message.tool_calls)
            assert family.verify(dialogue, turn, message), (dialogue.truth(turn), message)
    assert next(turns, None) is None


def check_wrong_turns_are_refused(dialogue: Dialogue, family: DialogueFamily) -> None:
    """Nothing said, a call left out, changed or added: never right."""
    for turn in dialogue.turns:
        message = without_breaks(dialogue.messages[turn])
        assert not family.verify(dialogue, turn, Message("assistant"))
        for number, call in enumerate(message.tool_calls):
            others = message.tool_calls[:number] + message.tool_calls[number + 1 :]
            wrong = [others, (*message.tool_calls, call), (*others, replace(call, name=call.name + "_"))]
            for key, value in call.arguments.items():
                changed = replace(call, arguments={**call.arguments, key: _changed(value)})
                wrong.append((*others, changed))
            for calls in wrong:
                assert not family.verify(dialogue, turn, replace(message, tool_calls=calls))


def check_played(dialogue: Dialogue, family: DialogueFamily) -> None:
    """A model that says the recorded turns plays well; one that says nothing anywhere does not."""
    turns = {turn: without_breaks(dialogue.messages[turn]) for turn in dialogue.turns}
    assert plays_well(dialogue, family, lambda history, tools: turns[len(history)])
    for bad in dialogue.turns:
        silent = {**turns, bad: Message("assistant")}
        assert not plays_well(dialogue, family, lambda history, tools, made=silent: made[len(history)])


def check_split(dialogue: Dialogue, split: Split) -> None:
    """Every subject belongs to the split."""
    assert dialogue.subjects
    assert {split_of(subject) for subject in dialogue.subjects} == {split}


def shown(dialogue: Dialogue) -> str:
    """All texts of a dialogue without breaks, one a line."""
    return "\n".join(message.content for message in dialogue.messages).replace(LETTER_BREAK, "")


def _changed(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list):
        return value[:-1]
    assert isinstance(value, dict)
    return {key: _changed(item) for key, item in value.items()}
