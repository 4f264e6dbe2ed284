"""Dialogues: rendered as inference sees them, masked to the trained turns, judged as parsed text."""

from dataclasses import replace

import pytest

from flashstep.chat.tokenizer import Tokenizer
from flashstep.training.packing import Document, encode_dialogue, encode_document, pack
from flashstep.training.tasks.base import LETTER_BREAK
from flashstep.training.tasks.dialogue import (
    Dialogue,
    DialogueFamily,
    Truth,
    plays_well,
    read_turn,
    same_calls,
    without_breaks,
)
from flashstep.types import Message, Tool, ToolCall

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
WEATHER = Tool("get_weather", "Weather", SCHEMA, {"type": "function", "function": {"name": "get_weather"}})
OSLO, ROME = ToolCall("a", "get_weather", {"city": "Oslo"}), ToolCall("b", "get_weather", {"city": "Rome"})
LOOP = (
    Message("user", "Weather in Oslo and Rome?"),
    Message("assistant", "", reasoning="two calls", tool_calls=(OSLO, ROME)),
    Message("tool", "cold", tool_call_id="a"),
    Message("tool", "warm", tool_call_id="b"),
    Message("assistant", "Oslo is cold, Rome is warm.", reasoning="read both"),
)
NEXT = (Message("user", "Thanks"), Message("assistant", "You are welcome!", reasoning="The user thanks me."))


def dialogue(*messages: Message, trains_all: bool = True) -> Dialogue:
    num = sum(m.role == "assistant" for m in messages) if trains_all else 1
    return Dialogue("test", messages, (Truth(),) * num, ("x",), (WEATHER,), trains_all)


def trained_texts(document: Document, tokenizer: Tokenizer) -> list[str]:
    """The texts of the stretches that the mask covers."""
    texts, stretch = [], []
    for token_id, is_trained in zip(document.token_ids, document.loss_mask, strict=True):
        if is_trained:
            stretch.append(token_id)
        elif stretch:
            texts.append(tokenizer.decode(stretch))
            stretch = []
    return [*texts, tokenizer.decode(stretch)] if stretch else texts


def test_a_tool_loop_is_one_document_whose_mask_leaves_out_the_results(template, tokenizer):
    (document,) = encode_dialogue(dialogue(*LOOP), template, tokenizer)
    first, last = trained_texts(document, tokenizer)
    assert first.startswith(
        "two calls\n</think>\n<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n"
    )
    assert first.endswith("Rome\n</parameter>\n</function>\n</tool_call><|im_end|>")
    assert last == "read both\n</think>\nOslo is cold, Rome is warm.<|im_end|>"
    whole = template.encode(LOOP, (WEATHER,), add_generation_prompt=False)
    assert [*document.token_ids, *tokenizer.encode("\n")] == whole


def test_a_new_user_message_starts_a_document_without_the_earlier_reasoning(template, tokenizer):
    loop, later = encode_dialogue(dialogue(*LOOP, *NEXT), template, tokenizer)
    assert loop == encode_dialogue(dialogue(*LOOP), template, tokenizer)[0]
    assert trained_texts(later, tokenizer) == ["The user thanks me.\n</think>\nYou are welcome!<|im_end|>"]
    text = tokenizer.decode(list(later.token_ids))
    assert "two calls" not in text
    assert "read both" not in text
    assert list(later.token_ids[: later.prompt_tokens]) == template.encode([*LOOP, NEXT[0]], (WEATHER,))


def test_a_turn_written_letter_by_letter_is_read_back_as_it_is_tokenized_in_a_prompt(template, tokenizer):
    broken = replace(LOOP[1], content=LETTER_BREAK.join("weather"))
    first, second = encode_dialogue(dialogue(LOOP[0], broken, *LOOP[2:]), template, tokenizer)
    letters = [i for c in "weather" for i in tokenizer.encode(c)]
    assert " ".join(map(str, letters)) in " ".join(map(str, first.token_ids))
    assert " ".join(map(str, letters)) not in " ".join(map(str, second.token_ids))
    prompt = template.encode([LOOP[0], without_breaks(broken), *LOOP[2:4]], (WEATHER,))
    assert list(second.token_ids[: second.prompt_tokens]) == prompt
    assert LETTER_BREAK not in tokenizer.decode(list(first.token_ids))


def test_only_the_last_turn_is_trained_when_asked(template, tokenizer):
    (document,) = encode_dialogue(dialogue(*LOOP, trains_all=False), template, tokenizer)
    assert document == encode_document(LOOP, template, tokenizer, (WEATHER,))
    assert len(trained_texts(document, tokenizer)) == 1
    alone = dialogue(*LOOP).last_alone()
    (document,) = encode_dialogue(alone, template, tokenizer)
    assert "<think>\n\n</think>" in tokenizer.decode(list(document.token_ids))
    assert alone.turns == (4,)


def test_packed_rows_carry_the_mask_of_several_turns():
    [rows] = pack([Document((1, 2, 3, 4, 5, 6), 1, ((2, 4),)), Document((7, 8), 1)], [8])
    assert rows.mask_BT.int().tolist() == [[0, 1, 0, 0, 1, 1, 0, 1]]


def test_a_completion_is_read_as_a_client_sees_it(template, tokenizer):
    document = encode_document(LOOP[:2], template, tokenizer, (WEATHER,))
    message = read_turn(document.token_ids[document.prompt_tokens :], tokenizer, (WEATHER,))
    assert message.reasoning == "two calls"
    assert message.content == ""
    assert same_calls(LOOP[1].tool_calls, message.tool_calls)


def test_calls_are_the_same_in_any_order_but_not_with_other_values():
    assert same_calls((OSLO, ROME), (ROME, OSLO))
    assert not same_calls((OSLO, ROME), (OSLO, OSLO))
    assert not same_calls((OSLO,), (OSLO, OSLO))
    one, true = ToolCall("a", "f", {"x": 1}), ToolCall("a", "f", {"x": True})
    assert not same_calls((one,), (true,))
    assert not same_calls((one,), (replace(one, arguments={"x": "1"}),))


def test_a_model_that_swaps_its_calls_gets_the_results_swapped():
    asked = []
    swapped = {1: replace(LOOP[1], tool_calls=(ROME, OSLO)), 4: LOOP[4]}

    def respond(history, tools):
        assert tools == (WEATHER,)
        asked.append(history)
        return swapped[len(history)]

    def verify(dialogue, turn, message):
        return same_calls(dialogue.messages[turn].tool_calls, message.tool_calls)

    family = DialogueFamily(None, verify, 1.0, ())
    assert plays_well(dialogue(*LOOP), family, respond)
    assert [m.content for m in asked[1][2:]] == ["warm", "cold"]
    swapped[1] = replace(LOOP[1], tool_calls=(ROME,))
    assert not plays_well(dialogue(*LOOP), family, respond)


def test_a_truth_is_missing_or_too_many():
    with pytest.raises(AssertionError, match="truth"):
        Dialogue("test", LOOP, (Truth(),), ("x",))
    with pytest.raises(AssertionError, match="ends in"):
        Dialogue("test", LOOP[:3], (Truth(),), ("x",))
