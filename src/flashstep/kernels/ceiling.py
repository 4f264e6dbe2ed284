"""What the machine can do at best, as three small loops: reading memory, multiply-adds on registers.

Not part of a forward pass; `flashstep bench` holds its figures against them. Each runs in the calling
thread without the GIL, so that several threads together show what all cores can do.
"""

import functools
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.cpu import FLOAT_LANES, VNNI_LANES
from flashstep.kernels.jit import kernel
from flashstep.kernels.tables import Int64

# Two units with a latency of five cycles need ten independent sums; a dozen fit any CPU's registers.
NUM_SUMS = 12
INT8_MACS_PER_TURN = NUM_SUMS * VNNI_LANES * 4
FLOAT32_MACS_PER_TURN = NUM_SUMS * FLOAT_LANES

_INT8, _INT32, _INT64, _FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()


@kernel
def read_words(words: Int64, start: int, stop: int, passes: int) -> int:
    """Sum of `words[start:stop]`, `passes` times over (a rest of up to 3 words is left out).

    Four streams at once: one alone leaves the CPU waiting at every page's end.
    """
    quarter = (stop - start) // 4
    total = 0
    for _ in range(passes):
        for i in range(start, start + quarter):
            total += words[i] + words[i + quarter] + words[i + 2 * quarter] + words[i + 3 * quarter]
    return total


def _byte_products(builder: ir.IRBuilder, total: ir.Value) -> ir.Value:
    """One 8-bit dot product instruction of all ones, added to the int32 vector `total`."""
    lanes = VNNI_LANES
    # LLVM 22 gave the instruction's operands the type that they have: bytes.
    lane, count = (_INT8, 4 * lanes) if llvm.llvm_version_info[0] >= 22 else (_INT32, lanes)
    operand = ir.VectorType(lane, count)
    ones = ir.Constant(operand, [1 if lane is _INT8 else 0x01010101] * count)
    return _call(builder, f"llvm.x86.avx512.vpdpbusd.{32 * lanes}", [total, ones, ones])


def _fused(builder: ir.IRBuilder, total: ir.Value) -> ir.Value:
    """total / 2 + 1/2 as one float32 vector instruction."""
    half = ir.Constant(total.type, [0.5] * FLOAT_LANES)
    return _call(builder, f"llvm.fmuladd.v{FLOAT_LANES}f32", [total, half, half])


def _call(builder: ir.IRBuilder, name: str, values: list[ir.Value]) -> ir.Value:
    function = builder.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(values[0].type, [value.type for value in values])
        function = ir.Function(builder.module, kind, name)
    return builder.call(function, values)


def _turns(lane: ir.Type, lanes: int, result: Any, multiply_add: Callable[..., ir.Value]) -> Any:
    """Make `turns(count)`: NUM_SUMS independent vectors, each `count` times through `multiply_add`; returns
    a lane of their sum, so that the compiler may leave out none of them."""
    vector = ir.VectorType(lane, lanes)

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        before, head, after = (
            builder.block, builder.append_basic_block("turn"), builder.append_basic_block("done")
        )  # fmt: skip
        builder.branch(head)
        builder.position_at_end(head)
        index, sums = builder.phi(_INT64), [builder.phi(vector) for _ in range(NUM_SUMS)]
        following = builder.add(index, ir.Constant(_INT64, 1))
        index.add_incoming(ir.Constant(_INT64, 0), before)
        index.add_incoming(following, head)
        ends = [multiply_add(builder, total) for total in sums]
        for i, (total, end) in enumerate(zip(sums, ends)):
            total.add_incoming(ir.Constant(vector, [i] * lanes), before)
            total.add_incoming(end, head)
        builder.cbranch(builder.icmp_signed("<", following, args[0]), head, after)
        builder.position_at_end(after)
        add = builder.add if lane is _INT32 else builder.fadd
        return builder.extract_element(functools.reduce(add, ends), ir.Constant(_INT32, 0))

    @intrinsic
    def turns(typing_context: Any, count: Any) -> Any:
        return result(types.int64), codegen

    return turns


# Without the instruction `int8_turns` must still be defined; nobody calls it then.
_int8_turns = _turns(_INT32, max(1, VNNI_LANES), types.int32, _byte_products)
_float32_turns = _turns(_FLOAT, FLOAT_LANES, types.float32, _fused)


@kernel
def int8_turns(count: int) -> int:
    """`count` (at least 1) turns of INT8_MACS_PER_TURN multiply-adds of bytes; only with VNNI."""
    return _int8_turns(count)


@kernel
def float32_turns(count: int) -> float:
    """`count` (at least 1) turns of FLOAT32_MACS_PER_TURN multiply-adds of float32."""
    return _float32_turns(count)
