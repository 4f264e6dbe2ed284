"""`flashstep serve` as a process: it announces its address, answers, and stops when told to."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest


@contextmanager
def served(
    checkpoint: Path, *arguments: str, stderr: IO[str] | int = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and the base URL that it printed."""
    command = [sys.executable, "-m", "flashstep", "serve", "--model", str(checkpoint), "--port", "0"]
    command += ["--threads", "1", "--kv-memory-mib", "64", "--trace-store", "off", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.fullmatch(
                r"toy(?: and [\w.-]+)* and step-3\.5-flash on (http://127\.0\.0\.1:\d+/v1)\n", line
            )
            assert match, line
            yield process, match[1]
        finally:
            process.kill()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_server_announces_its_address_answers_and_stops(
    speaking_checkpoint: Path, stop: signal.Signals
) -> None:
    with (
        served(speaking_checkpoint, "--quiet") as (process, url),
        httpx.Client(trust_env=False) as client,
    ):
        models = client.get(f"{url}/models").raise_for_status().json()
        assert [entry["id"] for entry in models["data"]] == ["toy", "step-3.5-flash"]
        body = {
            "model": "step-3.5-flash",
            "messages": [{"role": "user", "content": "how many letters"}],
            "max_tokens": 4,
        }
        completion = client.post(f"{url}/chat/completions", json=body, timeout=60).raise_for_status()
        assert completion.json()["usage"]["completion_tokens"] <= 4
        assert len(completion.headers["x-trace-id"]) == 32
        process.send_signal(stop)
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "", "quiet means the address alone"


def test_a_model_answers_to_further_names(speaking_checkpoint: Path) -> None:
    with (
        served(speaking_checkpoint, "--quiet", "--alias", "step-3.5-flash-2603") as (_, url),
        httpx.Client(trust_env=False) as client,
    ):
        ids = [entry["id"] for entry in client.get(f"{url}/models").raise_for_status().json()["data"]]
    assert ids == ["toy", "step-3.5-flash-2603", "step-3.5-flash"]


def test_keys_given_on_the_command_line_are_asked_for(speaking_checkpoint: Path) -> None:
    with (
        served(speaking_checkpoint, "--api-key", "one", "--api-key", "two") as (process, url),
        httpx.Client(trust_env=False) as client,
    ):
        assert client.get(f"{url}/models").status_code == 401
        for key in ("one", "two"):
            headers = {"Authorization": f"Bearer {key}"}
            assert client.get(f"{url}/models", headers=headers).status_code == 200
        process.kill()
        assert process.stdout is not None
        assert f"curl {url}/chat/completions" in process.stdout.read()


def test_a_taken_port_is_told_before_the_model_is_loaded(speaking_checkpoint: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "flashstep", "serve", "--model", str(speaking_checkpoint)]
        command += ["--port", str(taken.getsockname()[1])]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "choose another with --port" in refused.stderr
    assert "starting the engine" not in refused.stderr


def test_the_start_says_how_many_tokens_fit_and_a_longer_prompt_is_refused_with_the_numbers(
    speaking_checkpoint: Path, tmp_path: Path
) -> None:
    log = tmp_path / "stderr"
    with (
        log.open("w") as stderr,
        served(speaking_checkpoint, "--no-prefix-cache", "--kv-memory-mib", "11", stderr=stderr) as (_, url),
        httpx.Client(trust_env=False) as client,
    ):
        told = re.search(r"11 MiB for the KV cache: .* may have (\d+) tokens together", log.read_text())
        assert told
        entry = client.get(f"{url}/models").raise_for_status().json()["data"][0]
        assert int(told[1]) == entry["context_length"] < 8192
        body = {
            "model": "toy",
            "messages": [{"role": "user", "content": "how many letters " * int(told[1])}],
        }
        answer = client.post(f"{url}/chat/completions", json=body, timeout=60)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "context_length_exceeded"
        assert told[1] in error["message"]
        assert re.search(r"has \d+ tokens", error["message"])


def test_who_finds_no_place_waits(speaking_checkpoint: Path) -> None:
    with (
        served(speaking_checkpoint, "--max-sequences", "1") as (_, url),
        ThreadPoolExecutor(6) as pool,
        httpx.Client(trust_env=False, timeout=60) as client,
    ):
        body = {"model": "toy", "messages": [{"role": "user", "content": "how many"}], "max_tokens": 60}
        sent = [pool.submit(client.post, f"{url}/chat/completions", json=body) for _ in range(6)]
        places = [one.result().raise_for_status().headers.get("x-flashstep-queue-position") for one in sent]
    assert places.count(None) < 6


@pytest.mark.parametrize("name", ["FLASHSTEP_API_KEY", "FLASHSTEP_API_KEY_FILE"])
def test_a_key_variable_that_is_set_and_empty_does_not_open_the_server(name) -> None:
    command = [sys.executable, "-m", "flashstep", "serve", "--port", "0"]
    ended = subprocess.run(command, env={**os.environ, name: " "}, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    assert f"{name} is set and empty" in " ".join(ended.stderr.split())
