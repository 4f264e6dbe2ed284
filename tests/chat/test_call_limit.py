"""One call at a time: behind the last call that is wanted nothing comes out, however the stream is cut."""

import pytest
from transcripts import LONG, TOOLS, call

from flashstep.chat.fold import fold
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.types import ToolCallDelta

FIRST, SECOND = call("get_weather", city="Oslo"), call("get_weather", city="Rome")
ANSWERS = {
    "two calls": FIRST + SECOND,
    "two in one wrapper": FIRST.replace("\n</tool_call>", "\n") + SECOND.removeprefix("<tool_call>\n"),
    "a long second call": FIRST + call("write_file", path="a", content=LONG),
    "text behind": FIRST + "\nand that was it",
    "an unfinished second call": FIRST + SECOND[:60],
    "text in front": "Let me look.\n" + FIRST + SECOND,
}


def collect(tokenizer, token_ids, size, max_calls):
    """(events, the reason, how many ids were read)."""
    decoder = ResponseDecoder(tokenizer, tools=TOOLS, max_calls=max_calls)
    events, start = [], 0
    while start < len(token_ids) and not decoder.stopped:
        events += decoder.feed(token_ids[start : start + size])
        start += size
    rest, reason = decoder.finish("stop")
    return [*events, *rest], reason, start


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_nothing_of_a_further_call_comes_out(tokenizer, name, size):
    token_ids = tokenizer.encode("hm\n</think>\n" + ANSWERS[name])
    events, reason, _ = collect(tokenizer, token_ids, size, 1)
    message = fold(events)
    assert [(c.name, c.arguments) for c in message.tool_calls] == [("get_weather", {"city": "Oslo"})]
    assert {event.index for event in events if isinstance(event, ToolCallDelta)} == {0}
    assert message.content.strip() == ("Let me look." if name == "text in front" else "")
    assert reason == "tool_calls"


def test_generation_ends_with_the_call_and_not_with_the_answer(tokenizer):
    token_ids = tokenizer.encode("hm\n</think>\n" + FIRST + SECOND)
    _, _, num_read = collect(tokenizer, token_ids, 1, 1)
    assert num_read <= len(tokenizer.encode("hm\n</think>\n" + FIRST))


def test_a_limit_of_two_lets_two_calls_through(tokenizer):
    token_ids = tokenizer.encode("hm\n</think>\n" + FIRST + SECOND + call("ping"))
    events, reason, _ = collect(tokenizer, token_ids, 3, 2)
    assert [c.arguments for c in fold(events).tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert reason == "tool_calls"


def test_calls_that_end_the_turn_in_the_reasoning_are_limited_too(tokenizer):
    events, reason, _ = collect(tokenizer, tokenizer.encode("hm\n" + FIRST + SECOND), 1, 1)
    assert [c.arguments for c in fold(events).tool_calls] == [{"city": "Oslo"}]
    assert reason == "tool_calls"


def test_without_a_limit_all_calls_come_out(tokenizer):
    events, _, _ = collect(tokenizer, tokenizer.encode("hm\n</think>\n" + FIRST + SECOND), 4, None)
    assert len(fold(events).tool_calls) == 2
