"""Runs `flashstep eval core` and writes its result with machine, commit and date.

usage: python benchmarks/eval_core.py [--n 200] [--model FOLDER] [--out benchmarks/results/eval-core.json]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from provenance import provenance

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Evaluate, wrap, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS / "eval-core.json")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "eval.json"
        command = ["eval", "core", "--n", str(args.n), "--json", str(file)]
        command += ["--model", str(args.model)] if args.model else []
        subprocess.run([sys.executable, "-m", "flashstep", *command], check=True)
        families = json.loads(file.read_text())
    result = provenance() | {"command": f"flashstep eval core --n {args.n}", "families": families}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
