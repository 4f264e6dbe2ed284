"""One step of a running softmax: scores of one query become weights, a vector at a time."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.attention_tile import is_packed, store_packed
from flashstep.kernels.cpu import FLOAT_LANES, HAS_FLOAT_PARTS
from flashstep.kernels.intrinsics import declare
from flashstep.kernels.vectors import FLOAT, INT32, INT64, Loop, Memory, splat

_FLOATS, _INTS = ir.VectorType(FLOAT, FLOAT_LANES), ir.VectorType(INT32, FLOAT_LANES)
_LOWEST = -126.0  # below it 2**x has no normal float32
# 2**r within [0, 1) to 1e-7 of it, or to 3e-6: of each degree the least worst error, the first factor of 1.
_SERIES = (1.0, 0.6931513, 0.24016444, 0.055799913, 0.00901703, 0.0018671304)
_ROUGH_SERIES = (1.0, 0.69304484, 0.24128021, 0.05224247, 0.013426688)
# Operands of AVX-512: take off the next lower whole number, without exceptions; round as is usual.
_TO_FLOOR, _BY_MODE = 9, 4


@intrinsic
def soften(
    typing_context: Any, values: Any, at: Any, num_vectors: Any, low: Any, high: Any, peak: Any, cached: Any
) -> Any:
    """Scores `values[at:]` of `num_vectors` vectors become 2**(score - new peak) within [low, high) and 0
    outside, in the form in which they meet `cached`. num_vectors: at least 1. Returns the new peak, not below
    `peak`, and the sum."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        memory = Memory(context, builder, signature.args[0], args[0], 4)
        row = _Row(builder, memory, args[1], args[2], args[3], args[4])
        packed = is_packed(signature.args[6])
        with builder.if_else(row.is_whole()) as (whole, in_part):
            results = []
            for branch, has_bounds in ((whole, False), (in_part, True)):
                with branch:
                    new_peak = row.peak(args[5], has_bounds=has_bounds)
                    total = row.to_weights(new_peak, packed=packed, has_bounds=has_bounds)
                    results.append((new_peak, total, builder.block))
        found = [builder.phi(FLOAT), builder.phi(FLOAT)]
        for *values, block in results:
            for phi, value in zip(found, values, strict=True):
                phi.add_incoming(value, block)
        return context.make_tuple(builder, signature.return_type, found)

    i64, f32 = types.int64, types.float32
    return types.UniTuple(f32, 2)(values, i64, i64, i64, i64, f32, cached), codegen


