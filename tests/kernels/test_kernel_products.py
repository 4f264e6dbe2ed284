"""Matrix products in every storage format, and that every kind of CPU computes the same."""

import numpy as np
import pytest
from elsewhere import OTHER_CPUS, RUNNABLE, computed_elsewhere, environment_of
from products import digests, int4_twin, int8_twin, multiply

from flashstep.kernels.quantise import from_bfloat16, to_bfloat16, to_int4, to_int8
from flashstep.kernels.tables import BFLOAT_PANELS, FLOAT_PANELS, INT4_PANELS, INT8_PANELS

SHAPES = [(64, 64), (24, 40), (130, 7), (200, 261), (6, 64), (16, 33), (48, 20), (49, 12)]
ROWS = [[0], [4, 2], [8, 0, 3], [1, 1, 5, 7], [6, 5, 4, 3, 2, 1, 0, 8, 7]]
NUMS_OF_ROWS = [3, 4, 15, 16, 17, 31, 32, 33, 48, 50, 64, 75]  # tiles of 16 and 32, and what is left of them
CHILD = """
import json
from flashstep.kernels.cpu import FLOAT_LANES, HAS_VNNI, INTEGER_LANES
from products import digests
print(json.dumps([[FLOAT_LANES, INTEGER_LANES, HAS_VNNI], digests()]))
"""


def values(shape, seed=5):
    """Standard normal float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float32_and_int8_products_match_numpy(shape):
    weights, x = values(shape), values((9, shape[1]), 6)
    for rows in ROWS:
        exact = x[rows].astype(np.float64) @ weights.T.astype(np.float64)
        np.testing.assert_allclose(multiply(weights, x, FLOAT_PANELS, rows), exact, rtol=0, atol=5e-5)
        rounded = multiply(weights, x, INT8_PANELS, rows)
        np.testing.assert_array_equal(rounded, int8_twin(weights, x)[rows])
        assert np.abs(rounded - exact).max() < 0.015 * np.abs(exact).max() + 0.1


@pytest.mark.parametrize("shape", [(200, 64), (64, 192), (70, 96)], ids=str)
@pytest.mark.parametrize("first", [0, 5], ids=str)
def test_int8_products_of_many_rows_have_the_bits_of_numpy(shape, first):
    weights, x = values(shape), values((80, shape[1]), 6)
    exact = int8_twin(weights, x)
    for count in NUMS_OF_ROWS:
        neighbours = range(first, first + count)
        scattered = [*range(first, first + count - 1), 79 if first + count < 80 else 78]
        for rows in (list(neighbours), scattered, list(neighbours)[::-1]):
            np.testing.assert_array_equal(multiply(weights, x, INT8_PANELS, rows), exact[rows])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_int4_products_are_those_of_the_rounded_weights(shape):
    weights, x = values(shape), values((9, shape[1]), 6)
    padded = np.pad(weights, ((0, 0), (0, -shape[1] % 32)))
    codes, scales = to_int4(padded)
    rounded = (codes.reshape(-1, 32) * from_bfloat16(scales).reshape(-1, 1)).reshape(padded.shape)
    chars, row_scales = to_int8(x)
    for rows in ROWS:
        inputs = (chars * row_scales[:, None])[rows].astype(np.float64)
        found = multiply(weights, x, INT4_PANELS, rows)
        np.testing.assert_allclose(found, inputs @ rounded[:, : shape[1]].T, rtol=0, atol=3e-4)
        np.testing.assert_array_equal(found, int4_twin(weights, x)[rows])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bfloat16_products_have_the_bits_of_the_same_weights_in_float32(shape):
    weights, x = from_bfloat16(to_bfloat16(values(shape))), values((9, shape[1]), 6)
    for rows in ROWS:
        exact = multiply(weights, x, FLOAT_PANELS, rows)
        np.testing.assert_array_equal(multiply(weights, x, BFLOAT_PANELS, rows), exact)


def test_int8_products_are_exact_integers():
    rng = np.random.default_rng(6)
    weights, x = (rng.integers(-127, 128, shape).astype(np.float32) for shape in ((64, 500), (3, 500)))
    weights[:, 0] = x[:, 0] = 127  # so that every scale is exactly 1
    np.testing.assert_array_equal(multiply(weights, x, INT8_PANELS, [0, 1, 2]), x @ weights.T)


def test_int4_products_of_extreme_codes_and_inputs_do_not_overflow():
    weights = np.where(np.arange(256) % 3 == 0, -8, 7).astype(np.float32) * np.ones((64, 1), np.float32)
    x = np.stack([np.full(256, 127), np.full(256, -127)]).astype(np.float32)
    np.testing.assert_array_equal(multiply(weights, x, INT4_PANELS, [0, 1]), x @ weights.T)


def test_int8_keeps_zero_rows_and_bounds_the_error():
    weights = np.stack([np.zeros(8), np.linspace(-3, 5, 8)]).astype(np.float32)
    chars, scales = to_int8(weights)
    assert chars[0].tolist() == [0] * 8
    assert chars.max() == 127
    assert np.abs(chars * scales[:, None] - weights).max() <= scales[1] / 2 + 1e-6


def test_int4_keeps_zero_groups_and_is_nearer_than_symmetric_rounding_to_seven():
    weights = values((64, 320))
    weights[3] = 0
    codes, scales = to_int4(weights)
    assert not codes[3].any()
    assert (codes.min(), codes.max()) == (-8, 7)
    found = (codes.reshape(-1, 32) * from_bfloat16(scales).reshape(-1, 1)).reshape(weights.shape)
    groups = weights.reshape(-1, 32)
    step = np.abs(groups).max(axis=1, keepdims=True) / 7 + 1e-30
    simple = (np.rint(groups / step) * step).reshape(weights.shape)
    error, simple_error = (float(np.sqrt(((w - weights) ** 2).mean())) for w in (found, simple))
    assert error < 0.9 * simple_error
    assert error < 0.09


def test_bfloat16_rounds_to_nearest_even():
    bits = np.array([0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001, 0xBF80FFFF], np.uint32)
    assert [hex(v) for v in to_bfloat16(bits.view(np.float32))] == [
        "0x3f80", "0x3f80", "0x3f82", "0x3f81", "0xbf81"
    ]  # fmt: skip


# The plainest kind and the commonest one are forced in every run, the others in that of `make test-all`.
FORCED = [
    pytest.param(cpu, marks=() if cpu[0] in ("generic", "haswell") else pytest.mark.slow) for cpu in RUNNABLE
]


@pytest.mark.parametrize("cpu", FORCED, ids=lambda cpu: cpu[0])
def test_another_kind_of_cpu_computes_the_same_bits(cpu):
    found = computed_elsewhere(CHILD, environment_of(cpu))
    assert found == [OTHER_CPUS[cpu], digests()]


@pytest.mark.slow
def test_the_form_for_other_families_of_cpus_computes_the_same_bits():
    other = (
        "from flashstep.kernels import cpu\n"
        "cpu.IS_X86 = cpu.HAS_VNNI = cpu.HAS_AMX = False\n"
        "cpu.INTEGER_LANES = 4\n"
    )
    assert computed_elsewhere(other + CHILD, {})[1] == digests()
