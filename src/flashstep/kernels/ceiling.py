"""What the machine can do at best, as three small loops: reading memory, multiply-adds on registers.

Not part of a forward pass; `flashstep bench` holds its figures against them. Each runs in the calling
thread without the GIL, so that several threads together show what all cores can do.
"""

import functools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from flashstep.kernels.amx import TILE, TILE_BYTES, Tiles, close_tiles, open_tiles
from flashstep.kernels.cpu import FLOAT_LANES, HAS_AMX, HAS_VNNI, INTEGER_LANES
from flashstep.kernels.dot_product import dot_product, pair_products
from flashstep.kernels.intrinsics import declare
from flashstep.kernels.jit import kernel
from flashstep.kernels.tables import Int64
from flashstep.kernels.vectors import Loop

# Two units with a latency of five cycles need ten independent sums; a dozen fit any CPU's registers.
NUM_SUMS = 12
INT8_MACS_PER_TURN = NUM_SUMS * INTEGER_LANES * (4 if HAS_VNNI else 2)
_NUM_SUM_TILES = 4  # of the eight; two more are multiplied
TILE_MACS_PER_TURN = _NUM_SUM_TILES * TILE * TILE * TILE_BYTES
FLOAT32_MACS_PER_TURN = NUM_SUMS * FLOAT_LANES

_INT16, _INT32, _INT64, _FLOAT = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()


@kernel
def read_words(words: Int64, start: int, stop: int, passes: int) -> int:
    """Sum of `words[start:stop]`, `passes` times over (a rest of up to 3 words is left out).

    Four streams at once: one alone leaves the CPU waiting at every page's end. Each is an array of its own,
    since an index that could be negative keeps the compiler from reading whole vectors.
    """
    quarter = (stop - start) // 4
    a = words[start : start + quarter]
    b = words[start + quarter : start + 2 * quarter]
    c = words[start + 2 * quarter : start + 3 * quarter]
    d = words[start + 3 * quarter : start + 4 * quarter]
    total = 0
    for _ in range(passes):
        for i in range(quarter):
            total += a[i] + b[i] + c[i] + d[i]
    return total


def _byte_products(builder: ir.IRBuilder, total: ir.Value) -> ir.Value:
    """The CPU's instruction for products of small integers, added to the int32 vector `total`."""
    if HAS_VNNI:
        ones = ir.Constant(total.type, [0x01010101] * INTEGER_LANES)
        return dot_product(builder, total, ones, ones)
    # It adds nothing itself, so it reads the sums: else the compiler would multiply once, ahead of the loop.
    shorts = ir.VectorType(_INT16, 2 * INTEGER_LANES)
    factors = ir.Constant(shorts, [-3, 5] * INTEGER_LANES)
    return builder.add(total, pair_products(builder, builder.bitcast(total, shorts), factors))


def _fused(builder: ir.IRBuilder, total: ir.Value) -> ir.Value:
    """total / 2 + 1/2 as one float32 vector instruction."""
    half = ir.Constant(total.type, [0.5] * FLOAT_LANES)
    fma = declare(builder, f"llvm.fmuladd.v{FLOAT_LANES}f32", total.type, [total.type] * 3)
    return builder.call(fma, [total, half, half])


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


_int8_turns = _turns(_INT32, INTEGER_LANES, types.int32, _byte_products)
_float32_turns = _turns(_FLOAT, FLOAT_LANES, types.float32, _fused)


@intrinsic
def _tile_turns(typing_context: Any, count: Any) -> Any:
    """Tiles of ones multiplied `count` times, added to each of the sums; returns a number of the first."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if not HAS_AMX:
            return ir.Constant(_INT32, 0)
        room = cgutils.alloca_once(builder, ir.ArrayType(_INT32, TILE * TILE))
        start, stride = builder.ptrtoint(room, _INT64), ir.Constant(_INT64, TILE_BYTES)
        ones = context.insert_const_bytes(builder.module, b"\x01" * (TILE * TILE_BYTES))
        tiles, factors = Tiles(builder), (_NUM_SUM_TILES, _NUM_SUM_TILES + 1)
        for tile in factors:
            tiles.load(tile, builder.ptrtoint(ones, _INT64), stride)
        for tile in range(_NUM_SUM_TILES):
            tiles.zero(tile)
        loop = Loop(builder, args[0], [])
        for tile in range(_NUM_SUM_TILES):
            tiles.add_bytes(tile, *factors)
        loop.close([])
        for tile in reversed(range(_NUM_SUM_TILES)):
            tiles.store(tile, start, stride)
        return builder.load(builder.inttoptr(start, _INT32.as_pointer()))

    return types.int32(types.int64), codegen


@kernel
def tile_turns(count: int) -> int:
    """`count` (at least 1) turns of TILE_MACS_PER_TURN multiply-adds of bytes in AMX's tiles."""
    open_tiles()
    total = _tile_turns(count)
    close_tiles()
    return total


@kernel
def int8_turns(count: int) -> int:
    """`count` (at least 1) turns of INT8_MACS_PER_TURN multiply-adds of bytes."""
    return _int8_turns(count)


@kernel
def float32_turns(count: int) -> float:
    """`count` (at least 1) turns of FLOAT32_MACS_PER_TURN multiply-adds of float32."""
    return _float32_turns(count)
