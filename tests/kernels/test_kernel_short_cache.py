"""K and V in bfloat16: rounded as they are written, and pairs of their tokens lie together.

Where the CPU multiplies such pairs, queries and weights of attention are rounded, too.
"""

from typing import NamedTuple

import numpy as np
import pytest
from flat_batches import Piece, run_in_chunks, run_pieces, run_whole
from numba import njit

from flashstep.engine import runner as runner_module
from flashstep.engine.kv_cache import new_caches
from flashstep.engine.runner import Runner
from flashstep.engine.weights import StorageFormats, pack
from flashstep.errors import ConfigError
from flashstep.kernels.pointers import addresses, line_elements, put, reader
from flashstep.kernels.quantise import from_bfloat16, to_bfloat16
from flashstep.kernels.tables import Cached, Float32
from flashstep.model.checkpoint import Checkpoint


class Numbered(NamedTuple):
    """A record with one field of a fixed type before one of either."""

    numbers: Float32
    values: Cached


read = reader(Numbered, 1)


@njit
def put_all(places, choice):
    """Write the record's `numbers` into `values` one by one; returns the elements of a cache line."""
    numbers, pointer = read(places, choice)
    for i in range(1000):
        put(pointer, np.int64(i), numbers[i])
    return line_elements(pointer)


def test_numbers_are_rounded_to_the_nearest_bfloat16_or_kept():
    numbers = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    numbers[:6] = 0.0, -0.0, 1.0, 1.00390625, 1.01171875, -3e38  # the fourth and fifth are ties
    short, whole = np.zeros(1000, np.int16), np.zeros(1000, np.float32)
    for values, per_line in ((short, 32), (whole, 16)):
        found = addresses((Numbered(numbers, values),))
        assert put_all(np.array([0, *found]), values.dtype.type(0)) == per_line
    np.testing.assert_array_equal(from_bfloat16(short.view(np.uint16)), from_bfloat16(to_bfloat16(numbers)))
    np.testing.assert_array_equal(whole, numbers)


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.zeros(4, np.int32), "values is int32"), (np.zeros(8, np.float32)[::2], r"strides \(8,\)")],
)
def test_arrays_that_kernels_would_misread_are_refused(values, said):
    with pytest.raises(ValueError, match=f"Numbered.*{said}.*float32 or int16 without gaps"):
        addresses((Numbered(np.zeros(1, np.float32), values),))


NAN = np.int16(0x7FC0)


