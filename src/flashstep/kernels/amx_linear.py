"""int8 matrices on the tiles of AMX: up to 16 or 32 rows of activations times columns of a panel.

The integers are exact, and floats follow as in `int8_tile`: the bits are those of all other CPUs.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flashstep.kernels.amx import NUM_TILES, TILE, TILE_BYTES, Tiles
from flashstep.kernels.cpu import HAS_AMX
from flashstep.kernels.jit import exact_kernel
from flashstep.kernels.tables import PANEL, Float32, Int8, Int32
from flashstep.kernels.vectors import FLOAT, INT32, INT64, Loop, Memory, splat, steps

FEWEST_ROWS = 4  # fewer rows take a tile longer than they take the vector units
SLACK_ROWS = TILE - 1  # behind the last row of activations there may be so many that are read and not used

_INTS, _FLOATS = ir.VectorType(INT32, TILE), ir.VectorType(FLOAT, TILE)
_UNIT_BYTES = 4 * PANEL  # of a panel: four inputs of all its channels


def int8_block(row_tiles: int, column_tiles: int) -> Any:
    """Make `block(count, x, x_at, x_stride, w, w_at, depth, sums, sum_at, scales, scale_at, x_scales,
    x_scale_at, y, y_at, y_stride)`.

    y[r, c] = scales[c] * (sums[c] + integer products) * x_scales[r] for `count` neighbouring rows, some of
    them in the last of `row_tiles` tiles, and `column_tiles` times 16 columns of a panel. x: rows with
    flipped sign bit; w_at: the first column in the first unit of the panel (INT8_PANELS); depth: a multiple
    of 64.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if HAS_AMX:
            block = _Int8Block(context, builder, signature, args, row_tiles, column_tiles)
            block.begin()
            block.multiply()
            block.write()
        return context.get_dummy_value()

    @intrinsic
    def block(
        typing_context: Any, count: Any, x: Any, x_at: Any, x_stride: Any, w: Any, w_at: Any, depth: Any,
        sums: Any, sum_at: Any, scales: Any, scale_at: Any, x_scales: Any, x_scale_at: Any,
        y: Any, y_at: Any, y_stride: Any,
    ) -> Any:  # fmt: skip
        i64 = types.int64
        return types.void(
            i64, x, i64, i64, w, i64, i64, sums, i64, scales, i64, x_scales, i64, y, i64, i64
        ), codegen

    return block


