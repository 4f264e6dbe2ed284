"""The innermost loops as LLVM vector code: a few activation rows times a few vectors of columns.

A tile keeps all its sums in registers while it walks once over the weights. Sums run in the order
of the depth whatever the number of rows, so a row's result does not depend on its neighbours.
Layouts: float weights lie [depth, columns], as float32 or as the bytes of bfloat16; int8 and int4 weights
as told in pack.py. Integer weights meet activations stored with the sign bit flipped, i.e. as unsigned
value + 128 (the x86 dot product wants one unsigned side); their sums start at -128 times the sum of the
column's weights.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.cpu import FLOAT_LANES, INTEGER_LANES
from flashstep.kernels.dot_product import dot_product
from flashstep.kernels.tables import PANEL
from flashstep.kernels.vectors import FLOAT, INT32, INT64, Loop, Memory, add_products, splat, steps

_SCALE_BYTES, _QUARTER_BYTES = 2 * PANEL, 4 * PANEL  # parts of an int4 group; a group is 1152 bytes
_GROUP_BYTES = _SCALE_BYTES + 4 * _QUARTER_BYTES


def float_tile(rows: int, vectors: int) -> Any:
    """Make `tile(x, x_offsets, w, w_offset, w_stride, depth, y, y_offset, y_stride)`.

    y[r, c] = sum_k x[x_offsets[r] + k] * w[w_offset + k * w_stride + c]
    for `rows` rows and `vectors * FLOAT_LANES` columns. x, w, y: float32 flat; x_offsets: a tuple
    of `rows` int64; depth >= 1. Reads and writes whole vectors. w may hold bfloat16 as bytes (int8), whose
    w_offset and w_stride count bytes. The sums are the same as of float32 weights.
    """
    lanes = FLOAT_LANES
    vector = ir.VectorType(FLOAT, lanes)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x = Memory(context, builder, signature.args[0], args[0], 4)
        kind = signature.args[2].dtype
        w = Memory(context, builder, signature.args[2], args[2], kind.bitwidth // 8)
        y = Memory(context, builder, signature.args[6], args[6], 4)
        x_rows = [builder.extract_value(args[1], r) for r in range(rows)]
        outputs = [
            offset
            for row in steps(builder, args[7], args[8], rows)
            for offset in steps(builder, row, lanes, vectors)
        ]
        zero = ir.Constant(vector, [0.0] * lanes)
        loop = Loop(builder, args[5], [zero] * len(outputs))
        w_row = builder.add(args[3], builder.mul(loop.index, args[4]))
        if kind == types.float32:
            columns = [w.load(o, vector) for o in steps(builder, w_row, lanes, vectors)]
        else:
            columns = [w.load_bfloat16(o, lanes) for o in steps(builder, w_row, 2 * lanes, vectors)]
        values = [splat(builder, x.load(builder.add(row, loop.index), FLOAT), lanes) for row in x_rows]
        sums = add_products(builder, loop.sums, values, columns)
        loop.close(sums)
        for offset, value in zip(outputs, sums, strict=True):
            y.store(value, offset)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context: Any, x: Any, x_offsets: Any, w: Any, w_offset: Any, w_stride: Any, depth: Any,
        y: Any, y_offset: Any, y_stride: Any,
    ) -> Any:  # fmt: skip
        i64 = types.int64
        return types.void(x, types.UniTuple(i64, rows), w, i64, i64, i64, y, i64, i64), codegen

    return tile


class _IntegerTile:
    """What int8 and int4 tiles share: arguments by name, activations, the end of the sums."""

    def __init__(
        self, context: Any, builder: ir.IRBuilder, signature: Any, args: Any, rows: int, vectors: int
    ) -> None:
        self.builder, self.rows, self.vectors, self.lanes = builder, rows, vectors, INTEGER_LANES
        self.ints, self.floats = ir.VectorType(INT32, INTEGER_LANES), ir.VectorType(FLOAT, INTEGER_LANES)
        self.x, self.w, self.sums, self.constants, self.y = (
            Memory(context, builder, signature.args[i], args[i], size)
            for i, size in ((0, 1), (3, 1), (7, 4), (9, 4), (11, 4))
        )
        self.x_rows = [builder.extract_value(args[1], r) for r in range(rows)]
        self.row_scales = [builder.extract_value(args[2], r) for r in range(rows)]
        self.panel, self.column, self.units = args[4], args[5], args[6]
        self.sum_at, self.constant_at, self.y_at, self.y_stride = args[8], args[10], args[12], args[13]

    def column_constants(self) -> list[ir.Value]:
        """The float constants of the columns."""
        offsets = steps(self.builder, self.constant_at, self.lanes, self.vectors)
        return [self.constants.load(offset, self.floats) for offset in offsets]

    def activations(self, byte: ir.Value) -> list[ir.Value]:
        """Four bytes of each row from `byte` on, repeated over a vector."""
        return [
            splat(self.builder, self.x.load(self.builder.add(row, byte), INT32), self.lanes)
            for row in self.x_rows
        ]

    def multiply_add(self, sums: list[ir.Value], values: list[ir.Value], columns: list[ir.Value]) -> Any:
        """sums + values * columns, rows outside, columns inside."""
        products = ((value, column) for value in values for column in columns)
        return [dot_product(self.builder, total, *pair) for total, pair in zip(sums, products, strict=True)]

    def store(self, results: list[ir.Value]) -> None:
        """Write float results times the scales of the rows."""
        builder = self.builder
        for r, row in enumerate(steps(builder, self.y_at, self.y_stride, self.rows)):
            scale = splat(builder, self.row_scales[r], self.lanes)
            for c, offset in enumerate(steps(builder, row, self.lanes, self.vectors)):
                self.y.store(builder.fmul(results[r * self.vectors + c], scale), offset)


def _integer_tile(rows: int, vectors: int, generate: Callable[[_IntegerTile], None]) -> Any:
    """Make `tile(x, x_offsets, x_scales, w, panel, column, units, sums, sum_at, constants, constant_at,
    y, y_offset, y_stride)`.

    `rows` rows meet `vectors * INTEGER_LANES` columns from `column` on of the panel whose bytes begin at
    `panel`. x, w: int8 flat (x with flipped sign bit); units: steps over the depth, >= 1; sums: int32,
    constants: float32, `sum_at` and `constant_at` being those of the first column.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        generate(_IntegerTile(context, builder, signature, args, rows, vectors))
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context: Any, x: Any, x_offsets: Any, x_scales: Any, w: Any, panel: Any, column: Any,
        units: Any, sums: Any, sum_at: Any, constants: Any, constant_at: Any,
        y: Any, y_offset: Any, y_stride: Any,
    ) -> Any:  # fmt: skip
        i64 = types.int64
        offsets, row_scales = types.UniTuple(i64, rows), types.UniTuple(types.float32, rows)
        return types.void(
            x, offsets, row_scales, w, i64, i64, i64, sums, i64, constants, i64, y, i64, i64
        ), codegen

    return tile


