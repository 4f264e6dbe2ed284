"""The innermost loop of attention: a few queries (or rows of weights) times a few vectors of K (or V).

Of K and V in bfloat16 two neighbours of the depth lie together: two numbers of a head in K, two tokens in V.
Where the CPU multiplies such pairs fast (an instruction or AMX, cpu.py), queries and weights are rounded to
bfloat16 as well ("packed": half the width); an AMD CPU then does twice as much as with float32, and one with
AMX comes here only with heads and blocks that fill no tiles. Elsewhere a pair is taken apart, and queries and
weights stay float32. Sums run in the order of the depth whatever the number of rows.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.cpu import FLOAT_LANES, PACKS_BFLOAT16
from flashstep.kernels.intrinsics import declare
from flashstep.kernels.vectors import FLOAT, INT16, INT32, INT64, Loop, Memory, add_products, splat, steps

_FLOATS, _INTS = ir.VectorType(FLOAT, FLOAT_LANES), ir.VectorType(INT32, FLOAT_LANES)
_SHORTS = ir.VectorType(INT16, FLOAT_LANES)
_HAS_TYPE = llvm.llvm_version_info[0] >= 16  # that gave the instructions' operands the type that they have


class _Bfloat16(ir.Type):
    """LLVM's type, which llvmlite does not have."""

    def _to_string(self) -> str:
        return "bfloat"

    def __str__(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bfloat16)

    def __hash__(self) -> int:
        return hash(_Bfloat16)


def is_packed(cached: Any) -> bool:
    """Whether queries and weights beside K and V of this type (a numba pointer) are bfloat16."""
    return PACKS_BFLOAT16 and cached.dtype == types.int16


@intrinsic
def step_depth(typing_context: Any, cached: Any) -> Any:
    """How many neighbours of the depth lie together in K and V behind this pointer: 2 of bfloat16, else 1."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return ir.Constant(INT64, 2 if signature.args[0].dtype == types.int16 else 1)

    return types.int64(cached), codegen


@intrinsic
def depth_slots(typing_context: Any, cached: Any) -> Any:
    """How many floats of an operand a step over the depth takes: 1, or 2 where a pair is not packed."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        is_apart = signature.args[0].dtype == types.int16 and not is_packed(signature.args[0])
        return ir.Constant(INT64, 2 if is_apart else 1)

    return types.int64(cached), codegen