class _Int8Block:
    """The parts of one block: sums in the first tiles, then those of rows, then those of columns."""

    def __init__(
        self,
        context: Any,
        builder: ir.IRBuilder,
        signature: Any,
        args: Any,
        row_tiles: int,
        column_tiles: int,
    ) -> None:
        self.builder, self.tiles = builder, Tiles(builder)
        self.row_tiles, self.column_tiles = row_tiles, column_tiles
        self.x, self.w, self.sums, self.scales, self.x_scales, self.y = (
            Memory(context, builder, signature.args[i], args[i], size)
            for i, size in ((1, 1), (4, 1), (7, 4), (9, 4), (11, 4), (13, 4))
        )
        self.count, self.x_at, self.x_stride, self.w_at, self.depth = (args[i] for i in (0, 2, 3, 5, 6))
        self.sum_at, self.scale_at, self.x_scale_at, self.y_at, self.y_stride = (
            args[i] for i in (8, 10, 12, 14, 15)
        )

    def _sum(self, r: int, c: int) -> int:
        return r * self.column_tiles + c

    def begin(self) -> None:
        """Every row starts with the columns' sums: a stride of zero."""
        start = self.sums.address(self.sum_at)
        for c, address in enumerate(steps(self.builder, start, TILE_BYTES, self.column_tiles)):
            for r in range(self.row_tiles):
                self.tiles.load(self._sum(r, c), address, INT64(0))

    def multiply(self) -> None:
        """The walk over the depth, 64 inputs at a time."""
        builder, tiles = self.builder, self.tiles
        num_sums = self.row_tiles * self.column_tiles
        row_tiles = range(num_sums, num_sums + self.row_tiles)
        column_tiles = range(
            num_sums + self.row_tiles, NUM_TILES
        )  # where they are too few, columns take turns
        loop = Loop(builder, builder.sdiv(self.depth, INT64(TILE_BYTES)), [])
        start = builder.add(self.x.address(self.x_at), builder.mul(loop.index, INT64(TILE_BYTES)))
        step = builder.mul(self.x_stride, INT64(TILE))
        for tile, address in zip(row_tiles, steps(builder, start, step, self.row_tiles), strict=True):
            tiles.load(tile, address, self.x_stride)
        start = builder.add(self.w_at, builder.mul(loop.index, INT64(TILE * _UNIT_BYTES)))
        for unit in steps(builder, start, _UNIT_BYTES, TILE):
            self.w.ask_ahead(steps(builder, unit, TILE_BYTES, self.column_tiles), TILE_BYTES)
        for c, address in enumerate(steps(builder, self.w.address(start), TILE_BYTES, self.column_tiles)):
            tile = column_tiles[c % len(column_tiles)]
            tiles.load(tile, address, INT64(_UNIT_BYTES))
            for r in range(self.row_tiles):
                tiles.add_bytes(self._sum(r, c), row_tiles[r], tile)
        loop.close([])

    def write(self) -> None:
        """Sums become floats, times the scales of columns and rows."""
        builder, num_sums = self.builder, self.row_tiles * self.column_tiles
        room = cgutils.alloca_once(builder, ir.ArrayType(_INTS, num_sums * TILE))
        room.align = TILE_BYTES
        start = builder.ptrtoint(room, INT64)
        for number, address in enumerate(steps(builder, start, TILE * TILE_BYTES, num_sums)):
            self.tiles.store(number, address, INT64(TILE_BYTES))
        columns = steps(builder, self.scale_at, TILE, self.column_tiles)
        factors = [self.scales.load(column, _FLOATS) for column in columns]
        for r in range(self.row_tiles):
            left = builder.sub(self.count, INT64(r * TILE))
            is_full = builder.icmp_signed(">", left, INT64(TILE))
            loop = Loop(builder, builder.select(is_full, INT64(TILE), left), [])
            row = builder.add(loop.index, INT64(r * TILE))
            scale = splat(builder, self.x_scales.load(builder.add(self.x_scale_at, row), FLOAT), TILE)
            to = builder.add(self.y_at, builder.mul(row, self.y_stride))
            own = builder.add(start, builder.mul(loop.index, INT64(TILE_BYTES)))
            for c, factor in enumerate(factors):
                at = builder.add(own, INT64(self._sum(r, c) * TILE * TILE_BYTES))
                whole = builder.load(builder.inttoptr(at, _INTS.as_pointer()), align=TILE_BYTES)
                result = builder.fmul(builder.fmul(builder.sitofp(whole, _FLOATS), factor), scale)
                self.y.store(result, builder.add(to, INT64(c * TILE)))
            loop.close([])


# Eight tiles: sums of two tiles of rows and two of columns and all four factors, or of one and four.
_block_32, _block_16 = int8_block(2, 2), int8_block(1, 4)
_HALF = PANEL // 2


@exact_kernel
def int8_panel_of_tiles(
    x: Int8, x_at: int, x_stride: int, w: Int8, at: int, depth: int, sums: Int32, sum_at: int,
    scales: Float32, scale_at: int, x_scales: Float32, x_scale_at: int, count: int,
    y: Float32, y_at: int, y_stride: int,
) -> None:  # fmt: skip
    """A panel times `count` neighbouring rows: see `int8_block`."""
    for i in range(0, count, 2 * TILE):
        left, x_row, y_row = min(count - i, 2 * TILE), x_at + i * x_stride, y_at + i * y_stride
        if left <= TILE:
            _block_16(left, x, x_row, x_stride, w, at, depth, sums, sum_at,
                      scales, scale_at, x_scales, x_scale_at + i, y, y_row, y_stride)  # fmt: skip
            continue
        for column in range(0, PANEL, _HALF):
            _block_32(left, x, x_row, x_stride, w, at + 4 * column, depth, sums, sum_at + column,
                      scales, scale_at + column, x_scales, x_scale_at + i,
                      y, y_row + column, y_stride)  # fmt: skip
