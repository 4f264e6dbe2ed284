"""What the vector units of this CPU can do, read once when the kernels are imported.

Numbers are lanes of 32 bits. The compiler's own view of the CPU is used (it honours
NUMBA_CPU_NAME and NUMBA_CPU_FEATURES), so that no instruction is emitted which it would reject.
"""

import llvmlite.binding as llvm
from numba.core import config


def features() -> frozenset[str]:
    """Names of the instruction sets that compiled code may use, in LLVM's spelling."""
    text = config.CPU_FEATURES
    if text is None:
        text = "" if config.CPU_NAME == "generic" else llvm.get_host_cpu_features().flatten()
    return frozenset(name[1:] for name in text.split(",") if name.startswith("+"))


def float_lanes() -> int:
    """Lanes of the widest float32 vector: 16, 8 or 4 (every CPU that numba knows has 4)."""
    found = features()
    if "avx512f" in found:
        return 16
    return 8 if "avx" in found else 4


def vnni_lanes() -> int:
    """Lanes of the widest 8-bit dot product instruction: 16, 8, or 0 where there is none."""
    found = features()
    if "avx512vnni" in found:
        return 16
    return 8 if "avxvnni" in found else 0


FLOAT_LANES = float_lanes()
VNNI_LANES = vnni_lanes()
