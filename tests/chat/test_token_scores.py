"""Scores beside the text: the part of each token, what stop strings swallow, and every cut of a stream."""

from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import TOOLS, call

from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.chat.token_scores import prompt_scores
from flashstep.types import LogprobsDelta, TextDelta, TokenLogprob

FRAGMENTS = st.sampled_from(
    ["a", "Hello", "\n", " ", "ü", "🎉", "</think>", "\n</think>\n", "<tool_call>", "STOP", "ST", "OP", "."]
    + [call("get_weather", city="Oslo"), call("ping"), "<|im_end|>"]
)


def decode(tokenizer, token_ids, sizes=(1,), **options):
    """(all events, the score events) of an answer that arrives in pieces of these sizes, again and again."""
    decoder = ResponseDecoder(tokenizer, tools=TOOLS, **options)
    scores = [TokenLogprob(token_id, -float(i)) for i, token_id in enumerate(token_ids)]
    events, start, turn = [], 0, 0
    while start < len(token_ids) and not decoder.stopped:
        end = start + sizes[turn % len(sizes)]
        events += decoder.feed(token_ids[start:end], scores[start:end])
        start, turn = end, turn + 1
    events += decoder.finish("stop")[0]
    return events, [event for event in events if isinstance(event, LogprobsDelta)]


def parts(events) -> dict[str, list[int]]:
    """Positions of the scored tokens by part; `decode` scores token n with -n."""
    found: dict[str, list[int]] = {"reasoning": [], "text": []}
    for event in events:
        found[event.part] += [int(-scored.token.logprob) for scored in event.tokens]
    return found


def texts(events, part) -> str:
    return b"".join(s.token.data for e in events if e.part == part for s in e.tokens).decode()


def test_reasoning_with_its_framing_and_the_answer_are_told_apart(tokenizer):
    _, scores = decode(tokenizer, tokenizer.encode("Hm.\n</think>\nYes.\n"))
    assert texts(scores, "reasoning") == "Hm.\n</think>\n"
    assert texts(scores, "text") == "Yes.\n"


def test_a_newline_of_the_answer_itself_is_text(tokenizer):
    _, scores = decode(tokenizer, tokenizer.encode("a</think>\n\nb"))
    assert texts(scores, "text").endswith("\nb")


def test_tokens_of_a_call_are_text_and_of_a_mentioned_tag_reasoning(tokenizer):
    _, scores = decode(tokenizer, tokenizer.encode("a\n</think>\n" + call("ping")))
    assert texts(scores, "text") == call("ping")
    _, scores = decode(tokenizer, tokenizer.encode("use <tool_call> here\n</think>\nb"))
    assert texts(scores, "reasoning") == "use <tool_call> here\n</think>\n"


def test_a_call_that_ends_the_turn_in_the_reasoning_is_text(tokenizer):
    _, scores = decode(tokenizer, tokenizer.encode("a\n" + call("get_weather", city="Oslo")))
    assert texts(scores, "reasoning") == "a\n"
    assert texts(scores, "text") == call("get_weather", city="Oslo")


def test_a_swallowed_stop_string_has_no_scores(tokenizer):
    token_ids = tokenizer.encode("a</think>Hello STOP more")
    events, scores = decode(tokenizer, token_ids, stop=("STOP",))
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "Hello "
    assert texts(scores, "text") == "Hello "


def test_half_a_character_has_exact_bytes_and_a_replacement_as_text(tokenizer):
    _, scores = decode(tokenizer, tokenizer.encode("</think>🤖"))
    tokens = [s.token for e in scores if e.part == "text" for s in e.tokens]
    assert b"".join(t.data for t in tokens) == "🤖".encode()
    assert len(tokens) > 1
    assert all("\ufffd" in t.text for t in tokens)


def test_alternatives_are_spelled_out(tokenizer):
    a, b = tokenizer.encode("ab")
    event = prompt_scores(tokenizer, [TokenLogprob(a, -0.5, ((b, -0.25), (a, -0.5)))])
    assert event.part == "prompt"
    (scored,) = event.tokens
    assert (scored.token.token_id, scored.token.text, scored.token.logprob) == (a, "a", -0.5)
    assert [(t.text, t.logprob) for t in scored.top] == [("b", -0.25), ("a", -0.5)]


@settings(max_examples=200, deadline=None)
@given(
    fragments=st.lists(FRAGMENTS, max_size=12),
    stop=st.sampled_from([(), ("STOP",), ("OP", "ST."), ("\n",)]),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=3),
)
def test_every_cut_scores_the_same_tokens_once_and_in_order(tokenizer, fragments, stop, sizes):
    token_ids = tokenizer.encode("".join(fragments))
    events, scores = decode(tokenizer, token_ids, stop=stop)
    _, cut = decode(tokenizer, token_ids, sizes, stop=stop)
    assert parts(cut) == parts(scores)
    positions = [position for found in parts(scores).values() for position in found]
    assert sorted(positions) == list(range(len(positions)))
    assert parts(scores)["text"] == sorted(parts(scores)["text"])
    if not any("<tool_call>" in fragment for fragment in fragments):
        plain = [e.tokens for e in scores if e.part == "text"]
        data = b"".join(
            s.token.data for t in plain for s in t if not tokenizer.is_special(s.token.token_id)
        ).decode(errors="replace")
        shown = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert data == shown if not stop else data.startswith(shown)
