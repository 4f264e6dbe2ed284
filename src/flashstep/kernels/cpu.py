"""What the vector units of this CPU can do, read once when the kernels are imported.

Numbers are lanes of 32 bits. The compiler's own view of the CPU is used (it honours
NUMBA_CPU_NAME and NUMBA_CPU_FEATURES), so that no instruction is emitted which it would reject.
"""

import llvmlite.binding as llvm
from numba.core import config
from numba.core.codegen import get_host_cpu_features


def features() -> frozenset[str]:
    """Names of the instruction sets that compiled code may use, in LLVM's spelling."""
    text = config.CPU_FEATURES
    if text is None:
        text = "" if config.CPU_NAME == "generic" else get_host_cpu_features()
    return frozenset(name[1:] for name in text.split(",") if name.startswith("+"))


def float_lanes() -> int:
    """Lanes of the widest float32 vector: 16, 8 or 4 (every CPU that numba knows has 4)."""
    found = features()
    if "avx512f" in found:
        return 16
    return 8 if "avx" in found else 4


def integer_lanes() -> int:
    """Lanes of the widest vector for products of 8-bit and 16-bit integers: 16, 8 or 4."""
    found = features()
    if found & {"avx512vnni", "avx512bw"}:
        return 16
    return 8 if found & {"avxvnni", "avx2"} else 4


def has_vnni() -> bool:
    """Is there an 8-bit dot product instruction of `integer_lanes` lanes?"""
    found = features()
    return "avx512vnni" in found or ("avxvnni" in found and integer_lanes() == 8)


def has_bfloat16_dot() -> bool:
    """Is there a fast instruction of `float_lanes` lanes that adds two products of bfloat16 to a float32?

    AMD's does twice the work of a float32 one in the time; Intel's without AMX has been seen to take longer.
    """
    name = config.CPU_NAME or llvm.get_host_cpu_name()
    return float_lanes() == 16 and "avx512bf16" in features() and name.startswith("znver")


FLOAT_LANES = float_lanes()
INTEGER_LANES = integer_lanes()
HAS_VNNI = has_vnni()
HAS_BFLOAT16_DOT = has_bfloat16_dot()
IS_X86 = llvm.get_process_triple().startswith("x86_64")
