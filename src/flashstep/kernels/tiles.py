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
from flashstep.kernels.intrinsics import declare, prefetch_line
from flashstep.kernels.tables import PANEL

_INT8, _INT16, _INT32, _INT64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64)
_FLOAT = ir.FloatType()
_SCALE_BYTES, _QUARTER_BYTES = 2 * PANEL, 4 * PANEL  # parts of an int4 group; a group is 1152 bytes
_GROUP_BYTES = _SCALE_BYTES + 4 * _QUARTER_BYTES
_LINE_BYTES = 64
# How far ahead integer weights are asked for: more than memory delivers to one core in its latency. What a
# CPU fetches by itself ends with each page, and a panel has few of them.
_AHEAD_BYTES = 4096


class _Loop:
    """A counted loop over the depth with one vector phi per accumulator."""

    def __init__(self, builder: ir.IRBuilder, depth: ir.Value, starts: list[ir.Value]) -> None:
        self.builder, self.depth = builder, depth
        entry = builder.block
        self.head = builder.append_basic_block("depth")
        self.exit = builder.append_basic_block("done")
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.index = builder.phi(_INT64)
        self.index.add_incoming(ir.Constant(_INT64, 0), entry)
        self.sums = [builder.phi(start.type) for start in starts]
        for phi, start in zip(self.sums, starts, strict=True):
            phi.add_incoming(start, entry)

    def close(self, sums: list[ir.Value]) -> None:
        """Branch back until the depth is done (it is at least 1), then stand behind the loop."""
        builder = self.builder
        following = builder.add(self.index, ir.Constant(_INT64, 1))
        self.index.add_incoming(following, self.head)
        for phi, value in zip(self.sums, sums, strict=True):
            phi.add_incoming(value, self.head)
        builder.cbranch(builder.icmp_signed("<", following, self.depth), self.head, self.exit)
        builder.position_at_end(self.exit)


class _Memory:
    """Loads and stores at element offsets of one array or pointer."""

    def __init__(self, context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, bytes_: int) -> None:
        is_pointer = isinstance(array_type, types.CPointer)
        data = array if is_pointer else context.make_array(array_type)(context, builder, array).data
        self.builder, self.bytes = builder, bytes_
        self.base = builder.ptrtoint(data, _INT64)

    def pointer(self, offset: ir.Value, kind: ir.Type) -> ir.Value:
        scaled = self.builder.mul(offset, ir.Constant(_INT64, self.bytes))
        return self.builder.inttoptr(self.builder.add(self.base, scaled), kind.as_pointer())

    def load(self, offset: ir.Value, kind: ir.Type) -> ir.Value:
        return self.builder.load(self.pointer(offset, kind), align=1)

    def load_bfloat16(self, offset: ir.Value, lanes: int) -> ir.Value:
        """A float32 vector from bfloat16 values: their bits are its upper halves."""
        builder, ints = self.builder, ir.VectorType(_INT32, lanes)
        wide = builder.zext(self.load(offset, ir.VectorType(_INT16, lanes)), ints)
        high = builder.shl(wide, ir.Constant(ints, [16] * lanes))
        return builder.bitcast(high, ir.VectorType(_FLOAT, lanes))

    def load_columns(
        self, offsets: list[ir.Value], kind: ir.Type, step: int, *, ask_ahead: bool
    ) -> list[ir.Value]:
        """Vectors at byte offsets that are `step` apart; asks for what lies _AHEAD_BYTES further on."""
        if ask_ahead:
            self.ask_ahead(offsets, step)
        return [self.load(offset, kind) for offset in offsets]

    def ask_ahead(self, offsets: list[ir.Value], step: int) -> None:
        """Ask for the lines that lie _AHEAD_BYTES behind byte offsets that are `step` apart."""
        for offset in offsets[:: max(1, _LINE_BYTES // step)]:
            ahead = self.builder.add(offset, ir.Constant(_INT64, _AHEAD_BYTES))
            prefetch_line(self.builder, self.pointer(ahead, ir.IntType(8)), 1)

    def store(self, value: ir.Value, offset: ir.Value) -> None:
        self.builder.store(value, self.pointer(offset, value.type), align=1)


def _splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    vector = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_INT32, 0))
    mask = ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def _steps(builder: ir.IRBuilder, start: ir.Value, step: ir.Value | int, count: int) -> list[ir.Value]:
    """[start, start + step, ...], `count` values."""
    stride = ir.Constant(_INT64, step) if isinstance(step, int) else step
    values = [start]
    for _ in range(count - 1):
        values.append(builder.add(values[-1], stride))
    return values


