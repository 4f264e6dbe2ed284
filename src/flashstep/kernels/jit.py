"""How kernels are compiled: two decorators over numba, and the stamp that keeps caches honest.

A kernel holds no GIL, checks no bounds and never raises. Only the entry points are cached on
disk; numba knows the source file of an entry point alone, so each entry point carries
`source_stamp` of the whole folder in a closure, and an edit anywhere here compiles anew.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

from flashstep.kernels.compiled_cache import CompiledCache
from flashstep.kernels.cpu import HAS_AMX

F = TypeVar("F", bound=Callable[..., Any])
# Sums may be reordered and multiplies fused; NaN and infinity keep their meaning.
RELAXED = {"reassoc", "contract", "nsz"}
_COMMON: dict[str, Any] = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
_INNER: dict[str, Any] = {**_COMMON, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def kernel(function: F) -> F:
    """Compile `function` on first use; float sums may be reordered for vector units."""
    return cast(F, njit(fastmath=RELAXED, **_COMMON)(function))


def exact_kernel(function: F) -> F:
    """Like `kernel`, with every float operation exactly in the order written."""
    return cast(F, njit(fastmath=False, **_COMMON)(function))  # unset would inherit the caller's


def nan_free_kernel(function: F) -> F:
    """Like `kernel`, and comparisons may assume that there is no NaN."""
    return cast(F, njit(fastmath=RELAXED | {"nnan"}, **_COMMON)(function))


def inner_kernel(function: F) -> F:
    """A `kernel` that only other kernels call: compiles faster, cannot be called from Python."""
    return cast(F, njit(fastmath=RELAXED, **_INNER)(function))


def stage_kernel(function: F) -> F:
    """An `inner_kernel` with a single caller, merged into it before compilation.

    The compiler optimises every nested kernel anew in each of its callers; this saves those rounds.
    """
    return cast(F, njit(fastmath=RELAXED, inline="always", **_INNER)(function))


def entry_point(function: F) -> F:
    """Compile `function` and cache the result beside the source or in the user's cache folder.

    Where no folder can be written (a read-only container without a home), compiles per process.
    """
    compiled = njit(fastmath=RELAXED, **_COMMON)(function)
    with suppress(RuntimeError):  # numba: "no locator available"
        compiled._cache = CompiledCache(compiled.py_func)  # what cache=True does, with our class
    return cast(F, compiled)


def source_stamp() -> int:
    """A number that changes when any kernel source changes, or whether this process may use AMX."""
    digest = hashlib.sha256(bytes([HAS_AMX]))
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return int.from_bytes(digest.digest()[:6], "little")