@intrinsic
def pack_operand(typing_context: Any, values: Any, at: Any, count: Any, cached: Any) -> Any:
    """Bring the `count` float32 numbers (at least 1) from `values[at]` on, in whole vectors, into the form in
    which they meet `cached`, where they are."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if is_packed(signature.args[3]):
            memory = Memory(context, builder, signature.args[0], args[0], 4)
            lanes = ir.Constant(INT64, FLOAT_LANES)
            num_vectors = builder.sdiv(builder.add(args[2], ir.Constant(INT64, FLOAT_LANES - 1)), lanes)
            loop = Loop(builder, num_vectors, [])
            start = builder.add(args[1], builder.mul(loop.index, lanes))
            store_packed(builder, memory, args[1], loop.index, memory.load(start, _FLOATS))
            loop.close([])
        return context.get_dummy_value()

    return types.void(values, types.int64, types.int64, cached), codegen


def store_packed(
    builder: ir.IRBuilder, memory: Memory, at: ir.Value, number: ir.Value, vector: ir.Value
) -> None:
    """Store vector `number` of the operand that starts at `at`, rounded to bfloat16: it takes half the places
    of the float32 numbers, so a row can be packed where it is."""
    half = ir.Constant(INT64, FLOAT_LANES // 2)
    place = memory.pointer(builder.add(at, builder.mul(number, half)), _SHORTS)
    builder.store(_to_bfloat16(builder, vector), place, align=1)


def _to_bfloat16(builder: ir.IRBuilder, vector: ir.Value) -> ir.Value:
    """float32 [16] rounded to nearest even, as int16."""
    kind = ir.VectorType(_Bfloat16(), FLOAT_LANES) if _HAS_TYPE else _SHORTS
    function = declare(builder, "llvm.x86.avx512bf16.cvtneps2bf16.512", kind, [_FLOATS])
    return builder.bitcast(builder.call(function, [vector]), _SHORTS)


def attention_tile(rows: int, parts: int, vectors: int, *, accumulate: bool) -> Any:
    """Make `tile(row, x, x_at, x_stride, w, w_at, w_step, depth, y, y_at, y_stride)`.

    y[r, c] = (y[r, c] if accumulate) + sum_k x[r, k] * w[k, c] for `rows` rows from `row` on and `parts`
    times `vectors * FLOAT_LANES` columns. x, y: float32 flat; x: rows from `x_at` on, as pack_operand leaves
    them. w: K or V; y_at, w_at: where row 0 of each part begins, a tuple. Step k over the depth lies
    `k * w_step` further, or `w_step[k]` where that is int64 in memory. depth: number of steps, >= 1. Reads
    and writes whole vectors.
    """

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        row, x_at, x_stride, w_at, w_step, depth, y_at, y_stride = (
            args[i] for i in (0, 2, 3, 5, 6, 7, 9, 10)
        )
        cached = signature.args[4]
        x, y = (Memory(context, builder, signature.args[i], args[i], 4) for i in (1, 8))
        w = Memory(context, builder, cached, args[4], cached.dtype.bitwidth // 8)
        x_first, y_first = (builder.mul(row, stride) for stride in (x_stride, y_stride))
        y_rows = [
            steps(builder, builder.add(builder.extract_value(y_at, part), y_first), y_stride, rows)
            for part in range(parts)
        ]
        outputs = [
            offset
            for r in range(rows)
            for part in range(parts)
            for offset in steps(builder, y_rows[part][r], FLOAT_LANES, vectors)
        ]
        zero = ir.Constant(_FLOATS, [0.0] * FLOAT_LANES)
        starts = [y.load(o, _FLOATS) for o in outputs] if accumulate else [zero] * len(outputs)
        loop = Loop(builder, depth, starts)
        if isinstance(signature.args[6], types.Integer):
            start = builder.mul(loop.index, w_step)
        else:
            start = Memory(context, builder, signature.args[6], w_step, 8).load(loop.index, INT64)
        wide = (2 if cached.dtype == types.int16 else 1) * FLOAT_LANES
        columns = []
        for part in range(parts):
            first = builder.add(builder.extract_value(w_at, part), start)
            columns += steps(builder, first, wide, vectors)
        x_rows = steps(builder, builder.add(x_at, x_first), x_stride, rows)
        step = _Step(builder, x, w, x_rows, loop)
        if is_packed(cached):
            sums = step.packed(columns)
        elif cached.dtype == types.int16:
            sums = step.pairs(columns)
        else:
            sums = step.floats(columns)
        loop.close(sums)
        for offset, value in zip(outputs, sums, strict=True):
            y.store(value, offset)
        return context.get_dummy_value()

    @intrinsic
    def tile(
        typing_context: Any, row: Any, x: Any, x_at: Any, x_stride: Any, w: Any, w_at: Any, w_step: Any,
        depth: Any, y: Any, y_at: Any, y_stride: Any,
    ) -> Any:  # fmt: skip
        i64, starts = types.int64, types.UniTuple(types.int64, parts)
        step = i64 if isinstance(w_step, types.Integer) else w_step
        return types.void(i64, x, i64, i64, w, starts, step, i64, y, starts, i64), codegen

    return tile


class _Step:
    """One step over the depth: the new sums, rows outside, vectors of columns inside."""

    def __init__(
        self, builder: ir.IRBuilder, x: Memory, w: Memory, x_rows: list[ir.Value], loop: Loop
    ) -> None:
        self.builder, self.x, self.w, self.x_rows, self.loop = builder, x, w, x_rows, loop

    def floats(self, columns: list[ir.Value]) -> list[ir.Value]:
        """K and V in float32."""
        vectors = [self.w.load(offset, _FLOATS) for offset in columns]
        return add_products(self.builder, self.loop.sums, self._operand(FLOAT, 1, 0), vectors)

    def pairs(self, columns: list[ir.Value]) -> list[ir.Value]:
        """Pairs of bfloat16, taken apart: the lower halves come first."""
        builder = self.builder
        both = [self.w.load(offset, _INTS) for offset in columns]
        sixteen, high = (ir.Constant(_INTS, [n] * FLOAT_LANES) for n in (16, -0x10000))
        first = [builder.bitcast(builder.shl(pair, sixteen), _FLOATS) for pair in both]
        second = [builder.bitcast(builder.and_(pair, high), _FLOATS) for pair in both]
        sums = add_products(builder, self.loop.sums, self._operand(FLOAT, 2, 0), first)
        return add_products(builder, sums, self._operand(FLOAT, 2, 1), second)

    def packed(self, columns: list[ir.Value]) -> list[ir.Value]:
        """Pairs of bfloat16 on both sides."""
        vectors = [self.w.load(offset, _INTS) for offset in columns]
        products = ((value, vector) for value in self._operand(INT32, 1, 0) for vector in vectors)
        return [
            _add_pair_products(self.builder, total, *p)
            for total, p in zip(self.loop.sums, products, strict=True)
        ]

    def _operand(self, kind: ir.Type, per_step: int, number: int) -> list[ir.Value]:
        """Of each row one value of this step, repeated over a vector."""
        builder = self.builder
        index = builder.mul(self.loop.index, ir.Constant(INT64, per_step))
        at = builder.add(index, ir.Constant(INT64, number))
        return [splat(builder, self.x.load(builder.add(row, at), kind), FLOAT_LANES) for row in self.x_rows]


def _add_pair_products(builder: ir.IRBuilder, sums: ir.Value, a: ir.Value, b: ir.Value) -> ir.Value:
    """float32 `sums` [16] + the two products of bfloat16 in each lane of a and b, which are int32."""
    operand = ir.VectorType(_Bfloat16(), 2 * FLOAT_LANES) if _HAS_TYPE else _INTS
    function = declare(builder, "llvm.x86.avx512bf16.dpbf16ps.512", _FLOATS, [_FLOATS, operand, operand])
    return builder.call(function, [sums, builder.bitcast(a, operand), builder.bitcast(b, operand)])
