"""The C library's allocator in a process that lives long.

glibc raises its threshold for giving big blocks back to the system whenever one is freed, up to 32 MiB.
From then on bodies and prompts of megabytes come from the heap, between small objects that stay, and the
resident memory of a server grows for hours. Fixed thresholds keep it flat (man 3 mallopt), and giving back
what lies free in the middle of the heap (man 3 malloc_trim) keeps one long prompt from raising it for
good. `dev/LOG.md` has the figures. Elsewhere than with glibc nothing is done.
"""

import ctypes
import os
import sys
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from malloc.h
_TRIM_BYTES, _MMAP_BYTES = 16 << 20, 1 << 20
_OPERATORS_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def fix_thresholds() -> bool:
    """Fix both thresholds; returns False, having changed nothing, where the C library is not glibc or the
    environment sets them already."""
    library = _glibc()
    if library is None or any(name in os.environ for name in _OPERATORS_OWN):
        return False
    changed: bool = library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES) == 1
    return changed and library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES) == 1


def give_back() -> None:
    """Give free memory back to the system, which takes milliseconds."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
