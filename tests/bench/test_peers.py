"""benchmarks/peers.py: how ratios follow from the stored rounds, and that a second call goes on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers.py"
ENGINES = {
    "flashstep int8": {"is_ours": True, "drafting": False},
    "flashstep int8 + MTP": {"is_ours": True, "drafting": True},
    "llama-server q8_0": {"is_ours": False, "drafting": False},
    "llama-server q8_0 + MTP": {"is_ours": False, "drafting": True},
    "flashstep int4": {"is_ours": True, "drafting": False},
}


def peers(out: Path, *arguments: str) -> str:
    """What the program prints; it finds no peers."""
    command = [sys.executable, str(PEERS), "--out", str(out), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "FLASHSTEP_PEERS"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    return run.stdout


def stored(*rates: tuple[float, ...]) -> dict[str, Any]:
    rounds = [
        {"model": "m", "work": "1 stream", "round": i, "rates": dict(zip(ENGINES, row, strict=True))}
        for i, row in enumerate(rates)
    ]
    ceilings = {"m": {"int8_bytes_per_token": 1000, "int4_bytes_per_token": 500, "memory_bytes_per_s": 4e5}}
    return {"rounds": rounds, "engines": ENGINES, "missing": {"m, 1 stream": ["vLLM: not installed"]}} | {
        "ceilings": ceilings
    }


def test_ratios_are_taken_within_a_round(tmp_path: Path) -> None:
    out = tmp_path / "peers.json"
    # The medians of the rates alone would say 2.0; within the rounds it is 3, 2 and 3.
    out.write_text(
        json.dumps(stored((300, 400, 100, 50, 900), (200, 400, 100, 100, 600), (60, 90, 20, 10, 200)))
    )
    text = peers(out, "--report-only")
    assert "flashstep int8 / llama-server q8_0: 3.00x (2.00-3.00, 3 rounds, drafts allowed off/off)" in text
    assert "int8 + MTP / llama-server q8_0 + MTP: 8.00x (4.00-9.00, 3 rounds, drafts allowed on/on)" in text
    assert "flashstep int8 / llama-server q8_0 + MTP" not in text, "without drafts against with drafts"
    assert "50% of memory bandwidth" in text
    assert "75% of memory bandwidth" in text, "int4 reads half as much"
    assert "left out: vLLM: not installed" in text
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_rounds_are_stored_and_a_second_call_measures_only_the_missing_ones(
    speaking_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "peers.json"
    load = ("--model", f"toy={speaking_model}", "--work", "1 stream", "--threads", "1", "--patience", "0")
    text = peers(out, *load, "--rounds", "1")
    assert "no peers: give --peers FOLDER or set FLASHSTEP_PEERS" in text
    first = json.loads(out.read_text())["rounds"]
    assert [(entry["model"], entry["work"], entry["round"]) for entry in first] == [("toy", "1 stream", 0)]
    assert first[0]["rates"]["flashstep int8"] > 0
    peers(out, *load, "--rounds", "1")
    assert json.loads(out.read_text())["rounds"] == first
