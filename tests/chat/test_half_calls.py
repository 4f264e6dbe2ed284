"""Long calls that break off: what streamed as arguments comes once, and the whole answer agrees."""

import json

import pytest
from transcripts import TOOLS, call

from flashstep.chat.fold import CallText, Fold
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.types import Event, FinishReason

LONG = "word " * 300
START = "<tool_call>\n<function=write_file>\n<parameter=path>\na\n</parameter>\n<parameter=content>\n"


def read(tokenizer, text: str, size: int, reason: FinishReason = "length") -> tuple[Fold, str]:
    """The fold of an answer that comes in pieces of `size` tokens, and the reason of its end."""
    decoder = ResponseDecoder(tokenizer, tools=TOOLS, in_reasoning=False, new_id=lambda: "call_0")
    ids = tokenizer.encode(text)
    events: list[Event] = []
    for i in range(0, len(ids), size):
        events += decoder.feed(ids[i : i + size])
    rest, finish = decoder.finish(reason)
    whole = Fold()
    for event in [*events, *rest]:
        whole.add(event)
    return whole, finish


CUTS = {
    "inside a text": (START + LONG, '{"path": "a", "content": "' + LONG),
    "inside its end tag": (START + LONG + "\n</para", '{"path": "a", "content": "' + LONG + "\\n</para"),
    "between parameters": (START + LONG + "\n</parameter>\n<par", '{"path": "a", "content": "' + LONG + '"'),
    "inside a name": (
        START + LONG + "\n</parameter>\n<parameter=con",
        '{"path": "a", "content": "' + LONG + '"',
    ),
    "inside a number": (
        call("get_weather", city=LONG, days="1").split("\n</parameter>\n</function>")[0],
        '{"city": "' + LONG + '", "days": "1',
    ),
    "inside an object": (
        "<tool_call>\n<function=search>\n<parameter=filters>\n" + "[" * 1500,
        '{"filters": "' + "[" * 1500,
    ),
    "behind an object with a brace too many": (
        call("search", q=LONG, filters='{"a": 1}}').split("\n</parameter>\n</function>")[0],
        '{"q": "' + LONG + '", "filters": "{\\"a\\": 1}}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CUTS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_long_call_that_is_cut_is_half_a_call_and_no_text(tokenizer, name: str, size: int) -> None:
    text, arguments = CUTS[name]
    whole, finish = read(tokenizer, f"Let me. {text}", size)
    [half] = whole.calls
    assert half == CallText("call_0", half.name, arguments)
    assert half.complete is None
    assert (whole.message.content, whole.message.tool_calls, finish) == ("Let me. ", (), "length")


@pytest.mark.parametrize("size", [1, 10_000])
def test_a_short_call_that_is_cut_is_text(tokenizer, size: int) -> None:
    whole, _ = read(tokenizer, START + "word", size)
    assert (whole.calls, whole.message.content) == ([], START + "word")


@pytest.mark.parametrize("size", [1, 10_000])
@pytest.mark.parametrize("behind", ["oops\n</function>", "<parameter=a<b>\n1", "<parameter=>x"])
def test_text_behind_a_long_call_that_turns_out_malformed_is_content_once(
    tokenizer, size: int, behind: str
) -> None:
    whole, finish = read(tokenizer, f"{START}{LONG}\n</parameter>{behind}{call('ping')}", size, "stop")
    half, ping = whole.calls
    assert json.loads(half.arguments + "}") == {"path": "a", "content": LONG}
    assert (half.complete, ping.arguments) == (None, "{}")
    assert (whole.message.content, finish) == (behind, "tool_calls")
