"""What one thread of attention writes while it is at a unit of work, and how large that is."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from flashstep.kernels.amx import TILE
from flashstep.kernels.cpu import HAS_AMX
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.padding import value_stride
from flashstep.kernels.tables import Float32, Int64

_SPAN_TOKENS = 128
_SLACK = 16  # scores that a tile may read or write past a row


class Scratch(NamedTuple):
    """A thread's private numbers: queries, results, scores of a unit, running maxima and sums.

    Five areas from `base`: query heads [n, value_stride], results likewise, scores [n, score_stride],
    maxima [n], sums [n], for n = `num_rows`, the unit's query heads filled up to whole tiles of AMX where
    there are any; then room for a span of V (amx_attention.py). value_rows: where the tokens of a span (pairs
    of them in bfloat16) begin in V.
    """

    values: Float32
    value_rows: Int64
    base: int
    num_queries: int
    num_rows: int
    score_stride: int


@inner_kernel
def span_tokens(block_size: int) -> int:
    """Keys between two updates of the running softmax: whole blocks."""
    return max(1, _SPAN_TOKENS // block_size) * block_size


@inner_kernel
def whole_rows(num_queries: int) -> int:
    """`num_queries`, filled up to whole tiles of AMX where there are any."""
    return (num_queries + TILE - 1) // TILE * TILE if HAS_AMX else num_queries


def score_stride(block_size: int) -> int:
    """Floats of one row of scores: a span and the slack of the last tile."""
    return _uncompiled(span_tokens)(block_size) + _SLACK


def scratch_floats(num_queries: int, head_dim: int, block_size: int) -> int:
    """Size of one thread's scratch for units of `num_queries` query heads."""
    width, scores = value_stride(head_dim), score_stride(block_size)
    copied = scores // 2 * width if HAS_AMX else 0
    return _uncompiled(whole_rows)(num_queries) * (2 * width + scores + 2) + copied + _SLACK


def _uncompiled(function: Any) -> Callable[[int], int]:
    """What Python runs: compiling takes longer than anything that is computed here."""
    return cast(Callable[[int], int], function.py_func)