def float_tile(rows: int, vectors: int, accumulate: bool) -> Any:
    """Make `tile(x, x_offsets, w, w_offset, w_stride, depth, y, y_offset, y_stride)`.

    y[r, c] = (y[r, c] if accumulate) + sum_k x[x_offsets[r] + k] * w[w_offset + k * w_stride + c]
    for `rows` rows and `vectors * FLOAT_LANES` columns. x, w, y: float32 flat; x_offsets: a tuple
    of `rows` int64; depth >= 1. Reads and writes whole vectors. w may hold bfloat16: as int16, or as bytes
    (int8), whose w_offset and w_stride count bytes. The sums are the same as of float32 weights.
    """
    lanes = FLOAT_LANES
    vector = ir.VectorType(_FLOAT, lanes)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x = _Memory(context, builder, signature.args[0], args[0], 4)
        kind = signature.args[2].dtype
        w = _Memory(context, builder, signature.args[2], args[2], kind.bitwidth // 8)
        y = _Memory(context, builder, signature.args[6], args[6], 4)
        x_rows = [builder.extract_value(args[1], r) for r in range(rows)]
        outputs = [
            offset
            for row in _steps(builder, args[7], args[8], rows)
            for offset in _steps(builder, row, lanes, vectors)
        ]
        zero = ir.Constant(vector, [0.0] * lanes)
        starts = [y.load(o, vector) for o in outputs] if accumulate else [zero] * len(outputs)
        fma = declare(builder, f"llvm.fmuladd.v{lanes}f32", vector, [vector] * 3)
        loop = _Loop(builder, args[5], starts)
        w_row = builder.add(args[3], builder.mul(loop.index, args[4]))
        if kind == types.float32:
            columns = [w.load(o, vector) for o in _steps(builder, w_row, lanes, vectors)]
        else:
            step = 2 * lanes if kind == types.int8 else lanes
            columns = [w.load_bfloat16(o, lanes) for o in _steps(builder, w_row, step, vectors)]
        sums = []
        for r in range(rows):
            value = _splat(builder, x.load(builder.add(x_rows[r], loop.index), _FLOAT), lanes)
            for c in range(vectors):
                sums.append(builder.call(fma, [value, columns[c], loop.sums[r * vectors + c]]))
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
        self.ints, self.floats = ir.VectorType(_INT32, INTEGER_LANES), ir.VectorType(_FLOAT, INTEGER_LANES)
        self.x, self.w, self.sums, self.constants, self.y = (
            _Memory(context, builder, signature.args[i], args[i], size)
            for i, size in ((0, 1), (3, 1), (7, 4), (9, 4), (11, 4))
        )
        self.x_rows = [builder.extract_value(args[1], r) for r in range(rows)]
        self.row_scales = [builder.extract_value(args[2], r) for r in range(rows)]
        self.panel, self.column, self.units = args[4], args[5], args[6]
        self.sum_at, self.constant_at, self.y_at, self.y_stride = args[8], args[10], args[12], args[13]

    def column_constants(self) -> list[ir.Value]:
        """The float constants of the columns."""
        offsets = _steps(self.builder, self.constant_at, self.lanes, self.vectors)
        return [self.constants.load(offset, self.floats) for offset in offsets]

    def activations(self, byte: ir.Value) -> list[ir.Value]:
        """Four bytes of each row from `byte` on, repeated over a vector."""
        return [
            _splat(self.builder, self.x.load(self.builder.add(row, byte), _INT32), self.lanes)
            for row in self.x_rows
        ]

    def multiply_add(self, sums: list[ir.Value], values: list[ir.Value], columns: list[ir.Value]) -> Any:
        """sums + values * columns, rows outside, columns inside."""
        products = ((value, column) for value in values for column in columns)
        return [dot_product(self.builder, total, *pair) for total, pair in zip(sums, products, strict=True)]

    def store(self, results: list[ir.Value]) -> None:
        """Write float results times the scales of the rows."""
        builder = self.builder
        for r, row in enumerate(_steps(builder, self.y_at, self.y_stride, self.rows)):
            scale = _splat(builder, self.row_scales[r], self.lanes)
            for c, offset in enumerate(_steps(builder, row, self.lanes, self.vectors)):
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
        first = [tile.sums.load(o, tile.ints) for o in _steps(builder, tile.sum_at, lanes, vectors)]
        loop = _Loop(builder, tile.units, first * rows)
        unit = builder.add(tile.panel, builder.mul(loop.index, ir.Constant(_INT64, 4 * PANEL)))
        start = builder.add(unit, builder.mul(tile.column, ir.Constant(_INT64, 4)))
        offsets = _steps(builder, start, 4 * lanes, vectors)
        columns = tile.w.load_columns(offsets, tile.ints, 4 * lanes, ask_ahead=ask_ahead)
        values = tile.activations(builder.mul(loop.index, ir.Constant(_INT64, 4)))
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
        loop = _Loop(builder, tile.units, tile.column_constants() * rows)
        group = builder.add(tile.panel, builder.mul(loop.index, ir.Constant(_INT64, _GROUP_BYTES)))
        codes = builder.add(group, builder.mul(tile.column, ir.Constant(_INT64, 4)))
        inputs = builder.mul(loop.index, ir.Constant(_INT64, 32))
        four, mask = ir.Constant(ints, [4] * lanes), ir.Constant(ints, [-0x0F0F0F10] * lanes)
        sums = [ir.Constant(ints, [0] * lanes)] * (rows * vectors)
        for quarter in range(4):
            start = builder.add(codes, ir.Constant(_INT64, _SCALE_BYTES + quarter * _QUARTER_BYTES))
            offsets = _steps(builder, start, 4 * lanes, vectors)
            bytes_ = tile.w.load_columns(offsets, ints, 4 * lanes, ask_ahead=ask_ahead)
            low = [builder.and_(builder.shl(both, four), mask) for both in bytes_]
            high = [builder.and_(both, mask) for both in bytes_]
            for half, columns in enumerate((low, high)):
                offset = ir.Constant(_INT64, 8 * quarter + 4 * half)
                sums = tile.multiply_add(sums, tile.activations(builder.add(inputs, offset)), columns)
        scale_at = builder.add(group, builder.mul(tile.column, ir.Constant(_INT64, 2)))
        offsets = _steps(builder, scale_at, 2 * lanes, vectors)
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
