"""Decode steps of up to 64 sequences: each gets the bits that it gets alone."""

import numpy as np
import pytest
from flat_batches import Piece, run_pieces

MOST = 64


@pytest.fixture(scope="module", params=["float32", "int8"])
def texts_and_runner(request, load_toy):
    """A runner, and 64 texts of 3 to 38 tokens of which all but the last are computed."""
    runner = load_toy(
        num_threads=2, weight_format=request.param, max_sequences=MOST, max_batch_tokens=128,
        num_full_blocks=3 * MOST, num_sliding_blocks=3 * MOST,
    )  # fmt: skip
    rng = np.random.default_rng(11)
    texts = [rng.integers(3, 384, 3 + i * 7 % 36).tolist() for i in range(MOST)]
    for number, text in enumerate(texts):
        run_pieces(runner, [Piece(text[:-1], 0, *blocks(number))])
    return texts, runner


def blocks(number):
    """The blocks of one text in both pools."""
    own = [3 * number, 3 * number + 1, 3 * number + 2]
    return own, own[::-1]


def newest(texts, number):
    """The last row of a text."""
    return Piece(texts[number][-1:], len(texts[number]) - 1, *blocks(number))


@pytest.mark.parametrize("count", [2, 3, 15, 16, 17, 33, MOST])
def test_many_sequences_decode_together_as_they_do_alone(texts_and_runner, count):
    texts, runner = texts_and_runner
    chosen = np.random.default_rng(count).permutation(MOST)[:count]
    together = run_pieces(runner, [newest(texts, number) for number in chosen])
    for row, number in enumerate(chosen):
        alone = run_pieces(runner, [newest(texts, number)])
        for found, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(found[row], expected[0])
