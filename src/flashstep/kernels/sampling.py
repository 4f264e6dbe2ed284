"""Draws tokens from logits: temperature, top-k, top-p of what top-k left, min-p relative to the best token.

Tokens tied with the last one kept are kept too. Thresholds are found by halving the range of float32's bit
patterns, which have the order of the (positive) numbers: nothing is sorted, every pass is a plain loop.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flashstep.kernels.activation import exp32
from flashstep.kernels.jit import entry_point, kernel, source_stamp
from flashstep.kernels.tables import Float32, Int64

Float64 = NDArray[np.float64]

_BEST_WEIGHT_BITS = np.int32(0x3F800000)  # of 1.0
_ZERO_BELOW = np.float32(-87.0)  # where exp32 stops falling


@kernel
def largest_logit(logits: Float32, count: int) -> np.float32:
    """The maximum of the first `count` logits; NaN when one is NaN or infinite, or all are -infinity."""
    best = np.float32(-np.inf)
    for i in range(count):
        if not logits[i] < np.float32(np.inf):
            return np.float32(np.nan)
        best = max(best, logits[i])
    return best if best > np.float32(-np.inf) else np.float32(np.nan)


@kernel
def _at_least(weights: Float32, count: int, least: np.float32) -> tuple[int, float]:
    """How many of the first `count` weights are at least that, and their sum."""
    number, total = 0, 0.0
    for i in range(count):
        is_kept = weights[i] >= least
        number += is_kept
        total += np.float64(weights[i]) if is_kept else 0.0
    return number, total


@kernel
def _highest_threshold(
    weights: Float32, count: int, number: int, total: float, low: np.float32
) -> np.float32:
    """The largest weight from `low` on that leaves `number` weights and a sum of `total`; `low` does."""
    first, last = np.float32(low).view(np.int32), _BEST_WEIGHT_BITS
    while first < last:
        middle = np.int32(first + (last - first + 1) // 2)
        kept, share = _at_least(weights, count, np.int32(middle).view(np.float32))
        if kept >= number and share >= total:
            first = middle
        else:
            last = np.int32(middle - 1)
    return np.int32(first).view(np.float32)


@kernel
def _cut(weights: Float32, count: int, least: np.float32) -> None:
    for i in range(count):
        if weights[i] < least:
            weights[i] = np.float32(0.0)


@kernel
def _cut_to_nucleus(weights: Float32, count: int, top_p: float, candidates: Float32) -> None:
    """Keep the smallest set of best tokens whose share is at least `top_p`.

    Tokens below (1 - top_p) / V of the total weigh less than 1 - top_p together, so the set lies among the
    others; usually few are left.
    """
    _, total = _at_least(weights, count, np.float32(0.0))
    least, found, smallest = total * (1.0 - top_p) / count, 0, np.float32(1.0)
    for i in range(count):
        weight = weights[i]
        if weight >= least and weight > np.float32(0.0):
            candidates[found] = weight
            smallest = min(smallest, weight)
            found += 1
    _cut(weights, count, _highest_threshold(candidates, found, 0, top_p * total, smallest))


@kernel
def fill_weights(
    logits: Float32, count: int, scale: np.float32, top_k: int, top_p: float, min_p: np.float32,
    weights: Float32, candidates: Float32,
) -> np.float32:  # fmt: skip
    """Unnormalised probabilities of the first V = `count` logits, whose best token gets the weight 1, into
    `weights` [V].

    scale: 1 / temperature. top_k 0, top_p 1 and min_p 0 are off. candidates: scratch [V]. Returns
    `largest_logit`; where that is NaN nothing is written.
    """
    best = largest_logit(logits, count)
    if not best < np.float32(np.inf):
        return best
    for i in range(count):
        exponent = (logits[i] - best) * scale
        weights[i] = exp32(exponent) if exponent > _ZERO_BELOW else np.float32(0.0)
    if 0 < top_k < count:
        _cut(weights, count, _highest_threshold(weights, count, top_k, 0.0, np.float32(0.0)))
    if top_p < 1.0:
        _cut_to_nucleus(weights, count, top_p, candidates)
    if min_p > np.float32(0.0):
        _cut(weights, count, min_p)
    return best


@kernel
def pick(weights: Float32, count: int, uniform: float) -> int:
    """The id at `uniform` in [0, 1) of the cumulative distribution of the first `count` weights, in order of
    the ids."""
    total = 0.0
    for i in range(count):
        total += np.float64(weights[i])
    point, reached, last = uniform * total, 0.0, 0
    for i in range(count):
        if weights[i] > np.float32(0.0):
            reached += np.float64(weights[i])
            last = i
            if reached > point:
                return i
    return last  # the product was rounded up to the total, or the sums were added in another order


def _make_sample_rows(stamp: int) -> Callable[..., None]:
    def sample_rows(
        logits: Float32, rows: Int64, scales: Float32, top_k: Int64, top_p: Float64, min_p: Float32,
        uniforms: Float64, weights: Float32, candidates: Float32, chosen: Int64,
    ) -> None:  # fmt: skip
        """Choose a token from each of the `rows` of logits [R, at least V], whose wishes and uniform number
        stand at the same place of the other arrays; ids go to `chosen`, -1 where there is no finite best
        logit. weights, candidates: scratch [V]; ids from V on are never chosen."""
        count = len(weights)
        for i in range(len(rows) if stamp else 0):  # the stamp must be used, or the cache would not know it
            row = logits[rows[i]]
            best = fill_weights(row, count, scales[i], top_k[i], top_p[i], min_p[i], weights, candidates)
            chosen[i] = pick(weights, count, uniforms[i]) if best < np.float32(np.inf) else -1

    return entry_point(sample_rows)


sample_rows = _make_sample_rows(source_stamp())
