"""When outputs reach their streams: first and last at once, the rest in pieces, nothing lost."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashstep.engine.outbox import Outbox, interval_s, joined
from flashstep.types import TokenLogprob, TokenOutput


class Clock:
    """A clock that is moved by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Stream:
    """As much of a token stream as an outbox sees."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.got: list[TokenOutput] = []

    def put(self, output: TokenOutput) -> None:
        self.got.append(output)

    @property
    def token_ids(self) -> list[int]:
        return [token_id for output in self.got for token_id in output.token_ids]


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def settle(loop: asyncio.AbstractEventLoop) -> None:
    """Let the loop do what it was told from outside."""
    loop.run_until_complete(asyncio.sleep(0))


def test_first_and_last_come_at_once_and_the_middle_in_pieces(loop):
    clock, stream = Clock(), Stream(loop)
    outbox = Outbox(clock)
    for step in range(10):
        clock.now_s = step * (interval_s(1) / 3 + 1e-6)
        outbox.add(stream, TokenOutput((step,), finish_reason="stop" if step == 9 else None))
        assert outbox.send(num_streams=1) == []
        settle(loop)
        if step == 0:
            assert stream.token_ids == [0]
    assert [output.token_ids for output in stream.got] == [(0,), (1, 2, 3), (4, 5, 6), (7, 8, 9)]
    assert [output.finish_reason for output in stream.got] == [None, None, None, "stop"]


def test_what_is_held_goes_out_when_it_is_due_though_its_stream_has_nothing_new(loop):
    clock, stream, other = Clock(), Stream(loop), Stream(loop)
    outbox = Outbox(clock)
    for step in range(2):
        outbox.add(stream, TokenOutput((step,)))
        outbox.send(num_streams=2)
    clock.now_s = interval_s(2)
    outbox.add(other, TokenOutput((7,)))
    outbox.send(num_streams=2)
    settle(loop)
    assert (stream.token_ids, other.token_ids) == ([0, 1], [7])


def test_slow_steps_are_never_held(loop):
    clock, stream = Clock(), Stream(loop)
    outbox = Outbox(clock)
    for step in range(5):
        clock.now_s = step * 0.051
        outbox.add(stream, TokenOutput((step,)))
        outbox.send(num_streams=1000)
    settle(loop)
    assert [output.token_ids for output in stream.got] == [(0,), (1,), (2,), (3,), (4,)]


def test_what_is_held_goes_out_with_the_first_slow_step_of_another(loop):
    clock, stream, other = Clock(), Stream(loop), Stream(loop)
    outbox = Outbox(clock)
    for step in range(2):
        clock.now_s = step * 0.001
        outbox.add(stream, TokenOutput((step,)))
        outbox.send(num_streams=2)
    clock.now_s = 0.04
    outbox.add(other, TokenOutput((7,)))
    outbox.send(num_streams=20)
    settle(loop)
    assert stream.token_ids == [0], "a step of 39 ms holds back"
    clock.now_s = 0.1
    outbox.add(stream, TokenOutput((2,)))
    outbox.send(num_streams=20)
    clock.now_s = 0.16  # the prompt goes on for another 60 ms, and the stream gets one more token
    outbox.add(stream, TokenOutput((3,)))
    outbox.send(num_streams=20)
    settle(loop)
    assert stream.token_ids == [0, 1, 2, 3]


def test_when_it_is_time_for_one_stream_all_get_what_is_held(loop):
    clock, early, late = Clock(), Stream(loop), Stream(loop)
    outbox = Outbox(clock)
    for now_s, stream in ((0.0, early), (0.008, late), (0.01, early), (0.011, late)):
        clock.now_s = now_s
        outbox.add(stream, TokenOutput((1,)))
        outbox.send(num_streams=2)
    settle(loop)
    assert [len(stream.token_ids) for stream in (early, late)] == [1, 1]
    clock.now_s = 0.021  # 20 ms behind the first of `early`, 13 behind that of `late`
    outbox.add(early, TokenOutput((2,)))
    outbox.send(num_streams=2)
    settle(loop)
    assert [len(stream.got) for stream in (early, late)] == [2, 2]
    assert late.token_ids == [1, 1]


def test_the_interval_grows_with_the_streams_and_has_an_end():
    assert interval_s(1) == pytest.approx(0.01)
    assert interval_s(3) == pytest.approx(0.03)
    assert interval_s(10) == interval_s(1000) == pytest.approx(0.1)


def test_streams_of_a_closed_loop_are_reported_and_forgotten(loop):
    gone = asyncio.new_event_loop()
    gone.close()
    lost, kept = Stream(gone), Stream(loop)
    outbox = Outbox(Clock())
    for stream in (lost, kept):
        outbox.add(stream, TokenOutput((1,)))
    assert outbox.send(num_streams=2) == [lost]
    outbox.add(kept, TokenOutput((2,), finish_reason="length"))
    assert outbox.send(num_streams=1) == []
    settle(loop)
    assert kept.token_ids == [1, 2]


def test_joined_outputs_keep_every_token_and_the_latest_word_on_the_request():
    scores = [TokenLogprob(i, -0.5, ()) for i in range(3)]
    first = TokenOutput((4,), (scores[0],), (scores[1],), cached_tokens=8)
    second = TokenOutput((5,), (scores[2],), finish_reason="error", error="gone", stop_reason="repetition")
    both = joined([first, second])
    assert joined([second]) is second
    assert both == TokenOutput(
        (4, 5), (scores[0], scores[2]), (scores[1],), "error", 8, error="gone", stop_reason="repetition"
    )


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 0.03)), max_size=60),
    st.integers(1, 40),
)
def test_whatever_the_times_each_stream_gets_all_of_its_tokens_in_order_and_one_end(steps, num_streams):
    loop = asyncio.new_event_loop()
    try:
        clock, streams = Clock(), [Stream(loop) for _ in range(4)]
        outbox = Outbox(clock)
        expected: list[list[int]] = [[] for _ in streams]
        for number, (place, pause_s) in enumerate(steps):
            clock.now_s += pause_s
            expected[place].append(number)
            outbox.add(streams[place], TokenOutput((number,)))
            outbox.send(num_streams)
        for stream in streams:
            outbox.add(stream, TokenOutput((), finish_reason="stop"))
        outbox.send(num_streams)
        settle(loop)
    finally:
        loop.close()
    assert [stream.token_ids for stream in streams] == expected
    for stream in streams:
        assert [output.finish_reason for output in stream.got][-1] == "stop"
        assert all(output.finish_reason is None for output in stream.got[:-1])
