"""Decoding as a whole: hold-back, stop strings, reasons to finish, token counts, ids, the fold."""

import re

import pytest
from transcripts import LONG, TOOLS, call

from flashstep.chat.fold import CallText, Fold, fold, merge
from flashstep.chat.response_decoder import ResponseDecoder, new_call_id
from flashstep.types import Finish, Message, ReasoningDelta, TextDelta, ToolCall, ToolCallDelta


def answer(tokenizer, text: str, reason="stop", **options) -> tuple[Message, str]:
    """Message and finish reason of an answer given as text."""
    decoder = ResponseDecoder(tokenizer, **options)
    events = decoder.feed(tokenizer.encode(text))
    rest, finish = decoder.finish(reason)
    return fold([*events, *rest]), finish


def shown(tokenizer, text: str, **options) -> list:
    """The events that are out before the end is known."""
    return ResponseDecoder(tokenizer, **options).feed(tokenizer.encode(text))


def test_text_starts_inside_the_reasoning_whatever_the_prompt_held(tokenizer) -> None:
    assert shown(tokenizer, "Hm") == [ReasoningDelta("Hm")]


def test_a_closed_reasoning_in_the_prompt_starts_in_the_content(tokenizer) -> None:
    assert shown(tokenizer, "Yes.", in_reasoning=False) == [TextDelta("Yes.")]


@pytest.mark.parametrize("token", ["<|im_end|>", "<｜end▁of▁sentence｜>", "<|im_start|>"])
def test_control_tokens_show_in_no_channel(tokenizer, token: str) -> None:
    message, _ = answer(tokenizer, f"a{token}b\n</think>\nc{token}d{token}")
    assert (message.reasoning, message.content) == ("ab", "cd")


def test_prose_is_not_held_back(tokenizer) -> None:
    assert shown(tokenizer, "r\n</think>\na < b <tool", tools=TOOLS)[-1] == TextDelta("a < b ")


def test_a_literal_tag_in_prose_does_not_silence_the_stream(tokenizer) -> None:
    events = shown(tokenizer, "</think>Use <tool_call> for that.", tools=TOOLS)
    assert events == [TextDelta("Use <tool_call> for that.")]


def test_a_tag_followed_by_blanks_only_does_not_silence_the_stream(tokenizer) -> None:
    assert shown(tokenizer, "</think><tool_call>" + " " * 80, tools=TOOLS) == [
        TextDelta("<tool_call>" + " " * 80)
    ]


def test_a_tag_that_never_closes_does_not_silence_the_stream(tokenizer) -> None:
    text = "<tool_call>\n<function=" + "a" * 300
    assert shown(tokenizer, "</think>" + text, tools=TOOLS) == [TextDelta(text)]


def test_a_tag_in_the_reasoning_does_not_silence_the_stream(tokenizer) -> None:
    text = "I call <tool_call> or <tool_call>\n<function=nope> now"
    assert shown(tokenizer, text, tools=TOOLS) == [ReasoningDelta(text)]


def test_an_endless_call_in_the_reasoning_is_given_up(tokenizer) -> None:
    text = "<tool_call>\n<function=write_file>\n<parameter=content>\n" + "spam " * 14_000
    events = shown(tokenizer, text, tools=TOOLS)
    assert fold(events).reasoning == text


def test_a_call_is_out_as_soon_as_its_function_is_closed(tokenizer) -> None:
    text = "</think>" + call("get_weather", city="Oslo").removesuffix("\n</tool_call>")
    assert fold(shown(tokenizer, text, tools=TOOLS)).tool_calls[0].arguments == {"city": "Oslo"}


def test_a_long_call_streams_name_first_and_then_fragments(tokenizer) -> None:
    decoder = ResponseDecoder(tokenizer, tools=TOOLS)
    text = "</think>" + call("write_file", path="a", content=LONG)
    events = [e for i in tokenizer.encode(text) for e in decoder.feed([i])]
    assert isinstance(events[0], ToolCallDelta)
    assert (events[0].name, events[0].arguments) == ("write_file", "")
    assert len(events) > 50
    assert fold(events).tool_calls[0].arguments == {"path": "a", "content": LONG.removesuffix("\n") + "\n"}


def test_without_tools_the_text_is_passed_on_at_once(tokenizer) -> None:
    assert shown(tokenizer, "</think><tool_call>\n<function=f") == [TextDelta("<tool_call>\n<function=f")]


def test_a_stop_string_ends_the_text_and_what_follows_is_ignored(tokenizer) -> None:
    decoder = ResponseDecoder(tokenizer, stop=["STOP"])
    events = decoder.feed(tokenizer.encode("STOP r</think>a STOP b"))
    assert events == [ReasoningDelta("STOP r"), TextDelta("a ")]
    assert decoder.stopped
    assert decoder.feed(tokenizer.encode("more")) == []
    assert decoder.finish("abort") == ([], "stop")


def test_what_may_become_a_stop_string_is_held_until_the_end(tokenizer) -> None:
    decoder = ResponseDecoder(tokenizer, stop=["STOP"])
    assert decoder.feed(tokenizer.encode("</think>a ST")) == [TextDelta("a ")]
    assert not decoder.stopped
    assert decoder.finish("stop") == ([TextDelta("ST")], "stop")


def test_text_held_for_a_stop_string_comes_before_the_call_that_follows(tokenizer) -> None:
    events = shown(tokenizer, f"</think>a ST{call('ping')}", tools=TOOLS, stop=["STOP"])
    assert [type(e) for e in events] == [TextDelta, ToolCallDelta, ToolCallDelta]
    assert events[0] == TextDelta("a ST")


