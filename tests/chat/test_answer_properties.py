"""Random answers: well-formed ones against the obvious reader, and malformed ones against themselves."""

import random
from itertools import count

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transcripts import call, tool

from flashstep.chat import tool_parser
from flashstep.chat.fold import Fold, fold, merge
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.chat.stop_strings import StopStrings
from flashstep.chat.stream_router import StreamRouter
from flashstep.types import Event
from naive.answer import read_answer, split_stop

TOOLS = (tool("f", a={"type": "string"}, b={"type": "integer"}, c={"type": "object"}), tool("g"))

PROSE = st.lists(st.sampled_from(["a", "<", ">", "\n", " ", "ü", "🎉", "</", "</p>", "think"]), max_size=8)
VALUE = PROSE.map("".join).filter(lambda v: v != "null")
CALLS = st.lists(st.dictionaries(st.sampled_from(["a", "x", "y_1"]), VALUE, max_size=3), max_size=3)

FRAGMENTS = st.sampled_from(
    [
        "<tool_call>", "</tool_call>", "<function=f>", "<function=g>", "<function=h>", "<function f>",
        "</function>", "<parameter=a>", "<parameter=b>", "<parameter=c>", "</parameter>", "<think>",
        "</think>", "\n", " ", "word", "12", '{"k": [1]}', "null", "<", ">", "</", "<function", "=",
        call("f", a="v", b="7"), call("g"), call("f", a="v" * 1100), "v" * 1100,
    ]
)  # fmt: skip


def events_of(pieces: list[str], *, is_complete: bool) -> list[Event]:
    """All events of a router over `pieces`, merged, with numbered ids."""
    numbers = count()
    router = StreamRouter(TOOLS, lambda: f"call_{next(numbers)}")
    events: list[Event] = [event for piece in pieces for event in router.feed(piece)]
    return merge([*events, *router.finish(is_complete=is_complete)])


@settings(max_examples=200, deadline=None)
@given(PROSE.map("".join), PROSE.map("".join), CALLS)
def test_well_formed_answers_are_read_like_the_obvious_reader(reasoning, content, calls) -> None:
    assume("think>" not in reasoning)  # the markup itself
    text = f"{reasoning}\n</think>\n{content}" + "".join(call("f", **values) for values in calls)
    message = fold(events_of(list(text), is_complete=True))
    expected_reasoning, expected_content, expected_calls = read_answer(text)
    assert (message.reasoning or "") == expected_reasoning
    assert message.content == expected_content
    assert [(c.name, c.arguments) for c in message.tool_calls] == expected_calls


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14), st.booleans(), st.booleans(), st.integers(0, 1000))
def test_any_text_gives_the_same_events_for_every_cut(fragments, is_closed, is_complete, seed) -> None:
    text = ("</think>" if is_closed else "") + "".join(fragments)
    whole = events_of([text], is_complete=is_complete)
    assert events_of(list(text), is_complete=is_complete) == whole
    rng = random.Random(seed)
    for _ in range(3):
        positions = sorted(rng.choices(range(len(text) + 1), k=rng.randrange(1, 6)))
        pieces = [text[a:b] for a, b in zip([0, *positions], [*positions, len(text)], strict=True)]
        assert events_of(pieces, is_complete=is_complete) == whole


@settings(max_examples=300, deadline=None)
@given(
    st.lists(FRAGMENTS, max_size=14),
    st.sampled_from([(), ("d1", "\n")]),
    st.sampled_from([None, 1]),
    st.data(),
)
def test_ids_in_pieces_give_what_ids_one_by_one_give(tokenizer, fragments, stop, max_calls, data) -> None:
    token_ids = tokenizer.encode("".join(fragments))
    single = decoded(tokenizer, [[i] for i in token_ids], stop, max_calls)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(token_ids)), max_size=5)))
    pieces = [token_ids[a:b] for a, b in zip([0, *cuts], [*cuts, len(token_ids)], strict=True)]
    assert decoded(tokenizer, pieces, stop, max_calls) == single


def decoded(tokenizer, pieces: list[list[int]], stop: tuple[str, ...], max_calls: int | None):
    """Events, why it ended, and the counts of a decoder over pieces of ids."""
    numbers = count()
    decoder = ResponseDecoder(
        tokenizer, tools=TOOLS, stop=stop, max_calls=max_calls, new_id=lambda: f"call_{next(numbers)}"
    )
    events = [event for piece in pieces for event in decoder.feed(piece)]
    last, reason = decoder.finish("stop")
    return merge([*events, *last]), reason, decoder.reasoning_tokens, decoder.num_ignored


@settings(max_examples=200, deadline=None)
@given(st.lists(FRAGMENTS, max_size=14), st.booleans(), st.booleans())
def test_no_word_of_the_model_is_lost(fragments, is_closed, is_complete) -> None:
    """Only a repeated parameter replaces an earlier value; here every word is its own parameter's."""
    numbers = count()
    text = ("</think>" if is_closed else "") + "".join(fragments)
    while "word" in text or "<parameter=a>" in text:
        text = text.replace("word", f"w{next(numbers)}.", 1)
        text = text.replace("<parameter=a>", f"<parameter=p{next(numbers)}>", 1)
    whole = Fold()
    for event in events_of([text], is_complete=is_complete):
        whole.add(event)
    seen = f"{whole.message.reasoning}{whole.message.content}{[c.arguments for c in whole.calls]}"
    for number in range(next(numbers)):
        if f"w{number}." in text and text.count("<parameter=b>") + text.count("<parameter=c>") < 2:
            assert f"w{number}." in seen


@settings(max_examples=200, deadline=None)
@given(
    st.text("abc", max_size=12),
    st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3),
    st.integers(1, 5),
)
def test_stop_strings_cut_like_the_obvious_search(text: str, stop: list[str], size: int) -> None:
    stops = StopStrings(stop)
    seen = "".join(stops.feed(text[i : i + size]) for i in range(0, len(text), size)) + stops.flush()
    assert seen == split_stop(text, stop)
    assert stops.is_matched == any(s in text for s in stop)


def test_a_text_value_streams_once_the_call_is_long() -> None:
    text = "</think>" + call("f", a="v" * 3000)
    router = StreamRouter(TOOLS, lambda: "id")
    sizes = [sum(len(getattr(e, "arguments", "")) for e in router.feed(c)) for c in text]
    head = text.index("v")
    assert sum(sizes[: head + tool_parser.HOLD_LIMIT - 100]) == 0
    assert sum(sizes[: head + tool_parser.HOLD_LIMIT + 100]) > tool_parser.HOLD_LIMIT - 100
    assert max(sizes[head + tool_parser.HOLD_LIMIT + 100 :]) <= 2


def test_a_parameter_repeated_after_it_was_sent_is_written_again() -> None:
    body = "".join(f"<parameter=a>\n{v}\n</parameter>\n" for v in ("v" * 1100, "w"))
    events = events_of(
        [f"</think><tool_call>\n<function=f>\n{body}</function>\n</tool_call>"], is_complete=True
    )
    assert fold(events).tool_calls[0].arguments == {"a": "w"}
