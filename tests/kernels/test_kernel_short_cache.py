"""K and V in bfloat16: rounded as they are written, and otherwise the same arithmetic."""

from typing import NamedTuple

import numpy as np
import pytest
from flat_batches import run_in_chunks, run_whole
from numba import njit

from flashstep.engine.runner import Runner
from flashstep.engine.weights import StorageFormats, pack
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


@pytest.fixture(scope="module")
def short_runner(toy_checkpoint, toy_config):
    """Exact weights, so that whatever differs comes from K and V."""
    model = pack(Checkpoint.open(toy_checkpoint, toy_config), StorageFormats.of("float32"))
    sizes = {"num_full_blocks": 40, "num_sliding_blocks": 40, "max_batch_tokens": 128, "max_sequences": 8}
    runner = Runner(toy_config, model, num_threads=1, block_size=16, bytes_per_cached_number=2, **sizes)
    yield runner
    runner.close()


def test_logits_stay_near_those_with_float32_caches(short_runner, whole, toy_tokens):
    logits, _ = run_whole(short_runner, toy_tokens)
    error = np.abs(logits - whole[0]).max()
    assert 0 < error < 0.03, "logits reach 3, and bfloat16 rounds by 1 in 256"


@pytest.mark.parametrize("lengths", [[1] * 40, [39, 1], [7, 16, 17], [33, 3, 4]], ids=str)
def test_chunks_of_any_length_give_the_same_bits_as_one_pass(short_runner, toy_tokens, lengths):
    expected, _ = run_whole(short_runner, toy_tokens)
    logits, _ = run_in_chunks(short_runner, toy_tokens, lengths, full=(9, 3, 7), sliding=(1, 8, 2))
    np.testing.assert_array_equal(logits, expected)