def test_a_stop_string_in_text_released_at_the_end_counts(tokenizer) -> None:
    decoder = ResponseDecoder(tokenizer, tools=TOOLS, stop=["function"])
    decoder.feed(tokenizer.encode("</think>a<tool_call>\n<function=pi"))
    assert decoder.finish("length") == ([TextDelta("<tool_call>\n<")], "stop")


@pytest.mark.parametrize(
    ("text", "reason", "finish"),
    [
        ("r</think>a", "stop", "stop"),
        ("r</think>a", "length", "length"),
        ("r</think>", "stop", "stop"),
        ("r", "stop", "length"),
        ("", "stop", "length"),
        ("r", "abort", "abort"),
        ("r", "error", "error"),
        ("</think>" + call("ping"), "stop", "tool_calls"),
        ("</think>" + call("ping"), "length", "length"),
        ("r" + call("ping"), "stop", "tool_calls"),
        ("r" + call("ping"), "abort", "abort"),
    ],
)
def test_the_finish_reason_tells_what_the_client_can_do(tokenizer, text, reason, finish) -> None:
    message, given = answer(tokenizer, text, reason, tools=TOOLS)
    assert given == finish
    assert bool(message.tool_calls) or finish != "tool_calls"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_reasoning_tokens_are_those_before_the_end_of_the_reasoning(tokenizer, size: int) -> None:
    ids = tokenizer.encode("Let me check.\n</think>\nHello!<|im_end|>")
    decoder = ResponseDecoder(tokenizer)
    for i in range(0, len(ids), size):
        decoder.feed(ids[i : i + size])
    decoder.finish("stop")
    assert decoder.reasoning_tokens == ids.index(tokenizer.token_id("</think>"))


def test_tokens_of_a_call_inside_the_reasoning_count_only_when_it_is_none(tokenizer) -> None:
    thought = tokenizer.encode("Let me check.")
    ids = [*thought, *tokenizer.encode(call("ping")), tokenizer.token_id("<|im_end|>")]
    called = ResponseDecoder(tokenizer, tools=TOOLS)
    called.feed(ids)
    assert called.finish("stop")[1] == "tool_calls"
    assert called.reasoning_tokens == len(thought)
    cut = ResponseDecoder(tokenizer, tools=TOOLS)
    cut.feed(ids)
    assert cut.finish("length")[1] == "length"
    assert cut.reasoning_tokens == len(ids) - 1
    mentioned = ResponseDecoder(tokenizer, tools=TOOLS)
    more = tokenizer.encode(" but no")
    mentioned.feed([*ids[:-1], *more, *tokenizer.encode("</think>a")])
    assert mentioned.reasoning_tokens == len(ids) - 1 + len(more)


def test_an_incomplete_character_at_the_end_is_not_lost(tokenizer) -> None:
    first_byte = next(i for i in range(tokenizer.vocab_size) if tokenizer.token_bytes(i) == "ü".encode()[:1])
    decoder = ResponseDecoder(tokenizer)
    assert decoder.feed([tokenizer.token_id("</think>"), first_byte]) == []
    assert decoder.finish("length") == ([TextDelta("\ufffd")], "length")


def test_call_ids_are_unique_and_url_safe(tokenizer) -> None:
    ids = {new_call_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"call_[A-Za-z0-9_-]{22}", i) for i in ids)
    message, _ = answer(tokenizer, f"</think>{call('ping')}{call('ping')}", tools=TOOLS)
    assert len({c.id for c in message.tool_calls}) == 2


def test_an_answer_read_and_rendered_again_is_the_same_text(tokenizer, template) -> None:
    """So that the next turn of a tool loop extends the cached prompt."""
    text = (
        f"need it\n</think>\nLet me.{call('get_weather', city='Zürich', days='2')}{call('ping')}<|im_end|>\n"
    )
    question = [Message("user", "Weather?")]
    message, _ = answer(tokenizer, text, tools=TOOLS)
    assert template.render(question) + text == template.render(
        [*question, message], add_generation_prompt=False
    )


def test_the_fold_keeps_the_finish_and_leaves_out_half_a_call() -> None:
    whole = Fold()
    for event in [
        ReasoningDelta("r"),
        TextDelta("a"),
        ToolCallDelta(0, id="x", name="f"),
        ToolCallDelta(0, arguments='{"a": 1'),
        ToolCallDelta(1, id="y", name="g"),
        ToolCallDelta(1, arguments="{}"),
        TextDelta("b"),
        Finish("stop"),
    ]:
        whole.add(event)
    assert whole.finish == Finish("stop")
    assert whole.message == Message("assistant", "ab", reasoning="r", tool_calls=(ToolCall("y", "g", {}),))
    assert whole.calls == [CallText("x", "f", '{"a": 1'), CallText("y", "g", "{}")]


def test_merging_joins_neighbours_of_one_kind_only() -> None:
    events = [
        TextDelta("a"),
        TextDelta("b"),
        ReasoningDelta("c"),
        TextDelta("d"),
        ToolCallDelta(0, id="x", name="f"),
        ToolCallDelta(0, arguments="{"),
        ToolCallDelta(0, arguments="}"),
        ToolCallDelta(1, arguments="{}"),
    ]
    assert merge(events) == [
        TextDelta("ab"),
        ReasoningDelta("c"),
        TextDelta("d"),
        ToolCallDelta(0, id="x", name="f"),
        ToolCallDelta(0, arguments="{}"),
        ToolCallDelta(1, arguments="{}"),
    ]
