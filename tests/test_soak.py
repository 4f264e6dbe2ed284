"""A minute of mixed load on the real server; the ten-minute run is in benchmarks/results/soak.json."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_minute_of_mixed_load_leaves_no_request_without_an_answer():
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--seconds", "60"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    report = json.loads(run.stdout)
    print({name: report[name] for name in ("requests", "outcomes", "statuses")})
    assert report["problems"] == []
    assert not any(report["idle_gauges"].values())
    # Whether memory is flat cannot be told after a minute; the long run judges it.
    assert report["requests"] > 100