@pytest.fixture(scope="module")
def load_short(toy_checkpoint, toy_config):
    """(block_size, num_threads) -> a runner with exact weights: what differs comes from K and V."""
    model = pack(Checkpoint.open(toy_checkpoint, toy_config), StorageFormats.of("float32"))
    made = []

    def load(block_size=16, num_threads=1):
        num_blocks = -(-640 // block_size)
        runner = Runner(
            toy_config, model, num_threads=num_threads, block_size=block_size, bytes_per_cached_number=2,
            num_full_blocks=num_blocks, num_sliding_blocks=num_blocks, max_batch_tokens=320, max_sequences=8,
        )  # fmt: skip
        made.append(runner)
        return runner

    yield load
    for runner in made:
        runner.close()


@pytest.fixture(scope="module")
def short_runner(load_short):
    """Blocks of 16, one thread."""
    return load_short()


@pytest.fixture(scope="module")
def long_tokens():
    """300 token ids: three spans of full attention."""
    return [int(t) for t in np.random.default_rng(8).integers(3, 384, 300)]


def test_logits_stay_near_those_with_float32_caches(short_runner, whole, toy_tokens):
    logits, _ = run_whole(short_runner, toy_tokens)
    error = np.abs(logits - whole[0]).max()
    assert 0 < error < 0.03, "logits reach 3, and bfloat16 rounds by 1 in 256"


@pytest.mark.parametrize("lengths", [[1] * 40, [39, 1], [7, 16, 17], [33, 3, 4]], ids=str)
def test_chunks_of_any_length_give_the_same_bits_as_one_pass(short_runner, toy_tokens, lengths):
    expected, _ = run_whole(short_runner, toy_tokens)
    logits, _ = run_in_chunks(short_runner, toy_tokens, lengths, full=(9, 3, 7), sliding=(1, 8, 2))
    np.testing.assert_array_equal(logits, expected)


@pytest.mark.parametrize("lengths", [[129, 171], [7, 120, 2, 131, 40], [255, 1, 1, 1, 1, 41]], ids=str)
def test_spans_are_the_same_bits_however_a_sequence_is_cut(short_runner, load_toy, long_tokens, lengths):
    blocks = list(range(19))
    expected, _ = run_whole(short_runner, long_tokens, full=blocks, sliding=blocks)
    logits, _ = run_in_chunks(short_runner, long_tokens, lengths, full=blocks[::-1], sliding=blocks[::-1])
    np.testing.assert_array_equal(logits, expected)
    exact = load_toy(num_full_blocks=19, num_sliding_blocks=19, max_batch_tokens=320)
    errors = np.abs(expected - run_whole(exact, long_tokens, full=blocks, sliding=blocks)[0]).max(axis=1)
    assert 0 < np.quantile(errors, 0.9) < 0.03, "but for rows that now choose another expert"


@pytest.mark.parametrize("num_threads", [1, 3])
def test_nothing_is_read_that_no_token_has_written(
    load_short, short_runner, toy_tokens, num_threads, monkeypatch
):
    """The other half of a pair is multiplied by 0, which leaves nothing of a number and NaN of NaN."""
    expected, _ = run_whole(short_runner, toy_tokens)
    caches = []
    monkeypatch.setattr(runner_module, "new_caches", lambda *a: caches.append(new_caches(*a)) or caches[-1])
    runner = load_short(num_threads=num_threads)
    for lengths in ([1] * 40, [3, 2, 35], [40]):
        for values in caches[0]:
            values[:] = NAN
        logits, _ = run_in_chunks(runner, toy_tokens, lengths)
        np.testing.assert_array_equal(logits, expected)


def test_ragged_batches_and_rejected_rows_at_odd_places_leave_no_trace(short_runner, toy_tokens):
    expected, _ = run_whole(short_runner, toy_tokens)
    run_pieces(short_runner, [Piece(toy_tokens[:19], 0, [0, 1, 2], [0, 1, 2])])
    run_pieces(short_runner, [Piece([380, 381, 382, 383], 19, [0, 1, 2], [0, 1, 2])])
    run_pieces(short_runner, [Piece(toy_tokens[:7], 0, [3], [3])])
    mixed = [
        Piece(toy_tokens[19:21], 19, [0, 1, 2], [0, 1, 2]),
        Piece(toy_tokens[7:8], 7, [3], [3]),
        Piece(toy_tokens[:13], 0, [6], [6]),
    ]
    logits, _ = run_pieces(short_runner, mixed)
    np.testing.assert_array_equal(logits, np.concatenate([expected[19:21], expected[7:8], expected[:13]]))


@pytest.mark.parametrize("block_size", [2, 4, 20, 32, 48, 128, 160, 200])
def test_any_even_block_size_gives_the_same_logits(load_short, short_runner, toy_tokens, block_size):
    expected, _ = run_whole(short_runner, toy_tokens)
    blocks = list(reversed(range(-(-40 // block_size))))
    logits, _ = run_in_chunks(load_short(block_size), toy_tokens, [23, 17], full=blocks, sliding=blocks)
    # Spans, so roundings, are cut differently.
    np.testing.assert_allclose(logits, expected, rtol=0, atol=0.02)


def test_an_odd_block_size_is_refused(load_short):
    with pytest.raises(ConfigError, match=r"block_size is 3; .* must be even"):
        load_short(3)
