"""One step of a running softmax: scores of one query become weights, a vector at a time."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.attention_tile import is_packed, store_packed
from flashstep.kernels.cpu import FLOAT_LANES
from flashstep.kernels.intrinsics import declare
from flashstep.kernels.vectors import FLOAT, INT32, INT64, Loop, Memory, splat

_FLOATS, _INTS = ir.VectorType(FLOAT, FLOAT_LANES), ir.VectorType(INT32, FLOAT_LANES)
_LOWEST = -87.0  # below it e**x has no normal float32
_LOG2_E, _LN2, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.6931471805599453, 0.693359375, -2.12194440e-4
_SERIES = (1.0, 1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720)


@intrinsic
def soften(
    typing_context: Any, values: Any, at: Any, num_vectors: Any, low: Any, high: Any, peak: Any, cached: Any
) -> Any:
    """Scores `values[at:]` of `num_vectors` vectors become e**(score - new peak) within [low, high) and 0
    outside, in the form in which they meet `cached`. num_vectors: at least 1. Returns the new peak, not below
    `peak`, and the sum."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        memory = Memory(context, builder, signature.args[0], args[0], 4)
        row = _Row(builder, memory, args[1], args[2], args[3], args[4])
        new_peak = row.peak(args[5])
        total = row.to_weights(new_peak, packed=is_packed(signature.args[6]))
        return context.make_tuple(builder, signature.return_type, [new_peak, total])

    i64, f32 = types.int64, types.float32
    return types.UniTuple(f32, 2)(values, i64, i64, i64, i64, f32, cached), codegen


class _Row:
    """Scores of one query in memory."""

    def __init__(
        self, builder: ir.IRBuilder, memory: Memory, at: ir.Value, num_vectors: ir.Value, low: ir.Value,
        high: ir.Value,
    ) -> None:  # fmt: skip
        self.builder, self.memory, self.at, self.num_vectors = builder, memory, at, num_vectors
        numbers = ir.Constant(_INTS, list(range(FLOAT_LANES)))
        self.from_low = builder.sub(numbers, splat(builder, builder.trunc(low, INT32), FLOAT_LANES))
        self.count = splat(builder, builder.trunc(builder.sub(high, low), INT32), FLOAT_LANES)

    def peak(self, floor: ir.Value) -> ir.Value:
        """The largest score within the bounds, and `floor`."""
        builder = self.builder
        floors = splat(builder, floor, FLOAT_LANES)
        larger = declare(builder, f"llvm.maxnum.v{FLOAT_LANES}f32", _FLOATS, [_FLOATS, _FLOATS])
        loop, scores, is_inside, further = self._begin(floors)
        inside = builder.select(is_inside, scores, floors)
        largest = builder.call(larger, [loop.sums[0], inside], fastmath=("nnan",))
        loop.close([largest, further])
        reduce = declare(builder, f"llvm.vector.reduce.fmax.v{FLOAT_LANES}f32", FLOAT, [_FLOATS])
        return builder.call(reduce, [largest], fastmath=("nnan",))

    def to_weights(self, peak: ir.Value, *, packed: bool) -> ir.Value:
        """Write e**(score - peak), and 0 outside the bounds; returns the sum."""
        builder = self.builder
        zero = ir.Constant(_FLOATS, [0.0] * FLOAT_LANES)
        peaks = splat(builder, peak, FLOAT_LANES)
        loop, scores, is_inside, further = self._begin(zero)
        powers = exponential(builder, builder.fsub(scores, peaks), is_rough=packed)
        weights = builder.select(is_inside, powers, zero)
        if packed:
            store_packed(builder, self.memory, self.at, loop.index, weights)
        else:
            start = builder.mul(loop.index, ir.Constant(INT64, FLOAT_LANES))
            self.memory.store(weights, builder.add(self.at, start))
        # One by one (the flag keeps numba from allowing more): zeros in a longer row must not change the sum.
        total = builder.fadd(loop.sums[0], weights, flags=("nsz",))
        loop.close([total, further])
        reduce = declare(builder, f"llvm.vector.reduce.fadd.v{FLOAT_LANES}f32", FLOAT, [FLOAT, _FLOATS])
        return builder.call(reduce, [ir.Constant(FLOAT, 0.0), total], fastmath=("reassoc",))

    def _begin(self, sums: ir.Value) -> tuple[Loop, ir.Value, ir.Value, ir.Value]:
        """A loop over the vectors with running `sums`: it, the vector's scores, which of them lie within the
        bounds, and the second running value, their distances from `low`, of the vector behind."""
        builder = self.builder
        loop = Loop(builder, self.num_vectors, [sums, self.from_low])
        start = builder.mul(loop.index, ir.Constant(INT64, FLOAT_LANES))
        scores = self.memory.load(builder.add(self.at, start), _FLOATS)
        is_inside = builder.icmp_unsigned("<", loop.sums[1], self.count)  # what lies before `low` is huge
        further = builder.add(loop.sums[1], ir.Constant(_INTS, [FLOAT_LANES] * FLOAT_LANES))
        return loop, scores, is_inside, further


def exponential(builder: ir.IRBuilder, x: ir.Value, *, is_rough: bool) -> ir.Value:
    """e**x of a float32 vector, x at most about 0 and clamped to -87: 2**n times a series within ln 2 / 2, of
    degree 6 to 3e-7 of the result, or of degree 4 to 6e-5 (Cody and Waite's reduction)."""

    def number(value: float) -> ir.Constant:
        return ir.Constant(_FLOATS, [value] * FLOAT_LANES)

    fma = declare(builder, f"llvm.fmuladd.v{FLOAT_LANES}f32", _FLOATS, [_FLOATS] * 3)
    x = builder.select(builder.fcmp_ordered("<", x, number(_LOWEST)), number(_LOWEST), x)
    nearest = builder.fptosi(builder.call(fma, [x, number(_LOG2_E), number(-0.5)]), _INTS)
    n = builder.sitofp(nearest, _FLOATS)
    r = x
    for part in (_LN2,) if is_rough else (_LN2_HIGH, _LN2_LOW):
        r = builder.call(fma, [n, number(-part), r])
    series = _SERIES[: 5 if is_rough else 7]
    p = number(series[-1])
    for factor in reversed(series[:-1]):
        p = builder.call(fma, [p, r, number(factor)])
    power = builder.shl(nearest, ir.Constant(_INTS, [23] * FLOAT_LANES))
    return builder.bitcast(builder.add(builder.bitcast(p, _INTS), power), _FLOATS)
