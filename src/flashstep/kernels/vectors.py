"""What code written as LLVM vectors is made of: counted loops, memory, repeated and stepped values."""

from typing import Any

from llvmlite import ir
from numba import types

from flashstep.kernels.intrinsics import declare, prefetch_line

INT16, INT32, INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
FLOAT = ir.FloatType()
_LINE_BYTES = 64
# How far ahead integer weights are asked for: more than memory delivers to one core in its latency. What a
# CPU fetches by itself ends with each page, and a panel has few of them.
_AHEAD_BYTES = 4096


class Loop:
    """A counted loop over the depth with one vector phi per accumulator."""

    def __init__(self, builder: ir.IRBuilder, depth: ir.Value, starts: list[ir.Value]) -> None:
        self.builder, self.depth = builder, depth
        entry = builder.block
        self.head = builder.append_basic_block("depth")
        self.exit = builder.append_basic_block("done")
        builder.branch(self.head)
        builder.position_at_end(self.head)
        self.index = builder.phi(INT64)
        self.index.add_incoming(ir.Constant(INT64, 0), entry)
        self.sums = [builder.phi(start.type) for start in starts]
        for phi, start in zip(self.sums, starts, strict=True):
            phi.add_incoming(start, entry)

    def close(self, sums: list[ir.Value]) -> None:
        """Branch back until the depth is done (it is at least 1), then stand behind the loop."""
        builder = self.builder
        following = builder.add(self.index, ir.Constant(INT64, 1))
        self.index.add_incoming(following, self.head)
        for phi, value in zip(self.sums, sums, strict=True):
            phi.add_incoming(value, self.head)
        builder.cbranch(builder.icmp_signed("<", following, self.depth), self.head, self.exit)
        builder.position_at_end(self.exit)


class Memory:
    """Loads and stores at element offsets of one array or pointer."""

    def __init__(self, context: Any, builder: ir.IRBuilder, array_type: Any, array: Any, bytes_: int) -> None:
        is_pointer = isinstance(array_type, types.CPointer)
        data = array if is_pointer else context.make_array(array_type)(context, builder, array).data
        self.builder, self.bytes = builder, bytes_
        self.base = builder.ptrtoint(data, INT64)

    def address(self, offset: ir.Value) -> ir.Value:
        """Where element `offset` lies, as int64."""
        return self.builder.add(self.base, self.builder.mul(offset, ir.Constant(INT64, self.bytes)))

    def pointer(self, offset: ir.Value, kind: ir.Type) -> ir.Value:
        """Where element `offset` lies, as a pointer to `kind`."""
        return self.builder.inttoptr(self.address(offset), kind.as_pointer())

    def load(self, offset: ir.Value, kind: ir.Type) -> ir.Value:
        """The value of type `kind` from element `offset` on."""
        return self.builder.load(self.pointer(offset, kind), align=1)

    def load_bfloat16(self, offset: ir.Value, lanes: int) -> ir.Value:
        """A float32 vector from bfloat16 values: their bits are its upper halves."""
        builder, ints = self.builder, ir.VectorType(INT32, lanes)
        wide = builder.zext(self.load(offset, ir.VectorType(INT16, lanes)), ints)
        high = builder.shl(wide, ir.Constant(ints, [16] * lanes))
        return builder.bitcast(high, ir.VectorType(FLOAT, lanes))

    def load_columns(
        self, offsets: list[ir.Value], kind: ir.Type, step: int, *, ask_ahead: bool
    ) -> list[ir.Value]:
        """Vectors at byte offsets that are `step` apart; asks for what lies _AHEAD_BYTES further on."""
        if ask_ahead:
            self.ask_ahead(offsets, step)
        return [self.load(offset, kind) for offset in offsets]

    def ask_ahead(self, offsets: list[ir.Value], step: int) -> None:
        """Ask for the lines that lie _AHEAD_BYTES behind byte offsets that are `step` apart."""
        for offset in offsets[:: max(1, _LINE_BYTES // step)]:
            ahead = self.builder.add(offset, ir.Constant(INT64, _AHEAD_BYTES))
            prefetch_line(self.builder, self.pointer(ahead, ir.IntType(8)), 1)

    def store(self, value: ir.Value, offset: ir.Value) -> None:
        """Write a value from element `offset` on."""
        self.builder.store(value, self.pointer(offset, value.type), align=1)


def splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    """A vector of `lanes` times the same value."""
    vector = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(INT32, 0))
    mask = ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def add_products(
    builder: ir.IRBuilder, sums: list[ir.Value], values: list[ir.Value], columns: list[ir.Value]
) -> list[ir.Value]:
    """sums + values * columns of float32 vectors, rows outside, columns inside."""
    kind = columns[0].type
    function = declare(builder, f"llvm.fmuladd.v{kind.count}f32", kind, [kind] * 3)
    products = ((value, column) for value in values for column in columns)
    return [
        builder.call(function, [value, column, total])
        for total, (value, column) in zip(sums, products, strict=True)
    ]


def steps(builder: ir.IRBuilder, start: ir.Value, step: ir.Value | int, count: int) -> list[ir.Value]:
    """[start, start + step, ...], `count` values."""
    stride = ir.Constant(INT64, step) if isinstance(step, int) else step
    values = [start]
    for _ in range(count - 1):
        values.append(builder.add(values[-1], stride))
    return values
