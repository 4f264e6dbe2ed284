"""Attention in bfloat16 on the tiles of AMX: 16 or 32 queries times 32 keys, or their weights times V.

K lies in pairs of the depth and is multiplied where it is. V lies in blocks that may be shorter than a tile,
and whose last tokens may never have been written, so a span of it is copied ("staged") first, with zeros
around it. Every row is computed in this way, however few there are, and tiles begin at fixed positions: a
row's result depends on nothing else.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.amx import TILE, Tiles
from flashstep.kernels.attention_scratch import Scratch, span_tokens
from flashstep.kernels.cpu import HAS_AMX
from flashstep.kernels.jit import inner_kernel
from flashstep.kernels.pool import Pool
from flashstep.kernels.vectors import FLOAT, INT64, Loop, Memory, steps

STEP_TOKENS = 32  # of the depth in one product
_PARTS = 2
_FLOATS = ir.VectorType(FLOAT, TILE)


@intrinsic
def _has_tiles(typing_context: Any, cached: Any) -> Any:
    """Whether K and V behind this pointer can be multiplied in tiles, if their blocks allow it."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.IntType(1), HAS_AMX and signature.args[0].dtype == types.int16)

    return types.boolean(cached), codegen


def bfloat16_block(row_tiles: int, *, accumulate: bool) -> Any:
    """Make `block(x, x_at, x_stride, w, w_at, w_stride, num_steps, y, y_at, y_stride)`.

    y[r, c] = (y[r, c] if accumulate) + sum_k x[r, k] * w[k, c] for `row_tiles` times 16 rows and two times 16
    columns. x: bfloat16 in the places of float32 numbers, as x_at and x_stride count; w: pairs of bfloat16;
    w_at and y_at: where the first row of each 16 columns begins; w_stride: from pair to pair of the depth, in
    elements of w; num_steps: of 32 over the depth.
    """
    num_sums = row_tiles * _PARTS

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if not HAS_AMX:  # never called, but compiled
            return context.get_dummy_value()
        x, y = (Memory(context, builder, signature.args[i], args[i], 4) for i in (0, 7))
        w = Memory(context, builder, signature.args[3], args[3], signature.args[3].dtype.bitwidth // 8)
        tiles = Tiles(builder)
        x_stride, w_stride, y_stride = (
            builder.mul(args[i], INT64(memory.bytes)) for i, memory in ((2, x), (5, w), (9, y))
        )
        y_tile = builder.mul(y_stride, INT64(TILE))
        outputs = [
            address
            for part in range(_PARTS)
            for address in steps(builder, y.address(builder.extract_value(args[8], part)), y_tile, row_tiles)
        ]
        for number, address in enumerate(outputs):
            if accumulate:
                tiles.load(number, address, y_stride)
            else:
                tiles.zero(number)
        loop = Loop(builder, args[6], [])
        x_step = builder.mul(loop.index, INT64(2 * STEP_TOKENS))
        x_tile = builder.mul(x_stride, INT64(TILE))
        rows = steps(builder, builder.add(x.address(args[1]), x_step), x_tile, row_tiles)
        for r, address in enumerate(rows):
            tiles.load(num_sums + r, address, x_stride)
        w_step = builder.mul(loop.index, builder.mul(w_stride, INT64(TILE)))
        for part in range(_PARTS):
            b = num_sums + row_tiles + part
            address = builder.add(w.address(builder.extract_value(args[4], part)), w_step)
            tiles.load(b, address, w_stride)
            for r in range(row_tiles):
                tiles.add_bfloat16(part * row_tiles + r, num_sums + r, b)
        loop.close([])
        for number, address in enumerate(outputs):
            tiles.store(number, address, y_stride)
        return context.get_dummy_value()

    @intrinsic
    def block(
        typing_context: Any, x: Any, x_at: Any, x_stride: Any, w: Any, w_at: Any, w_stride: Any,
        num_steps: Any, y: Any, y_at: Any, y_stride: Any,
    ) -> Any:  # fmt: skip
        i64, starts = types.int64, types.UniTuple(types.int64, _PARTS)
        return types.void(x, i64, i64, w, starts, i64, i64, y, starts, i64), codegen

    return block


@intrinsic
def _copy_floats(typing_context: Any, target: Any, to: Any, source: Any, start: Any, count: Any) -> Any:
    """Copy `count` times four bytes, a whole multiple of 16, from `source[start]` to `target[to]`."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        kinds = signature.args[0].dtype, signature.args[2].dtype
        written, read = (
            Memory(context, builder, signature.args[i], args[i], kind.bitwidth // 8)
            for i, kind in zip((0, 2), kinds, strict=True)
        )
        to_address, from_address = written.address(args[1]), read.address(args[3])
        loop = Loop(builder, builder.lshr(args[4], INT64(4)), [])
        step = builder.mul(loop.index, INT64(4 * TILE))
        line = builder.load(builder.inttoptr(builder.add(from_address, step), _FLOATS.as_pointer()), align=1)
        builder.store(line, builder.inttoptr(builder.add(to_address, step), _FLOATS.as_pointer()), align=1)
        loop.close([])
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.int64), codegen


_score_1, _score_2 = (bfloat16_block(row_tiles, accumulate=False) for row_tiles in (1, 2))
_value_1, _value_2 = (bfloat16_block(row_tiles, accumulate=True) for row_tiles in (1, 2))


@inner_kernel
def is_in_tiles(pool: Pool) -> bool:
    """Whether scores and results are computed in tiles of AMX: K and V are bfloat16, blocks and heads fill
    tiles, and so does a span of blocks."""
    size = pool.block_size
    is_whole = size % TILE == 0 and pool.key_depth % STEP_TOKENS == 0 and span_tokens(size) % STEP_TOKENS == 0
    return _has_tiles(pool.k) and is_whole


@inner_kernel
def score_in_tiles(pool: Pool, scratch: Scratch, w_at: tuple[int, ...], y_at: tuple[int, ...]) -> None:
    """`_score_keys` in tiles."""
    x, stride, width, n = scratch.values, scratch.score_stride, pool.value_stride, 0
    step, num_steps = 2 * pool.block_size, pool.key_depth // STEP_TOKENS
    while n < scratch.num_rows:
        to = (y_at[0] + n * stride, y_at[1] + n * stride)
        if scratch.num_rows - n >= 2 * TILE:
            _score_2(x, scratch.base + n * width, width, pool.k, w_at, step, num_steps, x, to, stride)
            n += 2 * TILE
        else:
            _score_1(x, scratch.base + n * width, width, pool.k, w_at, step, num_steps, x, to, stride)
            n += TILE


@inner_kernel
def stage_values(pool: Pool, scratch: Scratch, zero_pairs: int, count: int, num_tokens: int) -> None:
    """Copy V of the `count` listed pairs behind `zero_pairs` of zeros; zeros fill up to `num_tokens`."""
    values, width, listed = scratch.values, pool.value_stride, scratch.value_rows
    to = _staged_at(scratch, width)
    for i in range(to, to + zero_pairs * width):
        values[i] = np.float32(0.0)
    to += zero_pairs * width
    for i in range(count):
        _copy_floats(values, to + i * width, pool.v, listed[i], width)
    for i in range(to + count * width, to + (num_tokens // 2 - zero_pairs) * width):
        values[i] = np.float32(0.0)


@inner_kernel
def _staged_at(scratch: Scratch, width: int) -> int:
    """Where the copied span of V begins."""
    return scratch.base + scratch.num_rows * (2 * width + scratch.score_stride + 2)


@inner_kernel
def add_staged(pool: Pool, scratch: Scratch, weights: int, num_tokens: int) -> None:
    """results[n] += weights[n] . the copied V of `num_tokens`, in tiles."""
    x, stride, width, n = scratch.values, scratch.score_stride, pool.value_stride, 0
    num_steps = num_tokens // STEP_TOKENS
    staged, results = _staged_at(scratch, width), scratch.base + scratch.num_rows * width
    while n < scratch.num_rows:
        at, to, is_double = weights + n * stride, results + n * width, scratch.num_rows - n >= 2 * TILE
        for c in range(0, width, 2 * TILE):
            w_at, y_at = (staged + c, staged + c + TILE), (to + c, to + c + TILE)
            if is_double:
                _value_2(x, at, stride, x, w_at, width, num_steps, x, y_at, width)
            else:
                _value_1(x, at, stride, x, w_at, width, num_steps, x, y_at, width)
        n += 2 * TILE if is_double else TILE
