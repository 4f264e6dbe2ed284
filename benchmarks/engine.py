"""The engine's own figures with their origin: `flashstep bench`, mode after mode, in one file to commit.

Each figure stands beside the machine's ceilings, measured in the same run. Words behind `--` go to `flashstep
bench`.

usage: python benchmarks/engine.py --out FILE.json [--modes latency prefill] [-- --model FOLDER ...]
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from provenance import provenance

from flashstep.bench.settings import MODES


def measured(mode: str, options: list[str]) -> dict[str, Any]:
    """The JSON line of `flashstep bench MODE`; its other lines are shown as they come."""
    command = [sys.executable, "-m", "flashstep", "bench", mode, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            last = line
            if not line.startswith("{"):
                print(line, end="", flush=True)
    if process.returncode:
        raise SystemExit(f"flashstep bench {mode} ended with {process.returncode}")
    result: dict[str, Any] = json.loads(last)
    return result


def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    origin = provenance() | {"benchmark": "engine"}  # before the file changes the checkout
    runs = [measured(mode, args.options) for mode in args.modes]
    args.out.write_text(json.dumps(origin | {"runs": runs}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
