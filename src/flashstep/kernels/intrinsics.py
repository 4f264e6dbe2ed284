"""Functions that LLVM or its target provides, by name, for code that is written in LLVM's own terms."""

from llvmlite import ir


def declare(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    """The function of that name in the module under construction."""
    found = builder.module.globals.get(name)
    return found or ir.Function(builder.module, ir.FunctionType(result, arguments), name)


def prefetch_line(builder: ir.IRBuilder, address: ir.Value, level: int) -> None:
    """Ask for the cache line at a byte pointer; it comes into the cache of that level (1 or 2) meanwhile."""
    number = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
    function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
    read, locality, data = ir.Constant(number, 0), ir.Constant(number, 4 - level), ir.Constant(number, 1)
    builder.call(function, [address, read, locality, data])
