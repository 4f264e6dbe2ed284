"""Bare pointers for compiled code. A numba array is seven values, counts references and wraps negative
indices; a pointer is one value and does nothing. Entry points get the addresses of all their arrays in one
array (taking in fifty arrays costs more than a small layer) and read pointers from it; kernels index those
like arrays. The caller keeps the arrays alive and in bounds.
"""

from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from flashstep.kernels.intrinsics import prefetch_line


def addresses(records: tuple[tuple[NDArray[Any], ...], ...]) -> NDArray[np.int64]:
    """Where the arrays of some records (NamedTuples of arrays) lie, one record after the other.

    ValueError for an array that its field does not allow, or that has gaps.
    """
    for record in records:
        for array, (name, kinds) in zip(record, element_types(type(record)).items(), strict=True):
            if array.dtype.type not in kinds or not array.flags.c_contiguous:
                raise ValueError(
                    f"{type(record).__name__}.{name} is {array.dtype} with strides {array.strides}; "
                    f"kernels read {' or '.join(kind.__name__ for kind in kinds)} without gaps"
                )
    return np.array([array.ctypes.data for record in records for array in record], np.int64)


def element_types(record: type) -> dict[str, tuple[type[np.generic], ...]]:
    """By field of a NamedTuple of arrays, the element types that its annotation allows."""
    kinds = {}
    for name, hint in get_type_hints(record).items():
        element = get_args(get_args(hint)[1])[0]  # NDArray[x] is ndarray[shape, dtype[x]]
        kinds[name] = get_args(element) or (element,)
    return kinds


def reader(record: type[NamedTuple], first: int) -> Any:
    """Make `read(addresses, choice)`: the fields of `record` as a tuple of pointers, the first of them to
    `addresses[first]`. `choice` is any number: where a field allows several types, its type is taken."""
    fields = element_types(record).values()

    @intrinsic
    def read(typing_context: Any, addresses: Any, choice: Any) -> Any:
        kinds = [types.CPointer(from_dtype(np.dtype(f[0])) if len(f) == 1 else choice) for f in fields]

        def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
            words = context.make_array(addresses)(context, builder, args[0]).data
            values = []
            for i, kind in enumerate(kinds):
                word = builder.load(builder.gep(words, [ir.Constant(ir.IntType(64), first + i)]))
                values.append(builder.inttoptr(word, context.get_value_type(kind)))
            return context.make_tuple(builder, signature.return_type, values)

        return types.Tuple(kinds)(addresses, choice), codegen

    return read


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
        line = builder.bitcast(builder.gep(args[0], [args[1]]), ir.IntType(8).as_pointer())
        prefetch_line(builder, line, 2)
        return context.get_dummy_value()

    return types.void(pointer, types.int64), codegen
