"""What HTTP costs: the same load on the engine alone and through `flashstep serve`, in alternation; and what
the server takes of a CPU when it has nothing to do."""

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flashstep.bench.figure import Figure
from flashstep.bench.offline import Offline
from flashstep.bench.prompts import Prompts
from flashstep.bench.settings import Settings
from flashstep.bench.stream_client import complete_together
from flashstep.engine.config import usable_cores
from flashstep.errors import BackendError

_STOP_S = 60.0
_SETTLE_S, _IDLE_S = 1.0, 2.0  # the system counts a process's time in hundredths of a second


class Server(NamedTuple):
    """A server process: http://host:port, and its process id."""

    url: str
    pid: int


def measure_server(settings: Settings, offline: Offline, prompts: Prompts) -> list[Figure]:
    """Output tokens per second of many streams: engine alone, through HTTP, and the ratio of each pair; then
    the idle server.

    The server is a process of its own, which shares the cores with the client here, whose share is told; it
    records traces, as it does unless told otherwise.
    """
    load = settings.load
    direct_s, http_s, firsts_s, client_shares = [], [], [], []
    num_verified = []
    with running_server(settings) as server:
        for _ in range(load.rounds + 1):
            direct_s.append(offline.answer(load.streams)[0])
            num_verified.append(offline.num_verifications)
            fresh = [prompts.next(load.prompt_tokens) for _ in range(load.streams)]
            before_s = time.process_time()
            seconds, answers = asyncio.run(
                complete_together(server.url, fresh, load.output_tokens, model=settings.folder.resolve().name)
            )
            client_shares.append((time.process_time() - before_s) / seconds / usable_cores())
            http_s.append(seconds)
            firsts_s.append(sorted(answer.first_s for answer in answers)[len(answers) // 2])
        idle = _idle_figures(settings, server.pid)
    name = f"{load.streams} streams"
    is_drafting = num_verified[-1] > num_verified[0]
    pairs = zip(direct_s[1:], http_s[1:], strict=True)
    return [
        offline.rate_figure(f"engine alone, {name}", direct_s[1:], is_drafting=is_drafting),
        offline.rate_figure(f"through HTTP, {name}", http_s[1:], is_drafting=is_drafting),
        Figure(
            name=f"HTTP / engine alone, {name}", unit="x", drafting=is_drafting,
            samples=[direct / http for direct, http in pairs],
            details={"client_share_of_cpus": statistics.median(client_shares[1:])},
        ),
        Figure(
            name=f"first token through HTTP, {name}", unit="ms", drafting=is_drafting,
            samples=[1e3 * first for first in firsts_s[1:]],
        ),
        *idle,
    ]  # fmt: skip


def _idle_figures(settings: Settings, pid: int) -> list[Figure]:
    """What a server that has answered and waits takes of one core; nothing where the system does not tell."""
    if not Path(f"/proc/{pid}/stat").exists():
        return []
    time.sleep(_SETTLE_S)
    shares = []
    for _ in range(settings.load.rounds):
        before_s = _cpu_seconds(pid)
        time.sleep(_IDLE_S)
        shares.append(100 * (_cpu_seconds(pid) - before_s) / _IDLE_S)
    return [Figure(name="idle server", unit="% of a core", samples=shares, drafting=False)]


def _cpu_seconds(pid: int) -> float:
    """Time of all threads of a process, in its own code and in the system's (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running_server(settings: Settings) -> Iterator[Server]:
    """`flashstep serve` as a process. BackendError when it does not start."""
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr"
        with errors.open("w") as stderr, subprocess.Popen(
            _command(settings, Path(folder)), stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process:  # fmt: skip
            try:
                assert process.stdout is not None
                match = re.search(r"http://\S+(?=/v1)", process.stdout.readline())
                if match is None:
                    raise BackendError(f"flashstep serve did not start: {errors.read_text()[-2000:].strip()}")
                yield Server(match[0], process.pid)
            finally:
                process.terminate()
                process.wait(_STOP_S)


def _command(settings: Settings, folder: Path) -> list[str]:
    engine = settings.engine
    device = ["--device", engine.device] if engine.device else []
    memory = ["--kv-memory-mib", str(engine.kv_memory_bytes >> 20)] if engine.kv_memory_bytes else []
    return [
        sys.executable, "-m", "flashstep", "serve", "--port", "0", "--quiet",
        "--model", str(settings.folder),
        "--threads", str(settings.sizes.num_threads),
        "--runner", engine.runner, *device,
        "--weight-format", engine.weight_format,
        *memory,
        "--drafts" if settings.is_drafting else "--no-drafts",
        "--trace-store", str(folder / "traces.db"),
    ]  # fmt: skip
