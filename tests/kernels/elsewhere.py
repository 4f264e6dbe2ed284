"""Other kinds of CPUs than this machine's, which a process of its own compiles for."""

import json
import os
import subprocess
import sys

import llvmlite.binding as llvm

AVX2 = "sse sse2 sse3 ssse3 sse4.1 sse4.2 avx avx2 fma bmi bmi2 lzcnt popcnt f16c"
AVX512 = f"{AVX2} avx512f avx512bw avx512cd avx512dq avx512vl"
# CPUs other than this one, each with the lanes of floats and of integers that it must come out with, and
# whether it has 8-bit dot products.
OTHER_CPUS = {
    ("generic", ""): [4, 4, False],
    ("haswell", AVX2): [8, 8, False],
    ("alderlake", f"{AVX2} avxvnni"): [8, 8, True],
    ("skylake-avx512", AVX512): [16, 16, False],
    ("icelake-server", f"{AVX512} avx512vnni"): [16, 16, True],
}
HERE = llvm.get_host_cpu_features()
RUNNABLE = [cpu for cpu in OTHER_CPUS if all(HERE.get(feature, False) for feature in cpu[1].split())]


def environment_of(cpu):
    """What makes a process compile for that CPU: its name, and its instruction sets."""
    name, features = cpu
    wanted = ",".join(f"+{feature}" for feature in features.split())
    return {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": wanted}


def computed_elsewhere(program, environment, *arguments):
    """What a process of its own prints, which compiles anew."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ
        | environment
        | {"PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
