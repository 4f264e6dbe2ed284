"""Runs `flashstep eval` and writes its figures with machine, commit and date, and a picture beside them.

Wrong answers are not in the result: who writes training wordings must not see questions of the evaluation.

usage: python benchmarks/evaluation.py core tools [--n 200] [--temperature 0.6] [--seen] [--model FOLDER]
           [--out FILE]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from provenance import provenance

from flashstep.training.evaluation.report import FamilyResult, Report

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Evaluate, wrap, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="+")
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--long-tokens", type=int, nargs="+", default=[1024])
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--model", type=Path)
    parser.add_argument(
        "--seen", action="store_true", help="what training asks, instead of what it never does"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "eval.json")
    args = parser.parse_args()
    command = ["eval", *args.suites, "--n", str(args.n), "--temperature", str(args.temperature)]
    for length in args.long_tokens:
        command += ["--long-tokens", str(length)]
    command += ["--seen"] if args.seen else []
    shown = " ".join(["flashstep", *command])
    command += ["--model", str(args.model)] if args.model else []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "eval.json"
        command += ["--out", str(file), "--png", str(args.out.with_suffix(".png"))]
        subprocess.run([sys.executable, "-m", "flashstep", *command], check=True)
        found = json.loads(file.read_text())
    families = {label: row for entry in found["families"].values() for label, row in entry["results"].items()}
    report = Report({label: FamilyResult(**row) for label, row in families.items()}, ())
    result = provenance() | {
        "command": shown,
        "settings": found["settings"],
        "mean": asdict(report.mean),
        "families": families,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {args.out}")


if __name__ == "__main__":
    main()
