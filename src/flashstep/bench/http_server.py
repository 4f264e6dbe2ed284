"""What HTTP costs: the same load on the engine alone and through `flashstep serve`, in alternation."""

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flashstep.bench.figure import Figure
from flashstep.bench.offline import Offline
from flashstep.bench.prompts import Prompts
from flashstep.bench.settings import Settings
from flashstep.bench.stream_client import complete_together
from flashstep.errors import BackendError

_STOP_S = 60.0


def measure_server(settings: Settings, offline: Offline, prompts: Prompts) -> list[Figure]:
    """Output tokens per second of many streams: engine alone, through HTTP, and the ratio of each pair.

    The server is a process of its own, which shares the cores with the client here; it records traces,
    as it does unless told otherwise.
    """
    load = settings.load
    direct_s, http_s, firsts_s = [], [], []
    with running_server(settings) as url:
        for _ in range(load.rounds + 1):
            direct_s.append(offline.answer(load.streams)[0])
            fresh = [prompts.next(load.prompt_tokens) for _ in range(load.streams)]
            seconds, answers = asyncio.run(
                complete_together(url, fresh, load.output_tokens, model=settings.folder.resolve().name)
            )
            http_s.append(seconds)
            firsts_s.append(sorted(answer.first_s for answer in answers)[len(answers) // 2])
    name = f"{load.streams} streams"
    pairs = zip(direct_s[1:], http_s[1:], strict=True)
    return [
        offline.rate_figure(f"engine alone, {name}", direct_s[1:]),
        offline.rate_figure(f"through HTTP, {name}", http_s[1:]),
        Figure(
            name=f"HTTP / engine alone, {name}", unit="x", drafting=settings.is_drafting,
            samples=[direct / http for direct, http in pairs],
        ),
        Figure(
            name=f"first token through HTTP, {name}", unit="ms", drafting=settings.is_drafting,
            samples=[1e3 * first for first in firsts_s[1:]],
        ),
    ]  # fmt: skip


@contextmanager
def running_server(settings: Settings) -> Iterator[str]:
    """`flashstep serve` as a process; yields http://host:port. BackendError when it does not start."""
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
                yield match[0]
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
