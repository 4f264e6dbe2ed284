"""Mixed load on a real server for a given time: does every request get its answer, is memory flat?

    python benchmarks/soak.py --seconds 600 --out benchmarks/results/soak.json

Workers pick scenarios at random: whole and streamed answers in all formats, tools, clients that leave
at a random moment, malformed bodies, prompts that are too long, readers that stop reading, requests
that break off half way, and bursts beyond the queue. At the end the server must be idle with all K/V
blocks back, every request answered, no 5xx but the promised 503, and the resident memory without a
trend: the slope, by least squares with its 95% confidence interval, of the lowest value of every
twentieth of the time, since long prompts take a hundred MiB for a moment. The exit code says whether.
"""

import argparse
import asyncio
import contextlib
import json
import math
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from provenance import provenance
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from soak_load import Load, Tally

NUM_WORKERS = 12
SAMPLE_S = 1.0
NUM_WINDOWS = 20
WARMUP_SHARE = 0.25  # memory of the first quarter is not judged: compiled grammars, connection buffers
KV_MIB = 96
MAX_GROWTH_MIB_PER_HOUR = 30.0


@contextlib.contextmanager
def serving(arguments: list[str]) -> Any:
    """A server process on a free port; yields (process, base URL)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "flashstep", "serve", "--port", str(port), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if " on http" in line:
                break
        else:
            raise SystemExit(f"the server did not start: {' '.join(command)}")
        yield process, f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


async def watch(pid: int, samples: list[tuple[float, float]], deadline_s: float) -> None:
    """Resident memory (MiB) over time (s)."""
    start_s = time.monotonic()
    while time.monotonic() < deadline_s:
        samples.append((time.monotonic() - start_s, resident_mib(pid)))
        await asyncio.sleep(SAMPLE_S)


def resident_mib(pid: int) -> float:
    """Resident set size of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def floors(samples: list[tuple[float, float]], window_s: float) -> list[tuple[float, float]]:
    """The lowest sample of each window."""
    windows: dict[int, tuple[float, float]] = {}
    for sample in samples:
        window = int(sample[0] / window_s)
        windows[window] = min(windows.get(window, sample), sample, key=lambda s: s[1])
    return list(windows.values())


def slope(samples: list[tuple[float, float]]) -> tuple[float, float]:
    """MiB per hour by least squares, and the half width of its 95% confidence interval."""
    times, values = zip(*samples, strict=True)
    fit = statistics.linear_regression(times, values)
    residuals = [v - fit.intercept - fit.slope * t for t, v in samples]
    spread = sum((t - statistics.fmean(times)) ** 2 for t in times)
    # Neighbouring samples are alike, so fewer of them count; an AR(1) correction.
    lag = sum(a * b for a, b in zip(residuals, residuals[1:], strict=False))
    rho = max(0.0, min(0.95, lag / max(1e-12, sum(r * r for r in residuals))))
    error = math.sqrt(sum(r * r for r in residuals) / max(1, len(samples) - 2) / spread)
    return fit.slope * 3600, 1.96 * error * math.sqrt((1 + rho) / (1 - rho)) * 3600


async def idle(client: httpx.AsyncClient, root: str) -> dict[str, float]:
    """The gauges that must be zero once nothing runs; waits up to half a minute for it."""
    names = (
        "flashstep_num_requests_running",
        "flashstep_num_requests_waiting",
        "flashstep_kv_cache_usage_ratio",
    )
    for _ in range(60):
        text = (await client.get(f"{root}/metrics")).text
        found = {n: float(re.search(rf"^{n}(?:{{[^}}]*}})? (\S+)$", text, re.M)[1]) for n in names}  # type: ignore[index]
        if not any(found.values()):
            break
        await asyncio.sleep(0.5)
    return found


async def soak(pid: int, url: str, seconds: float, seed: int) -> dict[str, Any]:
    """Load the server and say what came of it."""
    load = Load(url, random.Random(seed))
    await load.fill_cache()
    load.tally = Tally()
    samples: list[tuple[float, float]] = []
    deadline_s = time.monotonic() + seconds
    tasks = [load.run_until(deadline_s) for _ in range(NUM_WORKERS)]
    await asyncio.gather(watch(pid, samples, deadline_s), progress(load, seconds), *tasks)
    gauges = await idle(load.client, url.removesuffix("/v1"))
    tally = load.tally
    judged = samples[int(len(samples) * WARMUP_SHARE) :]
    growth, margin = slope(floors(judged, seconds / NUM_WINDOWS))
    await load.client.aclose()
    return {
        "seconds": seconds,
        "workers": NUM_WORKERS,
        "requests": tally.sent,
        "outcomes": dict(tally.outcomes),
        "statuses": {str(k): v for k, v in sorted(tally.statuses.items())},
        "problems": tally.problems,
        "idle_gauges": gauges,
        "resident_mib": {"first": samples[0][1], "judged_from": judged[0][1], "last": samples[-1][1]},
        "resident_mib_over_time": [
            [round(t), round(mib, 1)] for t, mib in floors(samples, seconds / NUM_WINDOWS)
        ],
        "growth_mib_per_hour": {"slope": growth, "half_width_95": margin},
        "passed": not tally.problems
        and not any(gauges.values())
        and growth - margin < MAX_GROWTH_MIB_PER_HOUR,
    }


async def progress(load: Load, seconds: float) -> None:
    """A bar on stderr."""
    columns = (
        TextColumn("soaking"),
        BarColumn(),
        TextColumn("{task.fields[sent]} requests"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("soak", total=seconds, sent=0)
        start_s = time.monotonic()
        while (elapsed_s := time.monotonic() - start_s) < seconds:
            bar.update(task, completed=elapsed_s, sent=load.tally.sent)
            await asyncio.sleep(0.5)


def main() -> int:
    """Parse options, run, print and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the load (default 60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    options = parser.parse_args()
    arguments = ["--max-waiting", "24", "--max-queue-wait", "10", "--kv-memory-mib", str(KV_MIB)]
    with (
        tempfile.TemporaryDirectory() as folder,
        serving([*arguments, "--trace-store", f"{folder}/traces.db"]) as (process, url),
    ):
        result = asyncio.run(soak(process.pid, url, options.seconds, options.seed))
        if process.poll() is not None:
            result["passed"] = False
            result["problems"].append(f"the server ended with exit code {process.returncode}")
    report = {**provenance(), **result}
    text = json.dumps(report, indent=2, ensure_ascii=False)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
