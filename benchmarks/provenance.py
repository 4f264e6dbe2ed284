"""Where a number comes from: machine, software, commit, date. Every committed result starts with it."""

import datetime
import subprocess
from pathlib import Path
from typing import Any

from flashstep.bench.machine import machine_facts


def provenance() -> dict[str, Any]:
    """Facts about this machine and checkout, ready for JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD")
        + ("+changes" if _git("status", "--porcelain") else ""),
        **machine_facts(),
    }


def _git(*args: str) -> str:
    run = subprocess.run(
        ["git", *args], capture_output=True, text=True, cwd=Path(__file__).parent, check=False
    )
    return run.stdout.strip()
