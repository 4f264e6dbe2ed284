"""Facts about the machine and the software that a figure belongs to."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flashstep.engine.config import usable_cores


def machine_facts() -> dict[str, Any]:
    """CPU, cores, system and versions, ready for JSON."""
    return {
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "python": platform.python_version(),
        "numba": version("numba"),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_name() -> str:
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return platform.processor()
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
