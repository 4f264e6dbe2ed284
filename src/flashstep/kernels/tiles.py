"""The innermost loops as LLVM vector code: a few activation rows times a few vectors of columns.

A tile keeps all its sums in registers while it walks once over the weights. Sums run in the order
of the depth whatever the number of rows, so a row's result does not depend on its neighbours.
Layouts: float weights lie [depth, columns]; int8 weights lie [depth / 4, columns, 4], signed,
and meet activations stored with the sign bit flipped, i.e. as unsigned value + 128 (the x86 dot
product wants one unsigned side); the sums start at `-128 * sum(weights of the column)`.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.cpu import FLOAT_LANES, VNNI_LANES

_INT8, _INT32, _INT64, _FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()


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

    def store(self, value: ir.Value, offset: ir.Value) -> None:
        self.builder.store(value, self.pointer(offset, value.type), align=1)


def _splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    vector = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(_INT32, 0))
    mask = ir.Constant(ir.VectorType(_INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def _declare(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    found = builder.module.globals.get(name)
    return found or ir.Function(builder.module, ir.FunctionType(result, arguments), name)


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
    of `rows` int64; depth >= 1. Reads and writes whole vectors.
    """
    lanes = FLOAT_LANES
    vector = ir.VectorType(_FLOAT, lanes)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        x = _Memory(context, builder, signature.args[0], args[0], 4)
        w = _Memory(context, builder, signature.args[2], args[2], 4)
        y = _Memory(context, builder, signature.args[6], args[6], 4)
        x_rows = [builder.extract_value(args[1], r) for r in range(rows)]
        outputs = [
            offset
            for row in _steps(builder, args[7], args[8], rows)
            for offset in _steps(builder, row, lanes, vectors)
        ]
        zero = ir.Constant(vector, [0.0] * lanes)
        starts = [y.load(o, vector) for o in outputs] if accumulate else [zero] * len(outputs)
        fma = _declare(builder, f"llvm.fmuladd.v{lanes}f32", vector, [vector] * 3)
        loop = _Loop(builder, args[5], starts)
        w_row = builder.add(args[3], builder.mul(loop.index, args[4]))
        columns = [w.load(o, vector) for o in _steps(builder, w_row, lanes, vectors)]
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


def _dot_product(builder: ir.IRBuilder, lanes: int) -> Any:
    """The instruction: int32 sums += unsigned bytes * signed bytes, four at a time."""
    ints, chars = ir.VectorType(_INT32, lanes), ir.VectorType(_INT8, 4 * lanes)
    operand = chars if llvm.llvm_version_info[0] >= 22 else ints  # LLVM 22 retyped the intrinsic
    name = f"llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    function = _declare(builder, name, ints, [ints, operand, operand])

    def dot(sums: ir.Value, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
        return builder.call(
            function, [sums, builder.bitcast(unsigned, operand), builder.bitcast(signed, operand)]
        )

    return dot


def int8_tile(rows: int, vectors: int) -> Any:
    """Make `tile(x, x_offsets, x_scales, w, w_offset, w_stride, depth, start, column, scales,
    scale_offset, y, y_offset, y_stride)` for CPUs with VNNI.

    y[r, c] = x_scales[r] * scales[scale_offset + c] * (start[column + c] + sum of byte products)
    for `rows` rows and `vectors * VNNI_LANES` columns. x, w: int8 flat (x with flipped sign bit);
    depth: groups of four bytes, >= 1; w_stride: bytes from group to group; start: int32 flat.
    """
    lanes = VNNI_LANES
    ints, floats = ir.VectorType(_INT32, lanes), ir.VectorType(_FLOAT, lanes)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        memory = [
            _Memory(context, builder, signature.args[i], args[i], size)
            for i, size in ((0, 1), (3, 1), (7, 4), (9, 4), (11, 4))
        ]
        x, w, start, scales, y = memory
        x_rows = [builder.extract_value(args[1], r) for r in range(rows)]
        first = [start.load(o, ints) for o in _steps(builder, args[8], lanes, vectors)]
        dot = _dot_product(builder, lanes)
        loop = _Loop(builder, args[6], first * rows)
        w_group = builder.add(args[4], builder.mul(loop.index, args[5]))
        columns = [w.load(o, ints) for o in _steps(builder, w_group, 4 * lanes, vectors)]
        x_step = builder.mul(loop.index, ir.Constant(_INT64, 4))
        sums = []
        for r in range(rows):
            value = _splat(builder, x.load(builder.add(x_rows[r], x_step), _INT32), lanes)
            for c in range(vectors):
                sums.append(dot(loop.sums[r * vectors + c], value, columns[c]))
        loop.close(sums)
        column_scales = [scales.load(o, floats) for o in _steps(builder, args[10], lanes, vectors)]
        for r, row in enumerate(_steps(builder, args[12], args[13], rows)):
            row_scale = _splat(builder, builder.extract_value(args[2], r), lanes)
            for c, offset in enumerate(_steps(builder, row, lanes, vectors)):
                value = builder.sitofp(sums[r * vectors + c], floats)
                y.store(builder.fmul(builder.fmul(value, column_scales[c]), row_scale), offset)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context: Any, x: Any, x_offsets: Any, x_scales: Any, w: Any, w_offset: Any, w_stride: Any,
        depth: Any, start: Any, column: Any, scales: Any, scale_offset: Any,
        y: Any, y_offset: Any, y_stride: Any,
    ) -> Any:  # fmt: skip
        i64 = types.int64
        offsets, row_scales = types.UniTuple(i64, rows), types.UniTuple(types.float32, rows)
        return types.void(
            x, offsets, row_scales, w, i64, i64, i64, start, i64, scales, i64, y, i64, i64
        ), codegen

    return tile