def int8_tile(rows: int, vectors: int, *, ask_ahead: bool) -> Any:
    """The tile over INT8_PANELS: a unit is 4 inputs, sums start at `sums`, constants are column scales.

    y[r, c] = constants[c] * (sums[c] + integer products) * x_scales[r].
    """

    def generate(tile: _IntegerTile) -> None:
        builder, lanes = tile.builder, tile.lanes
        first = [tile.sums.load(o, tile.ints) for o in steps(builder, tile.sum_at, lanes, vectors)]
        loop = Loop(builder, tile.units, first * rows)
        unit = builder.add(tile.panel, builder.mul(loop.index, ir.Constant(INT64, 4 * PANEL)))
        start = builder.add(unit, builder.mul(tile.column, ir.Constant(INT64, 4)))
        offsets = steps(builder, start, 4 * lanes, vectors)
        columns = tile.w.load_columns(offsets, tile.ints, 4 * lanes, ask_ahead=ask_ahead)
        values = tile.activations(builder.mul(loop.index, ir.Constant(INT64, 4)))
        sums = tile.multiply_add(loop.sums, values, columns)
        loop.close(sums)
        scales = tile.column_constants()
        tile.store(
            [builder.fmul(builder.sitofp(x, tile.floats), scales[i % vectors]) for i, x in enumerate(sums)]
        )

    return _integer_tile(rows, vectors, generate)


def int4_tile(rows: int, vectors: int, *, ask_ahead: bool) -> Any:
    """The tile over INT4_PANELS: a unit is a group of 32 inputs, float sums start at `constants`.

    y[r, c] = (constants[c] + scale of group and column * integer products of the group, group by group)
    * x_scales[r], each product rounded before it is added. A code counts 16 times its value, and the
    scale a sixteenth: so the high half of a byte needs a mask alone, the low half a shift too.
    """

    def generate(tile: _IntegerTile) -> None:
        builder, lanes, ints = tile.builder, tile.lanes, tile.ints
        loop = Loop(builder, tile.units, tile.column_constants() * rows)
        group = builder.add(tile.panel, builder.mul(loop.index, ir.Constant(INT64, _GROUP_BYTES)))
        codes = builder.add(group, builder.mul(tile.column, ir.Constant(INT64, 4)))
        inputs = builder.mul(loop.index, ir.Constant(INT64, 32))
        four, mask = ir.Constant(ints, [4] * lanes), ir.Constant(ints, [-0x0F0F0F10] * lanes)
        sums = [ir.Constant(ints, [0] * lanes)] * (rows * vectors)
        for quarter in range(4):
            start = builder.add(codes, ir.Constant(INT64, _SCALE_BYTES + quarter * _QUARTER_BYTES))
            offsets = steps(builder, start, 4 * lanes, vectors)
            bytes_ = tile.w.load_columns(offsets, ints, 4 * lanes, ask_ahead=ask_ahead)
            low = [builder.and_(builder.shl(both, four), mask) for both in bytes_]
            high = [builder.and_(both, mask) for both in bytes_]
            for half, columns in enumerate((low, high)):
                offset = ir.Constant(INT64, 8 * quarter + 4 * half)
                sums = tile.multiply_add(sums, tile.activations(builder.add(inputs, offset)), columns)
        scale_at = builder.add(group, builder.mul(tile.column, ir.Constant(INT64, 2)))
        offsets = steps(builder, scale_at, 2 * lanes, vectors)
        if ask_ahead:
            tile.w.ask_ahead(offsets, 2 * lanes)
        scales = [tile.w.load_bfloat16(offset, lanes) for offset in offsets]
        results = []
        for i, (total, before) in enumerate(zip(sums, loop.sums, strict=True)):
            product = builder.fmul(builder.sitofp(total, tile.floats), scales[i % vectors])
            results.append(builder.fadd(before, product))
        loop.close(results)
        tile.store(results)

    return _integer_tile(rows, vectors, generate)
