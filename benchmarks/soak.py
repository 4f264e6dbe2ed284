"""Mixed load on a real server for a given time: does every request get its answer, is memory flat?

    python benchmarks/soak.py --seconds 600 --out benchmarks/results/soak.json

Workers pick scenarios at random: whole and streamed answers in all formats, tools, clients that leave
at a random moment, malformed bodies, prompts that are too long, readers that stop reading, requests
that break off half way, and bursts beyond the queue. At the end the server must be idle with all K/V
blocks back, every request answered, no 5xx but the promised 503, and the resident memory without a
trend (slope by least squares with its 95% confidence interval). The exit code says whether.
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
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from provenance import provenance
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

QUESTIONS = (
    "How many 'r's are in the word strawberry?",
    "What is 4711 + 815?",
    "Which is larger, 9.11 or 9.9?",
    "Spell the word banana backwards.",
    "Who are you?",
)
NUM_WORKERS = 12
BURST = 60
SAMPLE_S = 2.0
WARMUP_SHARE = 0.25  # memory of the first quarter is not judged: pools and caches fill up
MAX_GROWTH_MIB_PER_HOUR = 30.0
TIMEOUT_S = 120.0
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@dataclass
class Tally:
    """What happened. `unanswered` are requests that neither got an answer nor were dropped by us."""

    sent: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def problem(self, text: str) -> None:
        """Note something that must not happen; the first hundred are kept."""
        self.outcomes["problem"] += 1
        if len(self.problems) < 100:
            self.problems.append(text)


class Load:
    """The scenarios, each one request (or a burst) with the check of its answer."""

    def __init__(self, url: str, rng: random.Random) -> None:
        self.url = url
        self.rng = rng
        self.tally = Tally()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self.client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, limits=limits)
        self.scenarios: tuple[tuple[Callable[[], Awaitable[None]], int], ...] = (
            (self.whole, 20),
            (self.streamed, 25),
            (self.with_tools, 8),
            (self.several, 4),
            (self.messages, 8),
            (self.responses, 8),
            (self.left_early, 20),
            (self.malformed, 10),
            (self.too_long, 3),
            (self.half_sent, 5),
            (self.never_read, 2),
            (self.burst, 3),
        )

    async def run_until(self, deadline_s: float) -> None:
        """One worker: scenario after scenario."""
        choices, weights = zip(*self.scenarios, strict=True)
        while time.monotonic() < deadline_s:
            scenario = self.rng.choices(choices, weights)[0]
            self.tally.sent += 1
            try:
                await scenario()
            except (httpx.HTTPError, OSError, TimeoutError, json.JSONDecodeError) as error:
                self.tally.problem(f"{scenario.__name__}: {type(error).__name__}: {error}")

    def ask(self, **fields: Any) -> dict[str, Any]:
        """A chat request with a random question."""
        messages = [{"role": "user", "content": self.rng.choice(QUESTIONS)}]
        return {"model": "step-3.5-flash", "messages": messages, "max_tokens": 200, **fields}

    async def whole(self) -> None:
        """A whole answer."""
        await self._expect_json("/chat/completions", self.ask(), "choices")

    async def with_tools(self) -> None:
        """A forced tool call."""
        body = self.ask(tools=[TOOL], tool_choice="required")
        await self._expect_json("/chat/completions", body, "choices")

    async def several(self) -> None:
        """Three answers at once."""
        await self._expect_json("/chat/completions", self.ask(n=3, temperature=1.0), "choices")

    async def messages(self) -> None:
        """Anthropic's format, streamed."""
        body = {**self.ask(), "stream": True}
        await self._expect_stream("/messages", body, '"type":"message_stop"')

    async def responses(self) -> None:
        """The Responses format, streamed."""
        body = {"model": "step-3.5-flash", "input": self.rng.choice(QUESTIONS), "stream": True}
        await self._expect_stream("/responses", body, '"type":"response.completed"')

    async def streamed(self) -> None:
        """A streamed answer, read to its end."""
        await self._expect_stream("/chat/completions", self.ask(stream=True), "data: [DONE]")

    async def left_early(self) -> None:
        """The client goes away after a random number of chunks."""
        async with self._stream("/chat/completions", self.ask(stream=True, ignore_eos=True)) as response:
            if self._refused(response):
                return
            wanted = self.rng.randint(0, 40)
            seen = 0
            async for _ in response.aiter_lines():
                seen += 1
                if seen > wanted:
                    break
        self.tally.outcomes["left early"] += 1

    async def malformed(self) -> None:
        """Broken JSON, wrong types, missing fields: always a 4xx with an error object."""
        bodies: tuple[bytes, ...] = (
            b"{",
            b"[]",
            b"\xff\xfe",
            b"{}",
            b'{"model":"step-3.5-flash","messages":[]}',
            b'{"model":"step-3.5-flash","messages":"hi"}',
            b'{"model":"nobody","messages":[{"role":"user","content":"hi"}]}',
            json.dumps(self.ask(temperature=-1)).encode(),
            json.dumps(self.ask(temperature="hot")).encode(),
            b"[" * 100_000,
        )
        response = await self.client.post(
            self.rng.choice(("/chat/completions", "/messages", "/responses", "/completions")),
            content=self.rng.choice(bodies),
            headers={"content-type": "application/json"},
        )
        self._count(response)
        if not (400 <= response.status_code < 500 and "error" in response.json()):
            self.tally.problem(f"malformed body: {response.status_code} {response.text[:200]}")
        self.tally.outcomes["refused"] += 1

    async def too_long(self) -> None:
        """A prompt longer than the context."""
        body = self.ask()
        body["messages"][0]["content"] = "many words " * 150_000
        response = await self.client.post("/chat/completions", json=body)
        self._count(response)
        if response.status_code not in (400, 503):
            self.tally.problem(f"too long: {response.status_code} {response.text[:200]}")
        self.tally.outcomes["refused"] += 1

    async def half_sent(self) -> None:
        """The connection breaks while the request is being sent."""
        reader, writer = await self._connect()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.sleep(self.rng.random() / 10)
        writer.close()
        self.tally.outcomes["left early"] += 1

    async def never_read(self) -> None:
        """The reader stops reading a long stream for a while, then leaves."""
        _, writer = await self._connect()
        body = json.dumps(self.ask(stream=True, ignore_eos=True, max_tokens=4000)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        await asyncio.sleep(2 * self.rng.random())
        writer.transport.abort()
        self.tally.outcomes["left early"] += 1

    async def burst(self) -> None:
        """Far more requests at once than may run or wait."""
        self.tally.sent += BURST - 1
        await asyncio.gather(*(self.whole() for _ in range(BURST)))

    async def _expect_json(self, path: str, body: dict[str, Any], key: str) -> None:
        response = await self.client.post(path, json=body)
        if self._refused(response):
            return
        if key not in response.json():
            self.tally.problem(f"{path}: no {key} in {response.text[:200]}")
        self.tally.outcomes["answered"] += 1

    async def _expect_stream(self, path: str, body: dict[str, Any], last: str) -> None:
        async with self._stream(path, body) as response:
            if self._refused(response):
                return
            text = "".join([chunk async for chunk in response.aiter_text()])
        if last not in text.replace(": ", ":").replace("data:[DONE]", "data: [DONE]"):
            self.tally.problem(f"{path}: the stream ended without {last}: {text[-200:]}")
        self.tally.outcomes["answered"] += 1

    @contextlib.asynccontextmanager
    async def _stream(self, path: str, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        async with self.client.stream("POST", path, json=body) as response:
            yield response

    def _refused(self, response: httpx.Response) -> bool:
        self._count(response)
        if response.status_code == 503:
            if "retry-after" not in response.headers:
                self.tally.problem("503 without Retry-After")
            self.tally.outcomes["refused"] += 1
            return True
        if response.status_code != 200:
            self.tally.problem(f"{response.request.url.path}: status {response.status_code}")
            return True
        return False

    def _count(self, response: httpx.Response) -> None:
        self.tally.statuses[response.status_code] += 1
        if response.status_code >= 500 and response.status_code != 503:
            self.tally.problem(f"status {response.status_code} at {response.request.url.path}")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self.url)
        return await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 12)


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
    await load.whole()
    load.tally = Tally()
    samples: list[tuple[float, float]] = []
    deadline_s = time.monotonic() + seconds
    tasks = [load.run_until(deadline_s) for _ in range(NUM_WORKERS)]
    await asyncio.gather(watch(pid, samples, deadline_s), progress(load, seconds), *tasks)
    gauges = await idle(load.client, url.removesuffix("/v1"))
    tally = load.tally
    judged = samples[int(len(samples) * WARMUP_SHARE) :]
    growth, margin = slope(judged)
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
    # A small K/V cache is soon full of kept prefixes, so that its pages do not look like a leak.
    arguments = ["--max-waiting", "24", "--max-queue-wait", "10", "--kv-memory-mib", "128"]
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
