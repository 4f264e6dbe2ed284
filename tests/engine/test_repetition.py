"""The guard against endless loops: what ends, where, and what must never end."""

import random

import pytest
from driving import make_engine, request

from flashstep.engine.repetition import CHECK_EVERY, LOOP_TOKENS, MAX_PERIOD, is_due, is_loop
from flashstep.engine.sequence import Sequence
from flashstep.engine.stop import REPETITION, truncate

LOOP = request(eos=frozenset(), max_tokens=1500, logit_bias=((50, 100.0),))  # says 50 for ever


@pytest.mark.parametrize("period", [1, 2, 3, 7, 31, 63, MAX_PERIOD])
def test_a_piece_said_over_and_over_is_a_loop_for_every_length_of_the_piece(period):
    piece = random.Random(period).choices(range(300), k=period)
    text = [7, 8, 9, *piece * (LOOP_TOKENS // period + 2)]
    assert is_loop(text)
    for position in (-1, -2, -LOOP_TOKENS // 2, -LOOP_TOKENS):
        assert not is_loop([*text[:position], 999, *text[len(text) + position + 1 :]])


def test_a_longer_piece_is_no_loop():
    piece = random.Random(1).sample(range(300), MAX_PERIOD + 1)
    assert not is_loop(piece * 40)


def digits(number: int) -> list[int]:
    return [int(digit) for digit in str(number)]


LEGITIMATE = {
    "counting": [t for n in range(600) for t in [*digits(n), 50]],
    "counting down in lines": [t for n in range(600, 0, -1) for t in [*digits(n), 51, 52]],
    "a numbered list of equal lines": [t for n in range(200) for t in [*digits(n), 60, 61, 62, 63, 64, 52]],
    "digits of a fraction": digits(10**2000 // 1013),
    "a power of two": digits(2**6000),
    "a long word": [40] * 900,
    "a sentence forty times": list(range(20)) * 40,
    "a table with one cell that differs": [t for n in range(150) for t in [70, *[71] * 9, n, 72]],
    "spelling": [t for word in range(90) for letter in range(12) for t in [(word * 7 + letter) % 26, 80]],
}


@pytest.mark.parametrize("name", LEGITIMATE)
def test_legitimate_repetition_is_no_loop_at_any_point(name):
    token_ids = LEGITIMATE[name]
    assert len(token_ids) > 700
    looks = [n for n in range(len(token_ids) + 1) if is_due(n)]
    assert not any(is_loop(token_ids[:n]) for n in looks)


@pytest.mark.parametrize("num_draft_tokens", [0, 3])
def test_a_loop_ends_at_the_same_token_with_and_without_drafts(toy_config, num_draft_tokens):
    engine = make_engine(toy_config, num_draft_tokens=num_draft_tokens, num_full_blocks=500)
    engine.add(LOOP)
    outputs = []
    while engine.has_work:
        outputs += [output for _, output in engine.step()]
    token_ids = [token_id for output in outputs for token_id in output.token_ids]
    assert (outputs[-1].finish_reason, outputs[-1].stop_reason) == ("length", "repetition")
    assert token_ids == [50] * LOOP_TOKENS
    assert LOOP_TOKENS % CHECK_EVERY == 0
    assert all(output.stop_reason is None for output in outputs[:-1])


@pytest.mark.parametrize(
    ("wish", "end"),
    [({}, REPETITION), ({"repetition_guard": False}, None), ({"ignore_eos": True}, None)],
    ids=str,
)
def test_the_guard_can_be_switched_off_and_is_off_for_benchmarks(wish, end):
    seq = Sequence(request(**wish), max_total_tokens=9000, num_drafts=0, arrived_s=0.0)
    seq.append([50] * (LOOP_TOKENS - 1), 0.0)
    assert truncate(seq, [50, 50]).stop_reason == end
