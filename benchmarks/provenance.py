"""Where a number comes from: machine, software, commit, date. Every committed result starts with it."""

import datetime
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any


def provenance() -> dict[str, Any]:
    """Facts about this machine and checkout, ready for JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD")
        + ("+changes" if _git("status", "--porcelain") else ""),
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "numba": version("numba"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _git(*args: str) -> str:
    run = subprocess.run(
        ["git", *args], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    return run.stdout.strip()


def _cpu_name() -> str:
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return platform.processor()
    names = [
        line.split(":", 1)[1].strip()
        for line in file.read_text().splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()
