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
