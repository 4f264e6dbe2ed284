"""Bare pointers for compiled code. A numba array is seven values, counts references and wraps negative
indices; a pointer is one value and does nothing. Entry points turn their arrays into pointers once
(`pointers`), kernels index those like arrays. The caller keeps the arrays alive and in bounds.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def pointers(typing_context: Any, arrays: Any) -> Any:
    """A tuple of pointers to the first elements of a tuple of contiguous arrays."""
    kinds = [types.CPointer(array.dtype) for array in arrays]

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        datas = [
            context.make_array(kind)(context, builder, builder.extract_value(args[0], i)).data
            for i, kind in enumerate(arrays)
        ]
        return context.make_tuple(builder, signature.return_type, datas)

    return types.Tuple(kinds)(arrays), codegen


@intrinsic
def advance(typing_context: Any, pointer: Any, count: Any) -> Any:
    """The pointer `count` elements further."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.int64), codegen


@intrinsic
def put(typing_context: Any, pointer: Any, index: Any, value: Any) -> Any:
    """pointer[index] = value, a float32; where elements are int16, as bfloat16, rounded to nearest even."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        number = args[2]
        if signature.args[0].dtype == types.int16:
            bits = builder.bitcast(number, _INT32)
            odd = builder.and_(builder.lshr(bits, _number(16)), _number(1))
            rounded = builder.add(bits, builder.add(odd, _number(0x7FFF)))
            number = builder.trunc(builder.lshr(rounded, _number(16)), ir.IntType(16))
        builder.store(number, builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    return types.void(pointer, types.int64, types.float32), codegen


_INT32 = ir.IntType(32)


def _number(value: int) -> ir.Constant:
    return ir.Constant(_INT32, value)


@intrinsic
def line_elements(typing_context: Any, pointer: Any) -> Any:
    """How many elements a cache line of 64 bytes has."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.IntType(64), 512 // signature.args[0].dtype.bitwidth)

    return types.int64(pointer), codegen


@intrinsic
def prefetch(typing_context: Any, pointer: Any, index: Any) -> Any:
    """Ask for the cache line of element `index`; it comes into the second-level cache meanwhile."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        address = builder.bitcast(builder.gep(args[0], [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        read, second_level, data = ir.Constant(number, 0), ir.Constant(number, 2), ir.Constant(number, 1)
        builder.call(function, [address, read, second_level, data])
        return context.get_dummy_value()

    return types.void(pointer, types.int64), codegen
