"""The loops behind the ceilings do the work that they are counted for."""

import numpy as np
import pytest

from flashstep.bench.ceilings import measure_ceilings
from flashstep.kernels.ceiling import NUM_SUMS, float32_turns, int8_turns, read_words, tile_turns
from flashstep.kernels.cpu import HAS_AMX, HAS_VNNI

FIRST_SUMS = sum(range(NUM_SUMS))  # sum i starts at i


def test_every_word_is_read_in_every_pass() -> None:
    words = np.arange(64, dtype=np.int64)
    assert read_words(words, 8, 40, 3) == 3 * words[8:40].sum()


@pytest.mark.skipif(not HAS_VNNI, reason="no 8-bit dot product on this CPU")
def test_each_turn_adds_four_byte_products_to_each_sum() -> None:
    assert int8_turns(7) == FIRST_SUMS + NUM_SUMS * 4 * 7


@pytest.mark.skipif(HAS_VNNI, reason="this CPU has a better instruction")
def test_each_turn_adds_two_products_of_the_halves_of_each_sum() -> None:
    sums = np.arange(NUM_SUMS, dtype=np.int32)
    for _ in range(5):
        halves = sums.view(np.int16).astype(np.int32).reshape(-1, 2)
        sums += halves @ np.array([-3, 5], np.int32)
    assert int8_turns(5) == sums.sum()


@pytest.mark.skipif(not HAS_AMX, reason="no tiles on this CPU")
def test_each_turn_of_tiles_adds_a_row_of_products_to_each_number() -> None:
    assert tile_turns(7) == 7 * 64


def test_each_turn_halves_each_sum_and_adds_a_half() -> None:
    sums = [float(i) for i in range(NUM_SUMS)]
    for _ in range(5):
        sums = [x / 2 + 0.5 for x in sums]
    assert float32_turns(5) == pytest.approx(sum(sums))


def test_ceilings_tell_what_they_were_measured_with() -> None:
    ceilings = measure_ceilings(2, weights_bytes=1 << 16, memory_bytes=1 << 20)
    assert (ceilings.num_threads, ceilings.weights_bytes) == (2, 1 << 16)
    assert ceilings.memory_bytes_per_s > 0
    assert ceilings.weights_bytes_per_s > 0
    assert ceilings.float32_macs_per_s > 0
    assert ceilings.int8_macs_per_s > 0
    assert (ceilings.tile_macs_per_s > ceilings.int8_macs_per_s) == HAS_AMX
    assert len(ceilings.lines()) == 4 + HAS_AMX
