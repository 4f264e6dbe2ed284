"""Products of bytes, four at a time into a 32-bit sum, with what the CPU has for it.

x86 with VNNI has one instruction. Other x86 CPUs multiply pairs of 16-bit numbers and add the two products:
bytes are widened first, the even ones and the odd ones. Elsewhere that pair is written in plain vector
operations. All three give the same integers: nothing saturates, sums wrap only beyond 32 bits.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir

from flashstep.kernels.cpu import HAS_VNNI, INTEGER_LANES, IS_X86
from flashstep.kernels.intrinsics import declare

_INT8, _INT16, _INT32 = ir.IntType(8), ir.IntType(16), ir.IntType(32)
_INTS = ir.VectorType(_INT32, INTEGER_LANES)
_SHORTS = ir.VectorType(_INT16, 2 * INTEGER_LANES)
_CHARS = ir.VectorType(_INT8, 4 * INTEGER_LANES)


def dot_product(builder: ir.IRBuilder, sums: ir.Value, unsigned: ir.Value, signed: ir.Value) -> ir.Value:
    """int32 `sums` [INTEGER_LANES] + unsigned bytes * signed bytes, each operand's four bytes of a lane."""
    if HAS_VNNI:
        # LLVM 22 gave the instruction's operands the type that they have: bytes.
        operand = _CHARS if llvm.llvm_version_info[0] >= 22 else _INTS
        name = f"llvm.x86.avx512.vpdpbusd.{32 * INTEGER_LANES}"
        function = declare(builder, name, _INTS, [_INTS, operand, operand])
        return builder.call(
            function, [sums, builder.bitcast(unsigned, operand), builder.bitcast(signed, operand)]
        )
    eight, low = (ir.Constant(_SHORTS, [n] * (2 * INTEGER_LANES)) for n in (8, 255))
    x, w = builder.bitcast(unsigned, _SHORTS), builder.bitcast(signed, _SHORTS)
    even = pair_products(builder, builder.and_(x, low), builder.ashr(builder.shl(w, eight), eight))
    odd = pair_products(builder, builder.lshr(x, eight), builder.ashr(w, eight))
    return builder.add(builder.add(sums, even), odd)


def pair_products(builder: ir.IRBuilder, a: ir.Value, b: ir.Value) -> Any:
    """a[2i] * b[2i] + a[2i + 1] * b[2i + 1] as int32 [INTEGER_LANES], of int16 [2 * INTEGER_LANES]."""
    if IS_X86:
        name = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}[INTEGER_LANES]
        return builder.call(declare(builder, f"llvm.x86.{name}", _INTS, [_SHORTS, _SHORTS]), [a, b])
    wide = ir.VectorType(_INT32, 2 * INTEGER_LANES)
    products = builder.mul(builder.sext(a, wide), builder.sext(b, wide))
    halves = (
        builder.shuffle_vector(
            products,
            ir.Constant(wide, ir.Undefined),
            ir.Constant(_INTS, list(range(first, 2 * INTEGER_LANES, 2))),
        )
        for first in (0, 1)
    )
    return builder.add(*halves)
