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
