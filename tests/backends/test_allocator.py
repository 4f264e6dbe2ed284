"""The allocator's thresholds stay where they were set."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's allocator")

# Frees 24 MiB, then says how many blocks of 4 MiB get memory of their own instead of heap.
PROGRAM = """
import ctypes
from flashstep.backends.allocator import fix_thresholds
print(fix_thresholds() if {fixed} else None)
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]
library = ctypes.CDLL(None)
library.mallinfo2.restype = Info
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
library.free(library.malloc(ctypes.c_size_t(24 << 20)))
before = library.mallinfo2().hblks
blocks = [library.malloc(ctypes.c_size_t(4 << 20)) for _ in range(3)]
print(library.mallinfo2().hblks - before)
"""


# Fills the heap with blocks below the threshold, frees all but the last, and says what stays resident.
GIVEN_BACK = """
import ctypes, sys
from flashstep.backends.allocator import give_back
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = [ctypes.c_void_p]
def resident_mib():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
before = resident_mib()
blocks = [library.malloc(ctypes.c_size_t(64 << 10)) for _ in range(800)]
for block in blocks:
    ctypes.memset(block, 1, 64 << 10)
for block in blocks[:-1]:
    library.free(block)
kept = resident_mib() - before
give_back()
print(kept > 40, resident_mib() - before < 10)
"""


def run(*, fixed: bool, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    program = PROGRAM.format(fixed=fixed)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=kept | environment
    )
    return done.stdout.split()


def test_big_blocks_go_back_to_the_system_however_big_the_last_one_was():
    assert run(fixed=False) == ["None", "0"]
    assert run(fixed=True) == ["True", "3"]


def test_an_operators_own_setting_is_left_alone():
    assert run(fixed=True, MALLOC_TRIM_THRESHOLD_="1000000")[0] == "False"


def test_what_lies_free_in_the_heap_goes_back_when_asked():
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]
