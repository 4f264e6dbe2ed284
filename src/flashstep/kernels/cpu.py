"""What the vector and matrix units of this CPU can do, read once when the kernels are imported.

Numbers are lanes of 32 bits. The compiler's own view of the CPU is used (it honours
NUMBA_CPU_NAME and NUMBA_CPU_FEATURES), so that no instruction is emitted which it would reject.
"""

import ctypes
import sys

import llvmlite.binding as llvm
from numba.core import config
from numba.core.codegen import get_host_cpu_features

# Of Linux on x86-64: asm/unistd_64.h, asm/prctl.h, asm/fpu/types.h.
_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA = 158, 0x1023, 18


# AVX-512 BF16 rounds what the tiles multiply.
_AMX_FEATURES = {"amx-tile", "amx-int8", "amx-bf16", "avx512f", "avx512bf16"}


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


def has_float_parts() -> bool:
    """Are there instructions of `float_lanes` lanes that take a float apart at its whole part and scale it by
    a power of two?"""
    return features() >= {"avx512f", "avx512dq"}


def has_amx() -> bool:
    """Is there a unit that multiplies tiles of bytes and of bfloat16, and may this process use it?

    Linux gives its registers (8 KiB a thread) to a process that asks for them; it keeps them through a fork.
    """
    if not features() >= _AMX_FEATURES or sys.platform != "linux":
        return False
    try:
        return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA) == 0
    except (OSError, AttributeError):
        return False


FLOAT_LANES = float_lanes()
INTEGER_LANES = integer_lanes()
HAS_VNNI = has_vnni()
HAS_BFLOAT16_DOT = has_bfloat16_dot()
HAS_FLOAT_PARTS = has_float_parts()
HAS_AMX = has_amx()
PACKS_BFLOAT16 = HAS_BFLOAT16_DOT or HAS_AMX  # queries and weights that meet K and V in bfloat16
IS_X86 = llvm.get_process_triple().startswith("x86_64")
