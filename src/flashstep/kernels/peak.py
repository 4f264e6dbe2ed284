"""Largest values, in a form that vectorises. NaN is assumed away (with NaN the result is some number) but in
`lowest_largest`."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.intrinsics import declare
from flashstep.kernels.jit import kernel, nan_free_kernel
from flashstep.kernels.tables import Float32


@intrinsic
def _larger(typing_context: Any, a: Any, b: Any) -> Any:
    """The larger of two float32 as one instruction; a comparison and a choice are not seen as a reduction."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        kind = ir.FloatType()
        return builder.call(declare(builder, "llvm.maxnum.f32", kind, [kind, kind]), args)

    return types.float32(types.float32, types.float32), codegen


@nan_free_kernel
def largest(values: Float32, start: int, stop: int, floor: np.float32) -> np.float32:
    """The largest of `values[start:stop]` and `floor`."""
    peak = floor
    for i in range(start, stop):
        peak = _larger(peak, values[i])
    return peak


@nan_free_kernel
def largest_magnitude(values: Float32, start: int, stop: int, floor: np.float32) -> np.float32:
    """The largest absolute value of `values[start:stop]`, at least `floor`."""
    peak = floor
    for i in range(start, stop):
        peak = _larger(peak, abs(values[i]))
    return peak


@kernel
def lowest_largest(values: Float32, count: int) -> int:
    """Which of the first `count` values is the largest, the first of several; -1 when one of them is NaN or
    +infinity, or all are -infinity."""
    num_odd = 0
    for i in range(count):
        num_odd += not values[i] < np.float32(np.inf)
    peak = largest(values, 0, count, np.float32(-np.inf))
    if num_odd == 0 and peak > np.float32(-np.inf):
        for i in range(count):
            if values[i] == peak:
                return i
    return -1