class _Row:
    """Scores of one query in memory."""

    def __init__(
        self, builder: ir.IRBuilder, memory: Memory, at: ir.Value, num_vectors: ir.Value, low: ir.Value,
        high: ir.Value,
    ) -> None:  # fmt: skip
        self.builder, self.memory, self.at, self.num_vectors = builder, memory, at, num_vectors
        self.low, self.high = low, high
        numbers = ir.Constant(_INTS, list(range(FLOAT_LANES)))
        self.from_low = builder.sub(numbers, splat(builder, builder.trunc(low, INT32), FLOAT_LANES))
        self.count = splat(builder, builder.trunc(builder.sub(high, low), INT32), FLOAT_LANES)

    def is_whole(self) -> ir.Value:
        """Whether all vectors lie within the bounds."""
        builder = self.builder
        end = builder.mul(self.num_vectors, ir.Constant(INT64, FLOAT_LANES))
        return builder.and_(
            builder.icmp_signed("<=", self.low, ir.Constant(INT64, 0)),
            builder.icmp_signed(">=", self.high, end),
        )

    def peak(self, floor: ir.Value, *, has_bounds: bool) -> ir.Value:
        """The largest score within the bounds, and `floor`."""
        builder = self.builder
        floors = splat(builder, floor, FLOAT_LANES)
        larger = declare(builder, f"llvm.maxnum.v{FLOAT_LANES}f32", _FLOATS, [_FLOATS, _FLOATS])
        loop, scores, is_inside = self._begin(floors, has_bounds=has_bounds)
        inside = builder.select(is_inside, scores, floors) if has_bounds else scores
        largest = builder.call(larger, [loop.sums[0], inside], fastmath=("nnan",))
        self._end(loop, largest)
        reduce = declare(builder, f"llvm.vector.reduce.fmax.v{FLOAT_LANES}f32", FLOAT, [_FLOATS])
        return builder.call(reduce, [largest], fastmath=("nnan",))

    def to_weights(self, peak: ir.Value, *, packed: bool, has_bounds: bool) -> ir.Value:
        """Write 2**(score - peak), and 0 outside the bounds; returns the sum."""
        builder = self.builder
        zero = ir.Constant(_FLOATS, [0.0] * FLOAT_LANES)
        peaks = splat(builder, peak, FLOAT_LANES)
        loop, scores, is_inside = self._begin(zero, has_bounds=has_bounds)
        weights = power_of_two(builder, builder.fsub(scores, peaks), is_rough=packed)
        if has_bounds:
            weights = builder.select(is_inside, weights, zero)
        if packed:
            store_packed(builder, self.memory, self.at, loop.index, weights)
        else:
            start = builder.mul(loop.index, ir.Constant(INT64, FLOAT_LANES))
            self.memory.store(weights, builder.add(self.at, start))
        # One by one (the flag keeps numba from allowing more): zeros in a longer row must not change the sum.
        total = builder.fadd(loop.sums[0], weights, flags=("nsz",))
        self._end(loop, total)
        reduce = declare(builder, f"llvm.vector.reduce.fadd.v{FLOAT_LANES}f32", FLOAT, [FLOAT, _FLOATS])
        return builder.call(reduce, [ir.Constant(FLOAT, 0.0), total], fastmath=("reassoc",))

    def _begin(self, sums: ir.Value, *, has_bounds: bool) -> tuple[Loop, ir.Value, ir.Value | None]:
        """A loop over the vectors with running `sums` (and, where some scores lie outside the bounds,
        distances from `low`): it, the vector's scores, and which of them lie within the bounds."""
        builder = self.builder
        loop = Loop(builder, self.num_vectors, [sums, self.from_low] if has_bounds else [sums])
        start = builder.mul(loop.index, ir.Constant(INT64, FLOAT_LANES))
        scores = self.memory.load(builder.add(self.at, start), _FLOATS)
        if not has_bounds:
            return loop, scores, None
        return loop, scores, builder.icmp_unsigned("<", loop.sums[1], self.count)  # before `low` it is huge

    def _end(self, loop: Loop, sums: ir.Value) -> None:
        further = [
            self.builder.add(distances, ir.Constant(_INTS, [FLOAT_LANES] * FLOAT_LANES))
            for distances in loop.sums[1:]
        ]
        loop.close([sums, *further])


def power_of_two(builder: ir.IRBuilder, x: ir.Value, *, is_rough: bool) -> ir.Value:
    """2**x of a float32 vector, x at most about 0: 2**floor(x) times a series in what is left, to 1e-7 of the
    result, or to 3e-6. Below -126 next to nothing."""

    def number(value: float) -> ir.Constant:
        return ir.Constant(_FLOATS, [value] * FLOAT_LANES)

    fma = declare(builder, f"llvm.fmuladd.v{FLOAT_LANES}f32", _FLOATS, [_FLOATS] * 3)
    if HAS_FLOAT_PARTS:
        r = _masked(builder, "reduce", [x, INT32(_TO_FLOOR)])
    else:
        x = builder.select(builder.fcmp_ordered("<", x, number(_LOWEST)), number(_LOWEST), x)
        n = builder.call(declare(builder, f"llvm.floor.v{FLOAT_LANES}f32", _FLOATS, [_FLOATS]), [x])
        r = builder.fsub(x, n)
    series = _ROUGH_SERIES if is_rough else _SERIES
    p = number(series[-1])
    for factor in reversed(series[:-1]):
        p = builder.call(fma, [p, r, number(factor)])
    if HAS_FLOAT_PARTS:
        return _masked(builder, "scalef", [p, x])
    power = builder.shl(builder.fptosi(n, _INTS), ir.Constant(_INTS, [23] * FLOAT_LANES))
    return builder.bitcast(builder.add(builder.bitcast(p, _INTS), power), _FLOATS)


def _masked(builder: ir.IRBuilder, name: str, operands: list[ir.Value]) -> ir.Value:
    """An instruction of AVX-512 on all lanes: `reduce` takes whole parts off, `scalef` gives
    a * 2**floor(b)."""
    arguments = [
        *operands,
        ir.Constant(_FLOATS, [0.0] * FLOAT_LANES),
        ir.IntType(16)(0xFFFF),
        INT32(_BY_MODE),
    ]
    kinds = [argument.type for argument in arguments]
    function = declare(builder, f"llvm.x86.avx512.mask.{name}.ps.512", _FLOATS, kinds)
    return builder.call(function, arguments)
