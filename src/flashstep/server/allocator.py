"""Settings of the C library's allocator for a process that lives long.

glibc raises its threshold for giving big blocks back to the system whenever one is freed, up to 32 MiB.
From then on bodies and prompts of megabytes come from the heap, between small objects that stay, and the
resident memory of a server grows for hours. Fixed thresholds keep it flat (man 3 mallopt; `dev/LOG.md`
has the figures).
"""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_TRIM_BYTES, _MMAP_BYTES = 16 << 20, 1 << 20
_OPERATORS_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def fix_thresholds() -> bool:
    """Fix both thresholds; returns False, having changed nothing, where the C library is not glibc or the
    environment sets them already."""
    if sys.platform != "linux" or any(name in os.environ for name in _OPERATORS_OWN):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    changed: bool = library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES) == 1
    return changed and library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES) == 1
