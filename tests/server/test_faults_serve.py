"""`flashstep serve` with the built-in model is killed, stopped and given a damaged kernel cache: what was
recorded is still there, what was promised still ends, and it starts again."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from numba.core.caching import UserProvidedCacheLocator

from flashstep.kernels import entry
from flashstep.kernels.warmup import compile_all

pytestmark = pytest.mark.slow

QUESTION = {
    "model": "step-3.5-flash",
    "messages": [{"role": "user", "content": "How many r's are in the word strawberry?"}],
    "temperature": 0,
}
# Goes on until it is stopped, or far beyond the life of a test.
ENDLESS = QUESTION | {
    "stream": True, "ignore_eos": True, "repetition_guard": False, "max_tokens": 100_000,
}  # fmt: skip


@contextmanager
def served(store: Path, *flags: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and the base URL that it printed; killed at the end."""
    command = [sys.executable, "-m", "flashstep", "serve", "--port", "0", "--quiet", "--threads", "1"]
    command += ["--kv-memory-mib", "256", "--trace-store", str(store), *flags]
    environment = os.environ | variables
    log = store.with_suffix(".log").open("a")
    with (
        log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as server,
    ):
        try:
            line = server.stdout.readline()
            match = re.search(r"http://127\.0\.0\.1:\d+/v1", line)
            assert match, store.with_suffix(".log").read_text()
            yield server, match[0]
        finally:
            server.kill()


def answer(url: str) -> str:
    """Ask the question; the answer's trace id."""
    response = httpx.post(f"{url}/chat/completions", json=QUESTION, timeout=120).raise_for_status()
    assert "3" in response.json()["choices"][0]["message"]["content"]
    return response.headers["x-trace-id"]


def wait_for_record(url: str, trace_id: str) -> None:
    """Returns once the record, which is written behind the answer, can be looked up."""
    for _ in range(500):
        if httpx.get(f"{url}/traces/{trace_id}", timeout=60).status_code == 200:
            return
        time.sleep(0.02)
    pytest.fail(f"there is no record of {trace_id}")


def traced(store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `flashstep trace`."""
    command = [sys.executable, "-m", "flashstep", "trace", *arguments, "--store", str(store)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_server_killed_in_mid_stream_loses_no_earlier_trace_and_starts_again(tmp_path):
    store = tmp_path / "traces.db"
    with served(store) as (server, url):
        first = answer(url)
        with httpx.stream("POST", f"{url}/chat/completions", json=ENDLESS, timeout=60) as stream:
            killed = stream.headers["x-trace-id"]
            lines = (line for line in stream.iter_lines() if line.startswith("data: {"))
            for _ in range(20):
                next(lines)
            wait_for_record(url, first)
            server.send_signal(signal.SIGKILL)
            assert server.wait(60) == -signal.SIGKILL
            with pytest.raises(httpx.TransportError):
                list(lines)
    with closing(sqlite3.connect(store)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    record = json.loads(traced(store, first, "--json").stdout)
    assert record["trace_id"] == first
    assert "strawberry" in record["content"]["messages"][0]["content"]
    unfinished = traced(store, killed)  # a record is made at the end, and there was none
    assert (unfinished.returncode, "there is no trace" in unfinished.stderr) == (1, True)
    with served(store) as (_, url):
        second = answer(url)
        assert httpx.get(f"{url}/traces/{first}", timeout=60).status_code == 200
    for trace_id in (first, second):
        shown = traced(store, trace_id)
        assert shown.returncode == 0, shown.stderr
        assert trace_id in shown.stdout


def test_a_server_told_to_stop_ends_a_stream_with_an_error_within_its_grace_and_exits_with_0(tmp_path):
    store = tmp_path / "traces.db"
    with served(store, "--shutdown-grace", "1") as (server, url):
        with httpx.stream("POST", f"{url}/chat/completions", json=ENDLESS, timeout=60) as stream:
            trace_id = stream.headers["x-trace-id"]
            lines = (line[6:] for line in stream.iter_lines() if line.startswith("data: "))
            next(lines)
            server.send_signal(signal.SIGTERM)
            last = [json.loads(line) for line in lines if line != "[DONE]"][-1]
        assert "stopped before the answer was complete" in last["error"]["message"]
        assert last["error"]["trace_id"] == trace_id
        assert server.wait(60) == 0
    shown = traced(store, trace_id, "--json")
    assert json.loads(shown.stdout)["error"], shown.stderr


def test_a_server_told_to_stop_lets_a_short_stream_end(tmp_path):
    store = tmp_path / "traces.db"
    with served(store, "--shutdown-grace", "30") as (server, url):
        body = QUESTION | {"stream": True}
        with httpx.stream("POST", f"{url}/chat/completions", json=body, timeout=60) as stream:
            lines = (line[6:] for line in stream.iter_lines() if line.startswith("data: "))
            next(lines)
            server.send_signal(signal.SIGTERM)
            rest = list(lines)
        assert rest[-1] == "[DONE]"
        assert json.loads(rest[-2])["choices"][0]["finish_reason"] == "stop"
        assert server.wait(60) == 0


@pytest.fixture
def damaged_cache(tmp_path):
    """A kernel cache in which one file is empty and the others are cut short."""
    compile_all(lambda name, done, total: None, 2)
    folder = tmp_path / "kernels"
    inner = folder / UserProvidedCacheLocator.get_suitable_cache_subpath(entry.__file__)
    inner.mkdir(parents=True)
    files = sorted(Path(entry.run._cache.cache_path).glob("entry.*.nb?"))
    assert len(files) >= 4
    for number, file in enumerate(files):
        content = file.read_bytes()
        (inner / file.name).write_bytes(content[: len(content) // 2] if number else b"")
    return folder


def test_a_damaged_kernel_cache_does_not_keep_a_server_from_starting(tmp_path, damaged_cache):
    store = tmp_path / "traces.db"
    with served(store, NUMBA_CACHE_DIR=str(damaged_cache)) as (_, url):
        answer(url)
    assert "are damaged and made anew" in store.with_suffix(".log").read_text()
