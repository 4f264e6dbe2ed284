"""The tile registers of Intel's AMX: eight tiles of 16 rows of 64 bytes, and products of two of them.

A product adds to a tile C of 16 x 16 numbers of 32 bits the product of A, 16 rows of 64 bytes, and B, whose
16 rows hold four bytes (two bfloat16) of the depth for each of 16 columns: so lie int8 weights and pairs of
K and V in memory. A thread takes the unit with `open_tiles` and gives it back with `close_tiles`; all tiles
have one shape, since a change of shape costs as much as a dozen products. Without AMX these two do nothing.
"""

import struct
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from flashstep.kernels.cpu import HAS_AMX
from flashstep.kernels.intrinsics import declare

TILE = 16  # rows of a tile, and 32-bit columns
TILE_BYTES = 64  # of a row
NUM_TILES = 8
# Intel 64 and IA-32 manual, volume 1, 18.2: palette 1, no row to start at, bytes of a row and rows by tile.
_SHAPES = struct.pack("<BB14x8H16x8B8x", 1, 0, *[TILE_BYTES] * NUM_TILES, *[TILE] * NUM_TILES)
_BYTE, _VOID = ir.IntType(8), ir.VoidType()


def _address(builder: ir.IRBuilder, address: ir.Value) -> ir.Value:
    return builder.inttoptr(address, _BYTE.as_pointer())


class Tiles:
    """Emits instructions on tiles, which have the numbers 0 to 7. Addresses and strides: int64, bytes."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self._builder = builder

    def _call(self, name: str, *arguments: ir.Value) -> None:
        kinds = [argument.type for argument in arguments]
        self._builder.call(declare(self._builder, f"llvm.x86.{name}", _VOID, kinds), arguments)

    def load(self, tile: int, address: ir.Value, stride: ir.Value) -> None:
        """Fill a tile with 16 rows of 64 bytes that are `stride` apart."""
        self._call("tileloadd64", _BYTE(tile), _address(self._builder, address), stride)

    def store(self, tile: int, address: ir.Value, stride: ir.Value) -> None:
        """Write a tile's 16 rows."""
        self._call("tilestored64", _BYTE(tile), _address(self._builder, address), stride)

    def zero(self, tile: int) -> None:
        """Fill a tile with zeros."""
        self._call("tilezero", _BYTE(tile))

    def add_bytes(self, c: int, a: int, b: int) -> None:
        """C += A (unsigned bytes) * B (signed bytes), as int32."""
        self._call("tdpbusd", _BYTE(c), _BYTE(a), _BYTE(b))

    def add_bfloat16(self, c: int, a: int, b: int) -> None:
        """C += A * B of bfloat16, as float32."""
        self._call("tdpbf16ps", _BYTE(c), _BYTE(a), _BYTE(b))


@intrinsic
def open_tiles(typing_context: Any) -> Any:
    """Let this thread use tiles, until `close_tiles`."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if HAS_AMX:
            shapes = context.insert_const_bytes(builder.module, _SHAPES)
            function = declare(builder, "llvm.x86.ldtilecfg", _VOID, [shapes.type])
            builder.call(function, [shapes])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def close_tiles(typing_context: Any) -> Any:
    """Give the tiles back: the core may rest, and a change of threads saves none."""

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> Any:
        if HAS_AMX:
            builder.call(declare(builder, "llvm.x86.tilerelease", _VOID, []), [])
        return context.get_dummy_value()

    return types.void(), codegen
