"""Functions that LLVM or its target provides, by name, for code that is written in LLVM's own terms."""

from llvmlite import ir


def declare(builder: ir.IRBuilder, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    """The function of that name in the module under construction."""
    found = builder.module.globals.get(name)
    return found or ir.Function(builder.module, ir.FunctionType(result, arguments), name)
