"""int8 matrices on the tiles of AMX: 16 or 32 rows of activations times columns of a panel.

The integers are exact, and floats follow as in `int8_tile`: the bits are those of all other CPUs.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flashstep.kernels.amx import TILE, TILE_BYTES, Tiles, spread
from flashstep.kernels.cpu import HAS_AMX
from flashstep.kernels.jit import exact_kernel
from flashstep.kernels.tables import PANEL, Float32, Int8, Int32
from flashstep.kernels.vectors import FLOAT, INT32, INT64, Loop, Memory, splat

_INTS, _FLOATS = ir.VectorType(INT32, TILE), ir.VectorType(FLOAT, TILE)
_UNIT_BYTES = 4 * PANEL  # of a panel: four inputs of all its channels


def int8_block(row_tiles: int, column_tiles: int) -> Any:
    """Make `block(x, x_at, x_stride, w, w_at, depth, sums, sum_at, scales, scale_at, x_scales, x_scale_at,
    y, y_at, y_stride)`.

    y[r, c] = scales[c] * (sums[c] + integer products) * x_scales[r] for `row_tiles` times 16 neighbouring
    rows and `column_tiles` times 16 columns of a panel. x: rows with flipped sign bit; w_at: the first column
    in the first unit of the panel (INT8_PANELS); depth: a multiple of 64.
    """
    num_sums = row_tiles * column_tiles
    # With two tiles of rows, eight registers hold two of columns at a time; with one, columns take turns.
    a_tiles = range(num_sums, num_sums + row_tiles)
    b_tiles = range(num_sums + row_tiles, 8)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if not HAS_AMX:  # never called, but compiled
            return context.get_dummy_value()
        x, w, sums, scales, x_scales, y = (
            Memory(context, builder, signature.args[i], args[i], size)
            for i, size in ((0, 1), (3, 1), (6, 4), (8, 4), (10, 4), (12, 4))
        )
        tiles, x_stride, y_stride = Tiles(builder), args[2], args[14]
        for c, address in enumerate(spread(builder, sums.address(args[7]), TILE_BYTES, column_tiles)):
            for r in range(row_tiles):  # a stride of zero: every row starts with the same sums
                tiles.load(r * column_tiles + c, address, INT64(0))
        loop = Loop(builder, builder.lshr(args[5], INT64(6)), [])
        x_step = builder.mul(loop.index, INT64(TILE_BYTES))
        rows = spread(
            builder, builder.add(x.address(args[1]), x_step), builder.mul(x_stride, INT64(TILE)), row_tiles
        )
        for tile, address in zip(a_tiles, rows, strict=True):
            tiles.load(tile, address, x_stride)
        w_step = builder.mul(loop.index, INT64(TILE * _UNIT_BYTES))
        columns = spread(builder, builder.add(w.address(args[4]), w_step), TILE_BYTES, column_tiles)
        for c, address in enumerate(columns):
            b = b_tiles[c % len(b_tiles)]
            tiles.load(b, address, INT64(_UNIT_BYTES))
            for r in range(row_tiles):
                tiles.add_bytes(r * column_tiles + c, a_tiles[r], b)
        loop.close([])
        parts = cgutils.alloca_once(builder, ir.ArrayType(_INTS, num_sums * TILE))
        parts.align = TILE_BYTES
        start = builder.ptrtoint(parts, INT64)
        for number, address in enumerate(spread(builder, start, TILE * TILE_BYTES, num_sums)):
            tiles.store(number, address, INT64(TILE_BYTES))
        factors = [scales.load(builder.add(args[9], INT64(c * TILE)), _FLOATS) for c in range(column_tiles)]
        for r in range(row_tiles):
            loop = Loop(builder, INT64(TILE), [])
            row = builder.add(loop.index, INT64(r * TILE))
            scale = splat(builder, x_scales.load(builder.add(args[11], row), FLOAT), TILE)
            to = builder.add(args[13], builder.mul(row, y_stride))
            own = builder.add(start, builder.mul(loop.index, INT64(TILE_BYTES)))
            for c, factor in enumerate(factors):
                at = builder.add(own, INT64((r * column_tiles + c) * TILE * TILE_BYTES))
                whole = builder.load(builder.inttoptr(at, _INTS.as_pointer()), align=TILE_BYTES)
                result = builder.fmul(builder.fmul(builder.sitofp(whole, _FLOATS), factor), scale)
                y.store(result, builder.add(to, INT64(c * TILE)))
            loop.close([])
        return context.get_dummy_value()

    @intrinsic
    def block(
        typing_context: Any, x: Any, x_at: Any, x_stride: Any, w: Any, w_at: Any, depth: Any,
        sums: Any, sum_at: Any, scales: Any, scale_at: Any, x_scales: Any, x_scale_at: Any,
        y: Any, y_at: Any, y_stride: Any,
    ) -> Any:  # fmt: skip
        i64 = types.int64
        return types.void(
            x, i64, i64, w, i64, i64, sums, i64, scales, i64, x_scales, i64, y, i64, i64
        ), codegen

    return block


_block_32, _block_16 = int8_block(2, 2), int8_block(1, 4)
_HALF = PANEL // 2


@exact_kernel
def int8_panel_of_tiles(
    x: Int8, x_at: int, x_stride: int, w: Int8, at: int, depth: int, sums: Int32, sum_at: int,
    scales: Float32, scale_at: int, x_scales: Float32, x_scale_at: int, count: int,
    y: Float32, y_at: int, y_stride: int,
) -> None:  # fmt: skip
    """A panel times `count` neighbouring rows, at least 16: see `int8_block`. The last tile of rows may do
    some of the one before it again."""
    done = count // 32 * 32
    for i in range(0, done, 32):
        for column in range(0, PANEL, _HALF):
            _block_32(x, x_at + i * x_stride, x_stride, w, at + 4 * column, depth, sums, sum_at + column,
                      scales, scale_at + column, x_scales, x_scale_at + i,
                      y, y_at + i * y_stride + column, y_stride)  # fmt: skip
    while done < count:
        i = min(done, count - TILE)
        _block_16(x, x_at + i * x_stride, x_stride, w, at, depth, sums, sum_at,
                  scales, scale_at, x_scales, x_scale_at + i, y, y_at + i * y_stride, y_stride)  # fmt: skip
        done += TILE
