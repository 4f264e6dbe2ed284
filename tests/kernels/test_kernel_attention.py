"""The innermost loops of attention against numpy: products with K and V, and one step of the softmax."""

import json

import numpy as np
import pytest
from elsewhere import OTHER_CPUS, RUNNABLE, computed_elsewhere, environment_of
from numba import njit

from flashstep.kernels.attention_tile import attention_tile, pack_operand, step_depth
from flashstep.kernels.cpu import FLOAT_LANES, PACKS_BFLOAT16
from flashstep.kernels.quantise import from_bfloat16, to_bfloat16
from flashstep.kernels.softmax import soften

ROWS, DEPTH, COLUMNS = 4, 10, 2 * FLOAT_LANES
KINDS = [np.float32, np.int16]
CHILD = """
import json
from flashstep.kernels.cpu import FLOAT_LANES, PACKS_BFLOAT16
from test_kernel_attention import errors
print(json.dumps([FLOAT_LANES, PACKS_BFLOAT16, errors()]))
"""
_whole = attention_tile(ROWS, 1, 2, accumulate=False)
_parted = attention_tile(ROWS, 2, 1, accumulate=True)


@njit
def multiply(x, w, starts, y, z):
    """y = x . w by a stride; z += x . w by listed starts, as two parts whose order is turned."""
    for row in range(ROWS):
        pack_operand(x, np.int64(row * 64), np.int64(DEPTH), w)
    depth, step = DEPTH // step_depth(w), COLUMNS * step_depth(w)
    zero = np.int64(0)
    _whole(zero, x, zero, np.int64(64), w, (zero,), step, depth, y, (zero,), np.int64(COLUMNS))
    half = np.int64(FLOAT_LANES)
    parts = (half * step_depth(w), zero)
    _parted(zero, x, zero, np.int64(64), w, parts, starts, depth, z, (zero, half), np.int64(COLUMNS))


@njit
def weigh_row(scores, num_vectors, low, high, cached):
    """`soften` on so many vectors of scores, without a peak before."""
    return soften(scores, np.int64(0), num_vectors, low, high, np.float32(-1e30), cached)


@njit
def weigh(scores, low, high, peak, cached):
    """`soften` on four vectors of scores that begin at 3."""
    return soften(scores, np.int64(3), np.int64(4), low, high, peak, cached)


def rounded(values):
    """The nearest bfloat16, as float32."""
    return from_bfloat16(to_bfloat16(values)).reshape(values.shape)


def stored(values, kind):
    """[depth, columns] as K and V have it, flat: of bfloat16 with neighbours of the depth together."""
    if kind == np.float32:
        return values.ravel()
    pairs = to_bfloat16(values).view(np.int16).reshape(DEPTH // 2, 2, COLUMNS)
    return np.ascontiguousarray(pairs.transpose(0, 2, 1)).ravel()


def products(kind):
    """What the tiles compute and what numpy does: by stride, and by list and parts on top of ones."""
    rng = np.random.default_rng(4)
    x, w = (rng.standard_normal(shape).astype(np.float32) for shape in ((ROWS, DEPTH), (DEPTH, COLUMNS)))
    operand = np.full((ROWS, 64), np.nan, np.float32)
    operand[:, : -(-DEPTH // FLOAT_LANES) * FLOAT_LANES] = 0.0
    operand[:, :DEPTH] = x
    step = COLUMNS * (1 if kind == np.float32 else 2)
    y, z = np.empty((ROWS, COLUMNS), np.float32), np.ones((ROWS, COLUMNS), np.float32)
    multiply(operand.ravel(), stored(w, kind), np.arange(DEPTH, dtype=np.int64) * step, y.ravel(), z.ravel())
    if kind == np.int16:
        x, w = (rounded(x) if PACKS_BFLOAT16 else x), rounded(w)
    exact = x.astype(np.float64) @ w.astype(np.float64)
    return (y, exact), (np.concatenate((z[:, FLOAT_LANES:], z[:, :FLOAT_LANES]), axis=1), 1 + exact)


def softened(kind, low, high, peak):
    """Peak, sum and weights from `soften`, and from numpy."""
    count = 4 * FLOAT_LANES
    scores = np.full(count + 40, np.nan, np.float32)
    scores[3 : 3 + count] = 30 * np.random.default_rng(5).standard_normal(count)
    inside = scores[3 + low : 3 + high].astype(np.float64)
    exact = np.zeros(count)
    new_peak = max([peak, *inside])
    exact[low:high] = np.exp2(inside - new_peak)
    found_peak, total = weigh(scores, np.int64(low), np.int64(high), np.float32(peak), kind(0)[None])
    weights = scores[3 : 3 + count]
    if kind == np.int16 and PACKS_BFLOAT16:
        weights = from_bfloat16(scores.view(np.uint16)[6 : 6 + count])
    return (found_peak, total, weights), (new_peak, exact.sum(), exact)


def errors():
    """The largest errors of all that is computed here, by K and V's type: of products, and of weights."""
    found = {}
    for kind in KINDS:
        worst = float(np.max([np.abs(got - exact).max() for got, exact in products(kind)]))  # NaN stays
        (_, _, weights), (_, _, exact) = softened(kind, 5, 3 * FLOAT_LANES + 1, -20.0)
        found[kind.__name__] = [worst, float(np.abs(weights - exact).max())]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_those_of_the_numbers_that_are_stored(kind):
    for got, exact in products(kind):
        np.testing.assert_allclose(got, exact, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("low", "high"), [(0, 64), (0, 1), (5, 23), (16, 16), (37, 49)], ids=str)
@pytest.mark.parametrize("peak", [-1e30, 90.0], ids=str)
def test_scores_within_bounds_become_weights_and_others_zero(kind, low, high, peak):
    low, high = min(low, 4 * FLOAT_LANES), min(high, 4 * FLOAT_LANES)
    (found_peak, total, weights), (new_peak, exact_total, exact) = softened(kind, low, high, peak)
    is_packed = kind == np.int16 and PACKS_BFLOAT16
    assert found_peak == np.float32(new_peak)
    np.testing.assert_allclose(total, exact_total, rtol=1e-4 if is_packed else 1e-5, atol=1e-35)
    np.testing.assert_allclose(weights, exact, rtol=2**-8 if is_packed else 1e-5, atol=1e-35)
    assert not weights[:low].any()
    assert not weights[high:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_ends_with_its_last_vector_is_the_row_that_goes_on_with_zeros(kind):
    """The first has no bounds to look at."""
    scores = 9 * np.random.default_rng(7).standard_normal(8 * FLOAT_LANES).astype(np.float32)
    found = []
    for num_vectors in (4, 5):
        values = scores.copy()
        result = weigh_row(values, num_vectors, np.int64(0), np.int64(4 * FLOAT_LANES), kind(0)[None])
        halves = 1 if kind == np.int16 and PACKS_BFLOAT16 else 2
        found.append((result, values.view(np.int16)[: halves * 4 * FLOAT_LANES].tolist()))
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("cpu", RUNNABLE, ids=lambda cpu: cpu[0])
def test_another_kind_of_cpu_is_as_exact(cpu):
    lanes, has_dot, found = computed_elsewhere(CHILD, environment_of(cpu))
    assert (lanes, has_dot) == (OTHER_CPUS[cpu][0], False)
    assert json.dumps(found).count("NaN") == 0
    for product_error, weight_error in found.values():
        assert product_error < 1e-5
        assert weight_error < 1e-5
