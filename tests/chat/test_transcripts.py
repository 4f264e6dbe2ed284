"""Every golden transcript gives the same answer however its text or its tokens are cut."""

import json
import random
from collections.abc import Iterator, Sequence
from itertools import combinations, count

import pytest
from transcripts import TRANSCRIPTS, Transcript

from flashstep.chat.fold import fold, merge
from flashstep.chat.response_decoder import ResponseDecoder
from flashstep.chat.stream_router import StreamRouter
from flashstep.types import Event, ToolCallDelta

every_transcript = pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda t: t.name)
ALL_TRIPLES_BELOW = 100  # characters; of longer texts a random sample is cut in three
NUM_SAMPLED = 60


def decode(tokenizer, transcript: Transcript, cuts: Sequence[Sequence[int]]) -> tuple[list[Event], str]:
    """All events, merged, with numbered call ids, and the finish reason."""
    numbers = count()
    decoder = ResponseDecoder(
        tokenizer, tools=transcript.tools, stop=transcript.stop, new_id=lambda: f"call_{next(numbers)}"
    )
    events = [event for ids in cuts for event in decoder.feed(ids)]
    rest, reason = decoder.finish(transcript.reason)
    return merge([*events, *rest]), reason


def route(transcript: Transcript, pieces: Sequence[str]) -> list[Event]:
    """All events of the text-level router, merged."""
    numbers = count()
    router = StreamRouter(transcript.tools, lambda: f"call_{next(numbers)}")
    events: list[Event] = [event for piece in pieces for event in router.feed(piece)]
    return merge([*events, *router.finish(is_complete=transcript.reason == "stop")])


def cut(text: str, positions: Sequence[int]) -> list[str]:
    """The pieces of `text` between ascending positions."""
    bounds = [0, *positions, len(text)]
    return [text[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]


def cuts_of(text: str) -> Iterator[list[str]]:
    """One piece per character, all cuts in two, all or many cuts in three, random pieces."""
    yield list(text)
    rng = random.Random(len(text))
    step = 1 if len(text) < 600 else 17
    yield from (cut(text, [i]) for i in range(1, len(text), step))
    if len(text) < ALL_TRIPLES_BELOW:
        yield from (cut(text, pair) for pair in combinations(range(1, len(text)), 2))
    for _ in range(NUM_SAMPLED):
        yield cut(text, sorted(rng.choices(range(len(text) + 1), k=2)))
        yield cut(text, sorted(rng.choices(range(len(text) + 1), k=rng.randrange(3, 40))))


def streamed_arguments(events: Sequence[Event]) -> dict[int, str]:
    """Call number -> its argument fragments, joined."""
    joined: dict[int, str] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            joined[event.index] = joined.get(event.index, "") + event.arguments
    return joined


@every_transcript
def test_the_answer_is_the_golden_one(tokenizer, transcript: Transcript) -> None:
    events, reason = decode(tokenizer, transcript, [tokenizer.encode(transcript.text)])
    message = fold(events)
    assert message.reasoning == transcript.reasoning
    assert message.content == transcript.content
    calls = [(c.name, json.dumps(c.arguments, ensure_ascii=False)) for c in message.tool_calls]
    assert tuple(calls) == transcript.calls
    assert reason == transcript.finish


@every_transcript
def test_streamed_arguments_are_the_whole_arguments(tokenizer, transcript: Transcript) -> None:
    events, _ = decode(tokenizer, transcript, [[i] for i in tokenizer.encode(transcript.text)])
    complete = {c.id: json.dumps(c.arguments, ensure_ascii=False) for c in fold(events).tool_calls}
    first = {e.index: e.id for e in events if isinstance(e, ToolCallDelta) and e.id}
    streamed = streamed_arguments(events)
    for index, call_id in first.items():
        if call_id in complete:
            assert streamed[index] == complete[call_id]
    assert len(complete) == len(transcript.calls)


@every_transcript
def test_every_cut_of_the_text_gives_the_same_events(transcript: Transcript) -> None:
    whole = route(transcript, [transcript.text])
    for pieces in cuts_of(transcript.text):
        assert route(transcript, pieces) == whole, pieces


@every_transcript
@pytest.mark.parametrize("is_plain", [False, True], ids=["control tokens", "spelled out"])
def test_every_cut_of_the_tokens_gives_the_same_events(
    tokenizer, transcript: Transcript, is_plain: bool
) -> None:
    """Markers as single tokens or spelled in pieces; in bunches of 1 to 20, as drafting makes them."""
    ids = (tokenizer.encode_plain if is_plain else tokenizer.encode)(transcript.text)
    whole = decode(tokenizer, transcript, [ids])
    assert whole == decode(tokenizer, transcript, [tokenizer.encode(transcript.text)])
    for size in range(1, 21):
        bunches = [ids[i : i + size] for i in range(0, len(ids), size)]
        assert decode(tokenizer, transcript, bunches) == whole, size


@every_transcript
def test_the_pieces_of_a_call_have_the_promised_shape(tokenizer, transcript: Transcript) -> None:
    """First id and name with empty arguments, then only fragments; numbers ascend; ids are unique."""
    events, _ = decode(tokenizer, transcript, [[i] for i in tokenizer.encode(transcript.text)])
    deltas = [e for e in events if isinstance(e, ToolCallDelta)]
    announced = [e for e in deltas if e.id is not None]
    assert [e.index for e in announced] == list(range(len(announced)))
    assert len({e.id for e in announced}) == len(announced)
    assert all(e.name and not e.arguments for e in announced)
    assert all(e.name is None and e.arguments for e in deltas if e.id is None)
    assert [e.index for e in deltas] == sorted(e.index for e in deltas)
