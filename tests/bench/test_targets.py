"""benchmarks/targets.py: what is reached and what is missed follows from stored ratios and shares."""

import json
import subprocess
import sys
from pathlib import Path

TARGETS = Path(__file__).parents[2] / "benchmarks" / "targets.py"


def ratio(ours: str, peer: str, median: float) -> dict[str, object]:
    return {"ours": ours, "peer": peer, "median": median}


def test_the_best_rival_counts_and_what_was_not_measured_stays_empty(tmp_path: Path) -> None:
    ratios = [
        ratio("flashstep int8", "llama-server q8_0", 1.9), ratio("flashstep int8", "llama-server q4_0", 1.1),
        ratio("flashstep int8 + MTP", "llama-server q8_0 + MTP", 5.0),
        ratio("flashstep int8 + MTP", "llama-server q8_0", 2.5),
    ]  # fmt: skip
    one = {"model": "flashstep-nano", "work": "1 stream", "ratios": ratios, "of_ceiling": {}}
    share = {"flashstep int8": {"share": 0.81, "ceiling": "memory bandwidth"}}
    mid = {"model": "mid", "work": "1 stream", "ratios": [], "of_ceiling": share}
    result = {"cpu": "Abacus", "date": "2026-01-01", "commit": "0123456789", "summary": [one, mid]}
    (tmp_path / "peers-old.json").write_text(json.dumps(result))
    (tmp_path / "peers-new.json").write_text(json.dumps(result | {"date": "2026-01-02", "summary": []}))
    command = [sys.executable, str(TARGETS), "--results", str(tmp_path), "--out", str(tmp_path / "all.md")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("|")]
    assert rows[0] == ["target", "at least", "peers-new", "peers-old"]
    assert rows[2][-2:] == ["Abacus, 2026-01-02, 0123456", "Abacus, 2026-01-01, 0123456"]
    found = {row[0]: [cell.strip() for cell in row[1:]] for row in rows}
    assert found["1 stream, built-in, drafts allowed on both sides"] == ["4.00x", "", "**5.00x**"]
    assert found["1 stream, built-in, 8 bits, no drafts"] == ["2.00x", "", "1.90x (missed)"]
    assert found["1 stream, 1B, 8 bits, of memory bandwidth"] == ["80%", "", "**81%**"]
    assert "missed" not in " ".join(found["32 streams, 93M"])
    assert (tmp_path / "all.md").read_text().strip() == printed.strip()
